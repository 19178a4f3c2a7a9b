CREATE TABLE public.approvals (
    id character varying(40) NOT NULL,
    run_id character varying(40),
    task character varying(200),
    item integer,
    tool character varying(200),
    description text,
    asked_by character varying(200) NOT NULL,
    arguments text,
    args_hash character varying(64),
    by text NOT NULL,
    state character varying(20) NOT NULL,
    asked_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    answered_by character varying(200),
    answered_at double precision,
    reason text
);
CREATE TABLE public.attempts (
    run_id text NOT NULL,
    task text NOT NULL,
    item integer NOT NULL,
    fence integer NOT NULL,
    attempt integer NOT NULL,
    owner text,
    state text NOT NULL,
    error text,
    notes text,
    started_at double precision,
    ended_at double precision NOT NULL
);
CREATE TABLE public.budget_rates (
    name text NOT NULL,
    spent double precision NOT NULL,
    at double precision NOT NULL
);
CREATE TABLE public.budget_slots (
    name text NOT NULL,
    owner text NOT NULL,
    slots integer NOT NULL,
    wanted integer DEFAULT 0 NOT NULL,
    until double precision NOT NULL
);
CREATE TABLE public.codes (
    code character varying(64) NOT NULL,
    caller character varying(200) NOT NULL,
    tool character varying(200) NOT NULL,
    args_hash character varying(64) NOT NULL,
    expires_at double precision NOT NULL
);
CREATE TABLE public.definitions (
    hash text NOT NULL,
    body text NOT NULL
);
CREATE TABLE public.documents (
    scope text NOT NULL,
    key text NOT NULL,
    body text NOT NULL,
    version integer NOT NULL,
    created_at double precision NOT NULL,
    updated_at double precision NOT NULL,
    updated_by text
);
CREATE TABLE public.events (
    id bigint NOT NULL,
    seq bigint,
    run_id text,
    type text NOT NULL,
    task text,
    item integer,
    body text,
    at double precision NOT NULL
);
CREATE SEQUENCE public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE SEQUENCE public.events_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.holds (
    target character varying(300) NOT NULL,
    name character varying(300) NOT NULL,
    kind character varying(20) NOT NULL,
    held_by character varying(200) NOT NULL,
    reason text,
    since double precision NOT NULL,
    until double precision,
    over_at double precision
);
CREATE TABLE public.items (
    run_id text NOT NULL,
    task text NOT NULL,
    item integer NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.ledger (
    id character varying(200) NOT NULL,
    tool character varying(200) NOT NULL,
    effect character varying(20) NOT NULL,
    caller character varying(200) NOT NULL,
    run_id character varying(40),
    task character varying(200),
    item integer,
    key text,
    args_hash character varying(64) NOT NULL,
    arguments text NOT NULL,
    state character varying(20) NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    intent_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    outcome_at double precision,
    result text,
    error text,
    notes text,
    probe_at double precision,
    probes text,
    settled_by character varying(200),
    reason text,
    dropped integer DEFAULT 0 NOT NULL
);
CREATE TABLE public.meta (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.notices (
    name character varying(100) NOT NULL,
    matter character varying(500) NOT NULL,
    told_at double precision NOT NULL,
    count integer NOT NULL
);
CREATE TABLE public.outbox (
    name character varying(100) NOT NULL,
    cursor bigint NOT NULL,
    holder character varying(40),
    held_until double precision DEFAULT '0'::double precision NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    next_at double precision DEFAULT '0'::double precision NOT NULL,
    error text
);
CREATE TABLE public.registrations (
    seq bigint NOT NULL,
    kind character varying(20) NOT NULL,
    id character varying(200) NOT NULL,
    version integer NOT NULL,
    name character varying(200) NOT NULL,
    hash character varying(64),
    current boolean NOT NULL,
    created_at double precision NOT NULL,
    changed_at double precision NOT NULL,
    changed_by character varying(200) NOT NULL
);
CREATE SEQUENCE public.registrations_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.registrations_seq_seq OWNED BY public.registrations.seq;
CREATE TABLE public.runs (
    id text NOT NULL,
    workflow text NOT NULL,
    definition text NOT NULL,
    state text NOT NULL,
    wanted text,
    version integer NOT NULL,
    input text,
    output text,
    error text,
    reason text,
    caller text NOT NULL,
    parent_run text,
    parent_task text,
    key text,
    key_held text,
    trigger_id text,
    date text NOT NULL,
    journal_version integer NOT NULL,
    created_at double precision NOT NULL,
    started_at double precision,
    finished_at double precision
);
CREATE TABLE public.schedules (
    name text NOT NULL,
    spec text NOT NULL,
    next_at double precision NOT NULL,
    fired_for double precision,
    last_run text,
    away_until double precision,
    held_until double precision
);
CREATE TABLE public.sync_runs (
    id character varying(40) NOT NULL,
    sync character varying(100) NOT NULL,
    state character varying(20) NOT NULL,
    caller character varying(200) NOT NULL,
    run_id character varying(40),
    options text,
    started_at double precision NOT NULL,
    finished_at double precision,
    read integer DEFAULT 0 NOT NULL,
    written integer DEFAULT 0 NOT NULL,
    rejected integer DEFAULT 0 NOT NULL,
    filtered integer DEFAULT 0 NOT NULL,
    portions text,
    cursor_before text,
    cursor_after text,
    error text
);
CREATE TABLE public.sync_state (
    sync character varying(100) NOT NULL,
    cursor text,
    holder character varying(40),
    held_until double precision DEFAULT '0'::double precision NOT NULL
);
CREATE TABLE public.task_runs (
    run_id text NOT NULL,
    task text NOT NULL,
    item integer NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    fence integer DEFAULT 0 NOT NULL,
    owner text,
    lease_until double precision,
    due_at double precision,
    rings integer DEFAULT 0 NOT NULL,
    queue text,
    effect text,
    step text,
    intent text,
    approval text,
    intent_at double precision,
    call_until double precision,
    first_at double precision,
    started_at double precision,
    finished_at double precision,
    cursor integer,
    total integer,
    failed integer,
    outcome text,
    error text
);
CREATE TABLE public.workers (
    id text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at double precision NOT NULL,
    seen_at double precision NOT NULL
);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.registrations ALTER COLUMN seq SET DEFAULT nextval('public.registrations_seq_seq'::regclass);
INSERT INTO public.approvals VALUES ('01m82kdxvj6phshbd31je97ac9', '01m82kdxvf6wff11z9292q6jcq', 'ask', NULL, NULL, 'asked: ask', 'cli:me', NULL, NULL, '[]', 'waiting', 1795383818.099982, 2110743818.099982, NULL, NULL, NULL);
INSERT INTO public.approvals VALUES ('01m82kdxwwbtbb2j0x50jnrnrh', '01m82kdxw03dspk4jqc9z065p2', 'do', NULL, 'sys.guarded', NULL, 'cli:me', '{"n":"01m82kdxw03dspk4jqc9z065p2"}', '8b0d852931da0b84ebddd40923679bba40b889421da76fe59491d8592b30f372', '[]', 'waiting', 1795383818.1417446, 2110743818.1417446, NULL, NULL, NULL);
INSERT INTO public.approvals VALUES ('01m82kdy13cb72p0qj4qx51y6g', '01m82kdy088y5jer7vcg66qtb1', 'ask', NULL, NULL, 'keyed: ask', 'cli:me', NULL, NULL, '[]', 'waiting', 1795383818.2767444, 2110743818.2767444, NULL, NULL, NULL);
INSERT INTO public.attempts VALUES ('01m82kdxw03dspk4jqc9z065p2', 'do', -1, 1, 0, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'waiting', NULL, NULL, 1795383818.113392, 1795383818.1400633);
INSERT INTO public.attempts VALUES ('01m82kdxwxekpndqftnb25j88s', 'look', -1, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'delayed', '{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795383818.1907184}', 1795383818.1743557, 1795383818.1897707);
INSERT INTO public.attempts VALUES ('01m82kdxyp67c3f9e53vmb8dfm', 'lose', -1, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'parked', '{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}', '{"left_at":1795383818.2299423}', 1795383818.2014558, 1795383818.229133);
INSERT INTO public.attempts VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 0, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'succeeded', NULL, '{"left_at":1795383818.2614665}', 1795383818.2280314, 1795383818.2602334);
INSERT INTO public.attempts VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 2, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'delayed', '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795383818.2712684}', 1795383818.2602334, 1795383818.2699444);
INSERT INTO public.attempts VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 1, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'succeeded', NULL, '{"left_at":1795383818.2541716}', 1795383818.2280314, 1795383818.273113);
INSERT INTO public.attempts VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 3, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'delayed', '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795383818.3005767}', 1795383818.273113, 1795383818.2996006);
INSERT INTO public.attempts VALUES ('01m82kdy22777fnjxg7fsaefft', 'pay', -1, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'succeeded', NULL, '{"left_at":1795383818.3271255}', 1795383818.3107688, 1795383818.3294802);
INSERT INTO public.attempts VALUES ('01m82kdy2b8fj4gvw5rschk4vv', 'no', -1, 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 'failed', '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', '{"left_at":1795383818.3399189}', 1795383818.3247077, 1795383818.3387208);
INSERT INTO public.definitions VALUES ('35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c', '{"tasks":{"ask":{"approval":{"within_h":87600.0}},"pay":{"tool":"sys.pay","needs":["ask"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('d52f612dc98c618c1db81b7df0aa029cace33919c7bd036eeb5965553af91994', '{"tasks":{"do":{"tool":"sys.guarded","with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('98250db5ca7c2be401a25c0f52c37fca79c7703ec889099909cd2b621ae348a4', '{"tasks":{"look":{"tool":"sys.flaky","with":{"n":"${{ run.id }}"},"retry":{"attempts":100}},"pay":{"tool":"sys.pay","needs":["look"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('fe4b67f8f22eee4a78ca17a26f062bf2479ed32c304e07bd8fc4c3a7987b356d', '{"tasks":{"rest":{"wait_s":30.0},"pay":{"tool":"sys.pay","needs":["rest"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('db692a8e2e0f0eeb53dc5dd03b785f069ef3dc3eac1e18a55380a627b6e4d71b', '{"tasks":{"lose":{"tool":"sys.lose","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["lose"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('67970af9872767c9a68ff37835ef1d4b77945cd4ad91fd4cca66fbccb4d4c3d8', '{"tasks":{"all":{"tool":"sys.item","with":{"n":"${{ item }}"},"for_each":{"in":"${{ [0, 1, 2, 3, 4, 5] }}","concurrency":2},"retry":{"attempts":100}},"pay":{"tool":"sys.pay","needs":["all"],"with":{"n":"${{ run.id }}"}}},"output":"${{ tasks.all.output }}"}');
INSERT INTO public.definitions VALUES ('409f3fe0b0779fd95c5177439070c329e0ae606e336babb419e19e6206b44118', '{"tasks":{"rest":{"wait_s":1.0},"pay":{"tool":"sys.pay","needs":["rest"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883', '{"key":"${{ input.k }}","tasks":{"ask":{"approval":{"within_h":87600.0}},"pay":{"tool":"sys.pay","needs":["ask"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('62f2565cdfd2601f3b0843fc0f10008b066def9a15d0a213ed3b62b21b7b196e', '{"tasks":{"look":{"tool":"sys.hang_read","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["look"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('8e4bec2c7add89a539dda54bf7a20e30ece48723e008a578bc9b913d6f079508', '{"tasks":{"do":{"tool":"sys.hang_write","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["do"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('8fb100b2a411a2f7368e062e170f0db2881b246af91245d4ff114ce78ba6fc7a', '{"tasks":{"pay":{"tool":"sys.pay","with":{"n":"4711"}}}}');
INSERT INTO public.definitions VALUES ('46bc0018499f2bbf2febf145ee8ef7bf43d64d848fad261fdf7bba814c104d52', '{"tasks":{"no":{"tool":"sys.refuse","with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('c84d1060a8ea9e655e8a0c5ab0d69fd41611fd6cd337e5219026014f40331a01', '{"tasks":{"look":{"tool":"sys.look","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["look"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.events VALUES (1, NULL, '01m82kdxvf6wff11z9292q6jcq', 'run.started', NULL, NULL, NULL, 1795383818.0983233);
INSERT INTO public.events VALUES (2, NULL, '01m82kdxvf6wff11z9292q6jcq', 'task.waiting', 'ask', NULL, NULL, 1795383818.1004198);
INSERT INTO public.events VALUES (3, NULL, '01m82kdxvf6wff11z9292q6jcq', 'approval.asked', 'ask', NULL, '{"approval":"01m82kdxvj6phshbd31je97ac9"}', 1795383818.1004574);
INSERT INTO public.events VALUES (4, NULL, '01m82kdxvf6wff11z9292q6jcq', 'run.waiting', NULL, NULL, NULL, 1795383818.100484);
INSERT INTO public.events VALUES (5, NULL, '01m82kdxw03dspk4jqc9z065p2', 'run.started', NULL, NULL, NULL, 1795383818.1134);
INSERT INTO public.events VALUES (6, NULL, '01m82kdxw03dspk4jqc9z065p2', 'task.started', 'do', NULL, '{"attempt":1}', 1795383818.1148071);
INSERT INTO public.events VALUES (7, NULL, '01m82kdxw03dspk4jqc9z065p2', 'task.waiting', 'do', NULL, '{"attempt":0}', 1795383818.1489847);
INSERT INTO public.events VALUES (8, NULL, '01m82kdxw03dspk4jqc9z065p2', 'approval.asked', 'do', NULL, '{"approval":"01m82kdxwwbtbb2j0x50jnrnrh"}', 1795383818.1489909);
INSERT INTO public.events VALUES (9, NULL, '01m82kdxw03dspk4jqc9z065p2', 'run.waiting', NULL, NULL, NULL, 1795383818.149072);
INSERT INTO public.events VALUES (10, NULL, '01m82kdxwxekpndqftnb25j88s', 'run.started', NULL, NULL, NULL, 1795383818.1743636);
INSERT INTO public.events VALUES (11, NULL, '01m82kdxwxekpndqftnb25j88s', 'task.started', 'look', NULL, '{"attempt":1}', 1795383818.1755776);
INSERT INTO public.events VALUES (12, NULL, '01m82kdxwxekpndqftnb25j88s', 'task.retry', 'look', NULL, '{"attempt":1,"error":{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.999}', 1795383818.1915174);
INSERT INTO public.events VALUES (13, NULL, '01m82kdxwxekpndqftnb25j88s', 'run.waiting', NULL, NULL, NULL, 1795383818.1915889);
INSERT INTO public.events VALUES (14, NULL, '01m82kdxye2n4vyt2grstd9v0t', 'run.started', NULL, NULL, NULL, 1795383818.1942766);
INSERT INTO public.events VALUES (15, NULL, '01m82kdxye2n4vyt2grstd9v0t', 'task.waiting', 'rest', NULL, NULL, 1795383818.195849);
INSERT INTO public.events VALUES (16, NULL, '01m82kdxye2n4vyt2grstd9v0t', 'run.waiting', NULL, NULL, NULL, 1795383818.1958923);
INSERT INTO public.events VALUES (17, NULL, '01m82kdxyp67c3f9e53vmb8dfm', 'run.started', NULL, NULL, NULL, 1795383818.2014616);
INSERT INTO public.events VALUES (18, NULL, '01m82kdxyp67c3f9e53vmb8dfm', 'task.started', 'lose', NULL, '{"attempt":1}', 1795383818.202353);
INSERT INTO public.events VALUES (19, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'run.started', NULL, NULL, NULL, 1795383818.228038);
INSERT INTO public.events VALUES (20, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.started', 'all', NULL, '{"items":6}', 1795383818.233117);
INSERT INTO public.events VALUES (21, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.started', 'all', 0, '{"attempt":1}', 1795383818.2339668);
INSERT INTO public.events VALUES (22, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.started', 'all', 1, '{"attempt":1}', 1795383818.2343626);
INSERT INTO public.events VALUES (23, NULL, '01m82kdxyp67c3f9e53vmb8dfm', 'task.parked', 'lose', NULL, '{"attempt":1,"error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}', 1795383818.2391744);
INSERT INTO public.events VALUES (24, NULL, '01m82kdxyp67c3f9e53vmb8dfm', 'dead.parked', 'lose', NULL, '{"entry":"01m82kdxz3fdrd5fayf1rqv4zb","error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}', 1795383818.2391772);
INSERT INTO public.events VALUES (25, NULL, '01m82kdxyp67c3f9e53vmb8dfm', 'run.parked', NULL, NULL, NULL, 1795383818.239224);
INSERT INTO public.events VALUES (26, NULL, '01m82kdy021rn4n54b2psys0ap', 'run.started', NULL, NULL, NULL, 1795383818.2442756);
INSERT INTO public.events VALUES (27, NULL, '01m82kdy021rn4n54b2psys0ap', 'task.waiting', 'rest', NULL, NULL, 1795383818.2444766);
INSERT INTO public.events VALUES (28, NULL, '01m82kdy021rn4n54b2psys0ap', 'run.waiting', NULL, NULL, NULL, 1795383818.2445054);
INSERT INTO public.events VALUES (29, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.succeeded', 'all', 0, '{"attempt":1}', 1795383818.2663114);
INSERT INTO public.events VALUES (30, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.started', 'all', 2, '{"attempt":1}', 1795383818.2671282);
INSERT INTO public.events VALUES (31, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.retry', 'all', 2, '{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":30.0}', 1795383818.2705052);
INSERT INTO public.events VALUES (32, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.succeeded', 'all', 1, '{"attempt":1}', 1795383818.274003);
INSERT INTO public.events VALUES (33, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.started', 'all', 3, '{"attempt":1}', 1795383818.2748454);
INSERT INTO public.events VALUES (34, NULL, '01m82kdy088y5jer7vcg66qtb1', 'run.started', NULL, NULL, NULL, 1795383818.2750711);
INSERT INTO public.events VALUES (35, NULL, '01m82kdy088y5jer7vcg66qtb1', 'task.waiting', 'ask', NULL, NULL, 1795383818.278953);
INSERT INTO public.events VALUES (36, NULL, '01m82kdy088y5jer7vcg66qtb1', 'approval.asked', 'ask', NULL, '{"approval":"01m82kdy13cb72p0qj4qx51y6g"}', 1795383818.2789881);
INSERT INTO public.events VALUES (37, NULL, '01m82kdy088y5jer7vcg66qtb1', 'run.waiting', NULL, NULL, NULL, 1795383818.2790105);
INSERT INTO public.events VALUES (38, NULL, '01m82kdy1d5y2bcq3gy3k6wk6a', 'run.started', NULL, NULL, NULL, 1795383818.2907915);
INSERT INTO public.events VALUES (39, NULL, '01m82kdy1d5y2bcq3gy3k6wk6a', 'task.started', 'look', NULL, '{"attempt":1}', 1795383818.291278);
INSERT INTO public.events VALUES (40, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'task.retry', 'all', 3, '{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.999}', 1795383818.3004277);
INSERT INTO public.events VALUES (41, NULL, '01m82kdxzj6bbn81ez8hfz268t', 'run.waiting', NULL, NULL, NULL, 1795383818.3004622);
INSERT INTO public.events VALUES (42, NULL, '01m82kdy1pb56eb6wks2q60aa0', 'run.started', NULL, NULL, NULL, 1795383818.2991314);
INSERT INTO public.events VALUES (43, NULL, '01m82kdy1pb56eb6wks2q60aa0', 'task.started', 'do', NULL, '{"attempt":1}', 1795383818.29979);
INSERT INTO public.events VALUES (44, NULL, '01m82kdy22777fnjxg7fsaefft', 'run.started', NULL, NULL, NULL, 1795383818.3107743);
INSERT INTO public.events VALUES (45, NULL, '01m82kdy22777fnjxg7fsaefft', 'task.started', 'pay', NULL, '{"attempt":1}', 1795383818.3110228);
INSERT INTO public.events VALUES (46, NULL, '01m82kdy2b8fj4gvw5rschk4vv', 'run.started', NULL, NULL, NULL, 1795383818.3247137);
INSERT INTO public.events VALUES (47, NULL, '01m82kdy2b8fj4gvw5rschk4vv', 'task.started', 'no', NULL, '{"attempt":1}', 1795383818.3252473);
INSERT INTO public.events VALUES (48, NULL, '01m82kdy22777fnjxg7fsaefft', 'task.succeeded', 'pay', NULL, '{"attempt":1}', 1795383818.336339);
INSERT INTO public.events VALUES (49, NULL, '01m82kdy22777fnjxg7fsaefft', 'run.succeeded', NULL, NULL, NULL, 1795383818.3364058);
INSERT INTO public.events VALUES (50, NULL, '01m82kdy021rn4n54b2psys0ap', 'run.pausing', NULL, NULL, '{"by":"cli:me","reason":null}', 1795383818.3384724);
INSERT INTO public.events VALUES (51, NULL, '01m82kdy021rn4n54b2psys0ap', 'run.paused', NULL, NULL, NULL, 1795383818.338486);
INSERT INTO public.events VALUES (52, NULL, '01m82kdy2b8fj4gvw5rschk4vv', 'task.failed', 'no', NULL, '{"attempt":1,"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}}', 1795383818.3415875);
INSERT INTO public.events VALUES (53, NULL, '01m82kdy2b8fj4gvw5rschk4vv', 'run.failed', NULL, NULL, '{"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}}', 1795383818.3422794);
INSERT INTO public.events VALUES (54, NULL, '01m82kdy399w1c2q7zpd1egc3h', 'run.queued', NULL, NULL, '{"key":"K"}', 1795383818.3553078);
INSERT INTO public.events VALUES (55, NULL, '01m82kdy021rn4n54b2psys0ap', 'task.succeeded', 'rest', NULL, NULL, 1795383819.2497134);
INSERT INTO public.events VALUES (56, NULL, '01m82kecgvdv88n3wawadp6qv0', 'run.started', NULL, NULL, NULL, 1795383833.1701338);
INSERT INTO public.items VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 0, '0');
INSERT INTO public.items VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 1, '1');
INSERT INTO public.items VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 2, '2');
INSERT INTO public.items VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 3, '3');
INSERT INTO public.items VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 4, '4');
INSERT INTO public.items VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 5, '5');
INSERT INTO public.ledger VALUES ('01m82kdxz3fdrd5fayf1rqv4zb', 'sys.lose', 'write', 'cli:me', '01m82kdxyp67c3f9e53vmb8dfm', 'lose', NULL, NULL, '878ed567177387800441d74fd3b43e7b2afee55d1ac25e9b406dad0df27d1fe7', '{"n":"01m82kdxyp67c3f9e53vmb8dfm"}', 'unknown', 1, 1795383818.213112, 1795383968.213112, 1795383818.2308152, NULL, '{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}', '{"left_at":1795383818.2299423}', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.ledger VALUES ('01m82kdy075xkaejc9gg02mb6g', 'sys.item', 'write', 'cli:me', '01m82kdxzj6bbn81ez8hfz268t', 'all', 0, NULL, 'f3013f933b9fb80ab6d995e7ad9da36f683837ba1d81e950c943d40111eac2f0', '{"n":0}', 'done', 1, 1795383818.2495854, 1795383968.2495854, 1795383818.261917, '{"n":0}', NULL, '{"left_at":1795383818.2614665}', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.ledger VALUES ('01m82kdy0w1bhwfnwszbkpfy77', 'sys.item', 'write', 'cli:me', '01m82kdxzj6bbn81ez8hfz268t', 'all', 2, NULL, '363379742f80b51bdb9206579af7754911543079b9399cb3fc315fb199f476e8', '{"n":2}', 'unavailable', 1, 1795383818.2705266, 1795383968.2705266, 1795383818.271627, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795383818.2712684}', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.ledger VALUES ('01m82kdy021rn4n54akxe1mrxt', 'sys.item', 'write', 'cli:me', '01m82kdxzj6bbn81ez8hfz268t', 'all', 1, NULL, '2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd', '{"n":1}', 'done', 1, 1795383818.2439759, 1795383968.2439759, 1795383818.2747948, '{"n":1}', NULL, '{"left_at":1795383818.2541716}', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.ledger VALUES ('01m82kdy1m2kz38qeaxajme1x1', 'sys.item', 'write', 'cli:me', '01m82kdxzj6bbn81ez8hfz268t', 'all', 3, NULL, '215ddd5567ca2590efd4ea109b4e56cbe591e2676fbf54a9262692c539166da6', '{"n":3}', 'unavailable', 1, 1795383818.2943647, 1795383968.2943647, 1795383818.3012826, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795383818.3005767}', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.ledger VALUES ('01m82kdy2081djxp7x1aacnjtk', 'sys.hang_write', 'write', 'cli:me', '01m82kdy1pb56eb6wks2q60aa0', 'do', NULL, NULL, '25f1fbbf52620c97ddc17e276e42f941be64ed33d1f1e1327cab37932f43b6da', '{"n":"01m82kdy1pb56eb6wks2q60aa0"}', 'intent', 1, 1795383818.3064382, 1795383968.3064382, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO public.ledger VALUES ('01m82kdy273scgrc350m3vvdgn', 'sys.pay', 'write', 'cli:me', '01m82kdy22777fnjxg7fsaefft', 'pay', NULL, '4711', 'ce783ca092e0f037c1180d50ba361f3b60f4a1d16fc9e8b3da4d1dcde348f61e', '{"n":"4711"}', 'done', 1, 1795383818.3135984, 1795383968.3135984, 1795383818.3311634, '{"n":"4711"}', NULL, '{"left_at":1795383818.3271255}', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.ledger VALUES ('01m82kdy2z67df4qd4fajw0m30', 'sys.refuse', 'write', 'cli:me', '01m82kdy2b8fj4gvw5rschk4vv', 'no', NULL, NULL, '1208ff603139110e6bcc03de1dcbaa9caa1e8b097ed9c3ffefd7c09837a3fcf3', '{"n":"01m82kdy2b8fj4gvw5rschk4vv"}', 'rejected', 1, 1795383818.3375187, 1795383968.3375187, 1795383818.3404021, NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', '{"left_at":1795383818.3399189}', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.meta VALUES ('version', '1');
INSERT INTO public.runs VALUES ('01m82kdxvf6wff11z9292q6jcq', 'asked', '35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c', 'waiting', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.0952592, 1795383818.0952592, NULL);
INSERT INTO public.runs VALUES ('01m82kdy1d5y2bcq3gy3k6wk6a', 'reading', '62f2565cdfd2601f3b0843fc0f10008b066def9a15d0a213ed3b62b21b7b196e', 'running', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.2858968, 1795383818.2858968, NULL);
INSERT INTO public.runs VALUES ('01m82kdxw03dspk4jqc9z065p2', 'guarded', 'd52f612dc98c618c1db81b7df0aa029cace33919c7bd036eeb5965553af91994', 'waiting', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.112792, 1795383818.112792, NULL);
INSERT INTO public.runs VALUES ('01m82kdxwxekpndqftnb25j88s', 'delayed', '98250db5ca7c2be401a25c0f52c37fca79c7703ec889099909cd2b621ae348a4', 'waiting', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.1410332, 1795383818.1410332, NULL);
INSERT INTO public.runs VALUES ('01m82kdxye2n4vyt2grstd9v0t', 'timed', 'fe4b67f8f22eee4a78ca17a26f062bf2479ed32c304e07bd8fc4c3a7987b356d', 'waiting', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.1909454, 1795383818.1909454, NULL);
INSERT INTO public.runs VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'each', '67970af9872767c9a68ff37835ef1d4b77945cd4ad91fd4cca66fbccb4d4c3d8', 'waiting', NULL, 5, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.2267554, 1795383818.2267554, NULL);
INSERT INTO public.runs VALUES ('01m82kdy1pb56eb6wks2q60aa0', 'writing', '8e4bec2c7add89a539dda54bf7a20e30ece48723e008a578bc9b913d6f079508', 'running', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.2945642, 1795383818.2945642, NULL);
INSERT INTO public.runs VALUES ('01m82kdxyp67c3f9e53vmb8dfm', 'parked', 'db692a8e2e0f0eeb53dc5dd03b785f069ef3dc3eac1e18a55380a627b6e4d71b', 'parked', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.1985793, 1795383818.1985793, NULL);
INSERT INTO public.runs VALUES ('01m82kecgvdv88n3wawadp6qv0', 'ready', 'c84d1060a8ea9e655e8a0c5ab0d69fd41611fd6cd337e5219026014f40331a01', 'running', NULL, 1, '{}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383833.1152542, 1795383833.1152542, NULL);
INSERT INTO public.runs VALUES ('01m82kdy088y5jer7vcg66qtb1', 'keyed', '17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883', 'waiting', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, 'K', 'keyedK', NULL, '2026-11-22', 1, 1795383818.2486389, 1795383818.2486389, NULL);
INSERT INTO public.runs VALUES ('01m82kdy22777fnjxg7fsaefft', 'done', '8fb100b2a411a2f7368e062e170f0db2881b246af91245d4ff114ce78ba6fc7a', 'succeeded', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.30664, 1795383818.30664, 1795383818.3294802);
INSERT INTO public.runs VALUES ('01m82kdy2b8fj4gvw5rschk4vv', 'failed', '46bc0018499f2bbf2febf145ee8ef7bf43d64d848fad261fdf7bba814c104d52', 'failed', NULL, 2, '{"k":"K"}', NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}', NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.315348, 1795383818.315348, 1795383818.3387208);
INSERT INTO public.runs VALUES ('01m82kdy399w1c2q7zpd1egc3h', 'keyed', '17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883', 'queued', NULL, 0, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, 'K', NULL, NULL, '2026-11-22', 1, 1795383818.3457427, NULL, NULL);
INSERT INTO public.runs VALUES ('01m82kdy021rn4n54b2psys0ap', 'paused', '409f3fe0b0779fd95c5177439070c329e0ae606e336babb419e19e6206b44118', 'paused', 'pause', 3, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, '2026-11-22', 1, 1795383818.24261, 1795383818.24261, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdxvf6wff11z9292q6jcq', 'ask', -1, 'approval', 'waiting', 0, 0, NULL, NULL, 2110743818.099982, 0, NULL, NULL, NULL, NULL, '01m82kdxvj6phshbd31je97ac9', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdxw03dspk4jqc9z065p2', 'do', -1, 'tool', 'waiting', 0, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, 2110743818.1417446, 1, NULL, NULL, NULL, NULL, '01m82kdxwwbtbb2j0x50jnrnrh', NULL, NULL, 1795383818.1150627, 1795383818.113392, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdxwxekpndqftnb25j88s', 'look', -1, 'tool', 'delayed', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, 1795383848.19083, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795383818.1760237, 1795383818.1743557, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}');
INSERT INTO public.task_runs VALUES ('01m82kdxye2n4vyt2grstd9v0t', 'rest', -1, 'wait_s', 'waiting', 0, 0, NULL, NULL, 1795383848.1959462, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdxyp67c3f9e53vmb8dfm', 'lose', -1, 'tool', 'parked', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, NULL, 0, NULL, 'write', NULL, '01m82kdxz3fdrd5fayf1rqv4zb', NULL, 1795383818.213112, 1795383878.213112, 1795383818.2031274, 1795383818.2014558, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}');
INSERT INTO public.task_runs VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 0, 'tool', 'succeeded', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, NULL, 0, NULL, 'write', NULL, '01m82kdy075xkaejc9gg02mb6g', NULL, 1795383818.2495854, 1795383878.2495854, 1795383818.229702, 1795383818.2280314, 1795383818.2602334, NULL, NULL, NULL, '{"n":0}', NULL);
INSERT INTO public.task_runs VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 2, 'tool', 'delayed', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, 1795383848.2713757, 0, NULL, 'write', NULL, '01m82kdy0w1bhwfnwszbkpfy77', NULL, 1795383818.2705266, 1795383878.2705266, 1795383818.261907, 1795383818.2602334, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}');
INSERT INTO public.task_runs VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 1, 'tool', 'succeeded', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, NULL, 0, NULL, 'write', NULL, '01m82kdy021rn4n54akxe1mrxt', NULL, 1795383818.2439759, 1795383878.2439759, 1795383818.229702, 1795383818.2280314, 1795383818.273113, NULL, NULL, NULL, '{"n":1}', NULL);
INSERT INTO public.task_runs VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', -1, 'tool', 'open', 0, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 4, 6, 0, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdy088y5jer7vcg66qtb1', 'ask', -1, 'approval', 'waiting', 0, 0, NULL, NULL, 2110743818.2767444, 0, NULL, NULL, NULL, NULL, '01m82kdy13cb72p0qj4qx51y6g', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdy1d5y2bcq3gy3k6wk6a', 'look', -1, 'tool', 'running', 0, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 1795383848.2924592, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795383818.2924592, 1795383818.2907858, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdxzj6bbn81ez8hfz268t', 'all', 3, 'tool', 'delayed', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, 1795383848.300708, 0, NULL, 'write', NULL, '01m82kdy1m2kz38qeaxajme1x1', NULL, 1795383818.2943647, 1795383878.2943647, 1795383818.2747889, 1795383818.273113, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}');
INSERT INTO public.task_runs VALUES ('01m82kdy1pb56eb6wks2q60aa0', 'do', -1, 'tool', 'running', 0, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', 1795383848.3008025, NULL, 0, NULL, 'write', NULL, '01m82kdy2081djxp7x1aacnjtk', NULL, 1795383818.3064382, 1795383878.3064382, 1795383818.3008025, 1795383818.2991278, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kdy22777fnjxg7fsaefft', 'pay', -1, 'tool', 'succeeded', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, NULL, 0, NULL, 'write', NULL, '01m82kdy273scgrc350m3vvdgn', NULL, 1795383818.3135984, 1795383878.3135984, 1795383818.3124425, 1795383818.3107688, 1795383818.3294802, NULL, NULL, NULL, '{"n":"4711"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82kdy2b8fj4gvw5rschk4vv', 'no', -1, 'tool', 'failed', 1, 1, 'vm:14258:01m82kdxrccw8scg64f4x6g6rr', NULL, NULL, 0, NULL, 'write', NULL, '01m82kdy2z67df4qd4fajw0m30', NULL, 1795383818.3375187, 1795383878.3375187, 1795383818.3263807, 1795383818.3247077, 1795383818.3387208, NULL, NULL, NULL, NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}');
INSERT INTO public.task_runs VALUES ('01m82kdy021rn4n54b2psys0ap', 'rest', -1, 'wait_s', 'succeeded', 0, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795383819.2492962, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82kecgvdv88n3wawadp6qv0', 'look', -1, 'tool', 'ready', 0, 0, NULL, NULL, 1795383833.1388013, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT pg_catalog.setval('public.events_id_seq', 56, true);
SELECT pg_catalog.setval('public.events_numbers', 1, false);
SELECT pg_catalog.setval('public.registrations_seq_seq', 1, false);
ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (run_id, task, item, fence);
ALTER TABLE ONLY public.budget_rates
    ADD CONSTRAINT budget_rates_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.budget_slots
    ADD CONSTRAINT budget_slots_name_owner_key UNIQUE (name, owner);
ALTER TABLE ONLY public.codes
    ADD CONSTRAINT codes_pkey PRIMARY KEY (code);
ALTER TABLE ONLY public.definitions
    ADD CONSTRAINT definitions_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (scope, key);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (target);
ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (run_id, task, item);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (name, matter);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT registrations_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.sync_runs
    ADD CONSTRAINT sync_runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.sync_state
    ADD CONSTRAINT sync_state_pkey PRIMARY KEY (sync);
ALTER TABLE ONLY public.task_runs
    ADD CONSTRAINT task_runs_pkey PRIMARY KEY (run_id, task, item);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);
CREATE INDEX approvals_task ON public.approvals USING btree (run_id, task, item);
CREATE INDEX approvals_waiting ON public.approvals USING btree (expires_at) WHERE ((state)::text = 'waiting'::text);
CREATE INDEX events_by_run ON public.events USING btree (run_id, id);
CREATE UNIQUE INDEX events_seq ON public.events USING btree (seq) WHERE (seq IS NOT NULL);
CREATE INDEX events_unnumbered ON public.events USING btree (id) WHERE (seq IS NULL);
CREATE INDEX ledger_intent ON public.ledger USING btree (expires_at) WHERE ((state)::text = 'intent'::text);
CREATE UNIQUE INDEX ledger_key ON public.ledger USING btree (tool, key) WHERE ((key IS NOT NULL) AND ((state)::text = ANY ((ARRAY['intent'::character varying, 'done'::character varying, 'unknown'::character varying])::text[])));
CREATE INDEX ledger_run ON public.ledger USING btree (run_id);
CREATE INDEX ledger_unknown ON public.ledger USING btree (probe_at) WHERE ((state)::text = 'unknown'::text);
CREATE UNIQUE INDEX registrations_current ON public.registrations USING btree (kind, id) WHERE current;
CREATE UNIQUE INDEX registrations_version ON public.registrations USING btree (kind, id, version);
CREATE INDEX runs_by_key ON public.runs USING btree (key) WHERE (key IS NOT NULL);
CREATE INDEX runs_by_workflow ON public.runs USING btree (workflow, id);
CREATE UNIQUE INDEX runs_key_held ON public.runs USING btree (key_held) WHERE (key_held IS NOT NULL);
CREATE INDEX runs_live ON public.runs USING btree (state, id) WHERE (finished_at IS NULL);
CREATE UNIQUE INDEX runs_trigger ON public.runs USING btree (trigger_id) WHERE (trigger_id IS NOT NULL);
CREATE INDEX sync_runs_by_sync ON public.sync_runs USING btree (sync, id);
CREATE INDEX task_runs_approval ON public.task_runs USING btree (approval) WHERE (approval IS NOT NULL);
CREATE INDEX task_runs_delayed ON public.task_runs USING btree (due_at) WHERE (state = 'delayed'::text);
CREATE INDEX task_runs_intent ON public.task_runs USING btree (intent) WHERE (intent IS NOT NULL);
CREATE INDEX task_runs_lease ON public.task_runs USING btree (lease_until) WHERE (state = 'running'::text);
CREATE INDEX task_runs_parked ON public.task_runs USING btree (run_id) WHERE (state = 'parked'::text);
CREATE INDEX task_runs_ready ON public.task_runs USING btree (due_at) WHERE (state = 'ready'::text);
CREATE INDEX task_runs_waiting ON public.task_runs USING btree (due_at) WHERE (state = 'waiting'::text);
