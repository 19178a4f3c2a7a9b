CREATE TABLE public.api_keys (
    id character varying(40) NOT NULL,
    agent character varying(200) NOT NULL,
    hash character varying(64) NOT NULL,
    scopes text,
    created_at double precision NOT NULL,
    created_by character varying(200) NOT NULL,
    expires_at double precision,
    revoked_at double precision,
    revoked_by character varying(200),
    used_at double precision
);
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
CREATE TABLE public.assignments (
    id character varying(40) NOT NULL,
    agent character varying(200) NOT NULL,
    run_id character varying(40) NOT NULL,
    task character varying(200) NOT NULL,
    item integer,
    description text,
    input text,
    state character varying(20) NOT NULL,
    assigned_at double precision NOT NULL,
    due_at double precision,
    answered_by character varying(200),
    answered_at double precision,
    output text,
    error text
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
CREATE TABLE public.breakers (
    name text NOT NULL,
    failures integer NOT NULL,
    opened integer NOT NULL,
    until double precision NOT NULL,
    trying double precision,
    error text NOT NULL,
    since double precision NOT NULL
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
CREATE TABLE public.claim_pieces (
    claim character varying(100) NOT NULL,
    piece integer NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE public.claims (
    id character varying(100) NOT NULL,
    run_id character varying(40),
    sha256 character varying(64) NOT NULL,
    bytes integer NOT NULL,
    shown_bytes integer NOT NULL,
    plain integer NOT NULL,
    content_type character varying(100) NOT NULL,
    sealed integer DEFAULT 0 NOT NULL,
    hidden text,
    pieces integer NOT NULL,
    created_at double precision NOT NULL,
    removed_at double precision
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
CREATE TABLE public.drawbar_alembic_version (
    version_num character varying(32) NOT NULL
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
CREATE TABLE public.http_answers (
    caller character varying(200) NOT NULL,
    key character varying(200) NOT NULL,
    hash character varying(64) NOT NULL,
    began_at double precision NOT NULL,
    until double precision NOT NULL,
    status integer,
    headers text,
    body bytea
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
    dropped integer DEFAULT 0 NOT NULL,
    dead integer
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
    parent_item integer,
    untold integer,
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
CREATE TABLE public.taken (
    claim character varying(40) NOT NULL,
    adapter character varying(200) NOT NULL,
    body text,
    taken_at double precision NOT NULL,
    outcome character varying(20),
    settled_at double precision
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
    child text,
    intent_at double precision,
    call_until double precision,
    first_at double precision,
    started_at double precision,
    finished_at double precision,
    cursor integer,
    total integer,
    failed integer,
    outcome text,
    error text,
    done_no integer
);
CREATE TABLE public.workers (
    id text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at double precision NOT NULL,
    seen_at double precision NOT NULL,
    queues text
);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.registrations ALTER COLUMN seq SET DEFAULT nextval('public.registrations_seq_seq'::regclass);
INSERT INTO public.approvals VALUES ('01m82w97kp3mmpva69rxz9jgtt', '01m82w97jkbxzzqfa374a30atw', 'ask', NULL, NULL, 'asked: ask', 'cli:me', NULL, NULL, '[]', 'waiting', 1795393101.431348, 2110753101.431348, NULL, NULL, NULL);
INSERT INTO public.approvals VALUES ('01m82w97n3dds0n1tekfd3pr42', '01m82w97md5wmqhf6zw6nhvv8b', 'do', NULL, 'sys.guarded', NULL, 'cli:me', '{"n":"01m82w97md5wmqhf6zw6nhvv8b"}', '4e7da16724e621b26f1439a4d512e434a0c9ce52f68b44d0ba3a30819cdf27ce', '[]', 'waiting', 1795393101.4764035, 2110753101.4764035, NULL, NULL, NULL);
INSERT INTO public.approvals VALUES ('01m82w97pv1z10f0yr50sw9hta', '01m82w97prea61thfvg4xfp5f1', 'ask', NULL, NULL, 'keyed: ask', 'cli:me', NULL, NULL, '[]', 'waiting', 1795393101.5320876, 2110753101.5320876, NULL, NULL, NULL);
INSERT INTO public.approvals VALUES ('01m82w97r56jqwx3qv6snw2qzg', '01m82w97r36f8n3vmgqxs3s0cw', 'ask', NULL, NULL, 'asked: ask', 'cli:me', NULL, NULL, '[]', 'waiting', 1795393101.574024, 2110753101.574024, NULL, NULL, NULL);
INSERT INTO public.assignments VALUES ('01m82w97r6dcsk7xyvqxqgb1kp', 'clerk', '01m82w97r4b2e3bc5v3k5bfz3b', 'think', NULL, NULL, '{}', 'open', 1795393101.575521, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.attempts VALUES ('01m82w97md5wmqhf6zw6nhvv8b', 'do', -1, 1, 0, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'waiting', NULL, NULL, 1795393101.4550939, 1795393101.4754255);
INSERT INTO public.attempts VALUES ('01m82w97ms6cz0d62myvtzmw1k', 'look', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'delayed', '{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795393101.48098}', 1795393101.4746356, 1795393101.4820378);
INSERT INTO public.attempts VALUES ('01m82w97p2705c7y0h4y4ack6z', 'lose', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'parked', '{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}', '{"left_at":1795393101.5171168}', 1795393101.509397, 1795393101.5169437);
INSERT INTO public.attempts VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 0, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'succeeded', NULL, '{"left_at":1795393101.5248544}', 1795393101.5139554, 1795393101.5252771);
INSERT INTO public.attempts VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 2, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'delayed', '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795393101.5355966}', 1795393101.5252771, 1795393101.535814);
INSERT INTO public.attempts VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'succeeded', NULL, '{"left_at":1795393101.5497675}', 1795393101.5139554, 1795393101.5494678);
INSERT INTO public.attempts VALUES ('01m82w97qbbbwdkb8h07g0ew7p', 'pay', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'succeeded', NULL, '{"left_at":1795393101.5558445}', 1795393101.5484035, 1795393101.5561695);
INSERT INTO public.attempts VALUES ('01m82w97qg96hz7wa38gpkzqzy', 'no', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'failed', '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', '{"left_at":1795393101.5579247}', 1795393101.5529253, 1795393101.557229);
INSERT INTO public.attempts VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 3, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'delayed', '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795393101.5575643}', 1795393101.5494678, 1795393101.5587797);
INSERT INTO public.attempts VALUES ('01m82w97qs74nph479cs7nhfr7', 'pay', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'succeeded', NULL, '{"left_at":1795393101.569342}', 1795393101.5619326, 1795393101.5693362);
INSERT INTO public.attempts VALUES ('01m82w97qw3jng6nxsgqzp8asv', 'sub', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'child', NULL, NULL, 1795393101.5667784, 1795393101.5717933);
INSERT INTO public.attempts VALUES ('01m82w97qs74nph479cs7nhfr7', 'no', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'failed', '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', '{"left_at":1795393101.5753589}', 1795393101.5693362, 1795393101.5778997);
INSERT INTO public.attempts VALUES ('01m82w97qs74nph479cs7nhfr7', 'compensate:pay', -1, 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 'delayed', '{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795393101.5901058}', 1795393101.5778997, 1795393101.589943);
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
INSERT INTO public.definitions VALUES ('d6ecf7114fc72a938413ba80916b0943660bdca3715de0893fe78897a8692812', '{"tasks":{"pay":{"tool":"sys.pay","with":{"n":"${{ run.id }}"},"compensate":{"tool":"sys.undo","with":{"n":"${{ run.id }}"}}},"no":{"tool":"sys.refuse","needs":["pay"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('ea4231b90123497205f0e5d523635f041e996ec6d260ed52a564c4a910d9be8b', '{"tasks":{"sub":{"workflow":"asked"},"pay":{"tool":"sys.pay","needs":["sub"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('1ef3f627cdbc7c3b9a3b6ad6b6e61f59333316a7471e18dd89aa31e4b100e308', '{"tasks":{"think":{"agent":"clerk"},"pay":{"tool":"sys.pay","needs":["think"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.definitions VALUES ('c84d1060a8ea9e655e8a0c5ab0d69fd41611fd6cd337e5219026014f40331a01', '{"tasks":{"look":{"tool":"sys.look","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["look"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO public.drawbar_alembic_version VALUES ('0002');
INSERT INTO public.events VALUES (1, NULL, '01m82w97jkbxzzqfa374a30atw', 'run.started', NULL, NULL, NULL, 1795393101.4304147);
INSERT INTO public.events VALUES (2, NULL, '01m82w97jkbxzzqfa374a30atw', 'task.waiting', 'ask', NULL, NULL, 1795393101.4357393);
INSERT INTO public.events VALUES (3, NULL, '01m82w97jkbxzzqfa374a30atw', 'approval.asked', 'ask', NULL, '{"approval":"01m82w97kp3mmpva69rxz9jgtt"}', 1795393101.4357903);
INSERT INTO public.events VALUES (4, NULL, '01m82w97jkbxzzqfa374a30atw', 'run.waiting', NULL, NULL, NULL, 1795393101.4358451);
INSERT INTO public.events VALUES (5, NULL, '01m82w97md5wmqhf6zw6nhvv8b', 'run.started', NULL, NULL, NULL, 1795393101.4551046);
INSERT INTO public.events VALUES (6, NULL, '01m82w97md5wmqhf6zw6nhvv8b', 'task.started', 'do', NULL, '{"attempt":1}', 1795393101.4565153);
INSERT INTO public.events VALUES (7, NULL, '01m82w97ms6cz0d62myvtzmw1k', 'run.started', NULL, NULL, NULL, 1795393101.4746437);
INSERT INTO public.events VALUES (8, NULL, '01m82w97ms6cz0d62myvtzmw1k', 'task.started', 'look', NULL, '{"attempt":1}', 1795393101.4766982);
INSERT INTO public.events VALUES (9, NULL, '01m82w97md5wmqhf6zw6nhvv8b', 'task.waiting', 'do', NULL, '{"attempt":0}', 1795393101.4792943);
INSERT INTO public.events VALUES (10, NULL, '01m82w97md5wmqhf6zw6nhvv8b', 'approval.asked', 'do', NULL, '{"approval":"01m82w97n3dds0n1tekfd3pr42"}', 1795393101.479297);
INSERT INTO public.events VALUES (11, NULL, '01m82w97md5wmqhf6zw6nhvv8b', 'run.waiting', NULL, NULL, NULL, 1795393101.479342);
INSERT INTO public.events VALUES (12, NULL, '01m82w97ms6cz0d62myvtzmw1k', 'task.retry', 'look', NULL, '{"attempt":1,"error":{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.998}', 1795393101.4833283);
INSERT INTO public.events VALUES (13, NULL, '01m82w97ms6cz0d62myvtzmw1k', 'run.waiting', NULL, NULL, NULL, 1795393101.4833996);
INSERT INTO public.events VALUES (14, NULL, '01m82w97nfdk39bdspky7senn3', 'run.started', NULL, NULL, NULL, 1795393101.4976208);
INSERT INTO public.events VALUES (15, NULL, '01m82w97nfdk39bdspky7senn3', 'task.waiting', 'rest', NULL, NULL, 1795393101.5000992);
INSERT INTO public.events VALUES (16, NULL, '01m82w97nfdk39bdspky7senn3', 'run.waiting', NULL, NULL, NULL, 1795393101.5001628);
INSERT INTO public.events VALUES (17, NULL, '01m82w97p2705c7y0h4y4ack6z', 'run.started', NULL, NULL, NULL, 1795393101.5094032);
INSERT INTO public.events VALUES (18, NULL, '01m82w97p2705c7y0h4y4ack6z', 'task.started', 'lose', NULL, '{"attempt":1}', 1795393101.5099661);
INSERT INTO public.events VALUES (19, NULL, '01m82w97p2705c7y0h4y4ack6z', 'task.parked', 'lose', NULL, '{"attempt":1,"error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}', 1795393101.517858);
INSERT INTO public.events VALUES (20, NULL, '01m82w97p2705c7y0h4y4ack6z', 'dead.parked', 'lose', NULL, '{"entry":"01m82w97p73zbnsnvnwrssw915","error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}', 1795393101.5178611);
INSERT INTO public.events VALUES (21, NULL, '01m82w97p2705c7y0h4y4ack6z', 'run.parked', NULL, NULL, NULL, 1795393101.5178921);
INSERT INTO public.events VALUES (22, NULL, '01m82w97p87jm1gz8pv202smqm', 'run.started', NULL, NULL, NULL, 1795393101.5139618);
INSERT INTO public.events VALUES (23, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.started', 'all', NULL, '{"items":6}', 1795393101.5173635);
INSERT INTO public.events VALUES (24, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.started', 'all', 0, '{"attempt":1}', 1795393101.5188546);
INSERT INTO public.events VALUES (25, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.started', 'all', 1, '{"attempt":1}', 1795393101.5193582);
INSERT INTO public.events VALUES (26, NULL, '01m82w97ph82zzdbpp6c1xm9qp', 'run.started', NULL, NULL, NULL, 1795393101.5243435);
INSERT INTO public.events VALUES (27, NULL, '01m82w97ph82zzdbpp6c1xm9qp', 'task.waiting', 'rest', NULL, NULL, 1795393101.5262947);
INSERT INTO public.events VALUES (28, NULL, '01m82w97ph82zzdbpp6c1xm9qp', 'run.waiting', NULL, NULL, NULL, 1795393101.526318);
INSERT INTO public.events VALUES (29, NULL, '01m82w97prea61thfvg4xfp5f1', 'run.started', NULL, NULL, NULL, 1795393101.5311203);
INSERT INTO public.events VALUES (30, NULL, '01m82w97prea61thfvg4xfp5f1', 'task.waiting', 'ask', NULL, NULL, 1795393101.532026);
INSERT INTO public.events VALUES (31, NULL, '01m82w97prea61thfvg4xfp5f1', 'approval.asked', 'ask', NULL, '{"approval":"01m82w97pv1z10f0yr50sw9hta"}', 1795393101.5320373);
INSERT INTO public.events VALUES (32, NULL, '01m82w97prea61thfvg4xfp5f1', 'run.waiting', NULL, NULL, NULL, 1795393101.5320556);
INSERT INTO public.events VALUES (33, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.succeeded', 'all', 0, '{"attempt":1}', 1795393101.5261064);
INSERT INTO public.events VALUES (34, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.started', 'all', 2, '{"attempt":1}', 1795393101.5299234);
INSERT INTO public.events VALUES (35, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.retry', 'all', 2, '{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.999}', 1795393101.5376937);
INSERT INTO public.events VALUES (36, NULL, '01m82w97pxekvy5xdp640tsdc5', 'run.started', NULL, NULL, NULL, 1795393101.535285);
INSERT INTO public.events VALUES (37, NULL, '01m82w97pxekvy5xdp640tsdc5', 'task.started', 'look', NULL, '{"attempt":1}', 1795393101.5356233);
INSERT INTO public.events VALUES (38, NULL, '01m82w97q3bz3145k2j2d6byya', 'run.started', NULL, NULL, NULL, 1795393101.5434084);
INSERT INTO public.events VALUES (39, NULL, '01m82w97q3bz3145k2j2d6byya', 'task.started', 'do', NULL, '{"attempt":1}', 1795393101.5438106);
INSERT INTO public.events VALUES (40, NULL, '01m82w97qbbbwdkb8h07g0ew7p', 'run.started', NULL, NULL, NULL, 1795393101.5484076);
INSERT INTO public.events VALUES (41, NULL, '01m82w97qbbbwdkb8h07g0ew7p', 'task.started', 'pay', NULL, '{"attempt":1}', 1795393101.5490355);
INSERT INTO public.events VALUES (42, NULL, '01m82w97qg96hz7wa38gpkzqzy', 'run.started', NULL, NULL, NULL, 1795393101.552928);
INSERT INTO public.events VALUES (43, NULL, '01m82w97qg96hz7wa38gpkzqzy', 'task.started', 'no', NULL, '{"attempt":1}', 1795393101.5535843);
INSERT INTO public.events VALUES (44, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.succeeded', 'all', 1, '{"attempt":1}', 1795393101.5517814);
INSERT INTO public.events VALUES (45, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.started', 'all', 3, '{"attempt":1}', 1795393101.5539088);
INSERT INTO public.events VALUES (47, NULL, '01m82w97qg96hz7wa38gpkzqzy', 'task.failed', 'no', NULL, '{"attempt":1,"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}}', 1795393101.5576918);
INSERT INTO public.events VALUES (48, NULL, '01m82w97qg96hz7wa38gpkzqzy', 'run.failed', NULL, NULL, '{"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}}', 1795393101.5587173);
INSERT INTO public.events VALUES (46, NULL, '01m82w97qbbbwdkb8h07g0ew7p', 'task.succeeded', 'pay', NULL, '{"attempt":1}', 1795393101.5584555);
INSERT INTO public.events VALUES (49, NULL, '01m82w97qbbbwdkb8h07g0ew7p', 'run.succeeded', NULL, NULL, NULL, 1795393101.5585005);
INSERT INTO public.events VALUES (50, NULL, '01m82w97p87jm1gz8pv202smqm', 'task.retry', 'all', 3, '{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.998}', 1795393101.5599308);
INSERT INTO public.events VALUES (51, NULL, '01m82w97p87jm1gz8pv202smqm', 'run.waiting', NULL, NULL, NULL, 1795393101.5599682);
INSERT INTO public.events VALUES (52, NULL, '01m82w97qs74nph479cs7nhfr7', 'run.started', NULL, NULL, NULL, 1795393101.5619354);
INSERT INTO public.events VALUES (53, NULL, '01m82w97qs74nph479cs7nhfr7', 'task.started', 'pay', NULL, '{"attempt":1}', 1795393101.5622718);
INSERT INTO public.events VALUES (54, NULL, '01m82w97qw3jng6nxsgqzp8asv', 'run.started', NULL, NULL, NULL, 1795393101.566782);
INSERT INTO public.events VALUES (55, NULL, '01m82w97qw3jng6nxsgqzp8asv', 'task.started', 'sub', NULL, '{"attempt":1}', 1795393101.5671163);
INSERT INTO public.events VALUES (56, NULL, '01m82w97qs74nph479cs7nhfr7', 'task.succeeded', 'pay', NULL, '{"attempt":1}', 1795393101.570063);
INSERT INTO public.events VALUES (57, NULL, '01m82w97qs74nph479cs7nhfr7', 'task.started', 'no', NULL, '{"attempt":1}', 1795393101.5710137);
INSERT INTO public.events VALUES (58, NULL, '01m82w97r4b2e3bc5v3k5bfz3b', 'run.started', NULL, NULL, NULL, 1795393101.5745504);
INSERT INTO public.events VALUES (59, NULL, '01m82w97r4b2e3bc5v3k5bfz3b', 'task.waiting', 'think', NULL, NULL, 1795393101.578691);
INSERT INTO public.events VALUES (60, NULL, '01m82w97r4b2e3bc5v3k5bfz3b', 'assignment.made', 'think', NULL, '{"assignment":"01m82w97r6dcsk7xyvqxqgb1kp","agent":"clerk"}', 1795393101.5787);
INSERT INTO public.events VALUES (61, NULL, '01m82w97r4b2e3bc5v3k5bfz3b', 'run.waiting', NULL, NULL, NULL, 1795393101.578711);
INSERT INTO public.events VALUES (62, NULL, '01m82w97r36f8n3vmgqxs3s0cw', 'run.started', NULL, NULL, '{"parent":"01m82w97qw3jng6nxsgqzp8asv","task":"sub"}', 1795393101.5730805);
INSERT INTO public.events VALUES (63, NULL, '01m82w97r36f8n3vmgqxs3s0cw', 'task.waiting', 'ask', NULL, NULL, 1795393101.5770032);
INSERT INTO public.events VALUES (64, NULL, '01m82w97r36f8n3vmgqxs3s0cw', 'approval.asked', 'ask', NULL, '{"approval":"01m82w97r56jqwx3qv6snw2qzg"}', 1795393101.5770154);
INSERT INTO public.events VALUES (65, NULL, '01m82w97r36f8n3vmgqxs3s0cw', 'run.waiting', NULL, NULL, NULL, 1795393101.577045);
INSERT INTO public.events VALUES (66, NULL, '01m82w97qw3jng6nxsgqzp8asv', 'task.child', 'sub', NULL, '{"attempt":1,"run_id":"01m82w97r36f8n3vmgqxs3s0cw"}', 1795393101.5722144);
INSERT INTO public.events VALUES (67, NULL, '01m82w97qs74nph479cs7nhfr7', 'task.failed', 'no', NULL, '{"attempt":1,"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}}', 1795393101.5784476);
INSERT INTO public.events VALUES (68, NULL, '01m82w97qs74nph479cs7nhfr7', 'task.compensating', 'compensate:pay', NULL, '{"attempt":1}', 1795393101.5803206);
INSERT INTO public.events VALUES (69, NULL, '01m82w97ph82zzdbpp6c1xm9qp', 'run.pausing', NULL, NULL, '{"by":"cli:me","reason":null}', 1795393101.5863454);
INSERT INTO public.events VALUES (70, NULL, '01m82w97ph82zzdbpp6c1xm9qp', 'run.paused', NULL, NULL, NULL, 1795393101.5863614);
INSERT INTO public.events VALUES (71, NULL, '01m82w97qw3jng6nxsgqzp8asv', 'run.waiting', NULL, NULL, NULL, 1795393101.587986);
INSERT INTO public.events VALUES (75, NULL, '01m82w97ph82zzdbpp6c1xm9qp', 'task.succeeded', 'rest', NULL, NULL, 1795393102.559466);
INSERT INTO public.events VALUES (72, NULL, '01m82w97qs74nph479cs7nhfr7', 'task.retry', 'compensate:pay', NULL, '{"attempt":1,"error":{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.999}', 1795393101.5912793);
INSERT INTO public.events VALUES (73, NULL, '01m82w97qs74nph479cs7nhfr7', 'run.waiting', NULL, NULL, NULL, 1795393101.5913212);
INSERT INTO public.events VALUES (74, NULL, '01m82w97rpb0r4m167bccv845s', 'run.queued', NULL, NULL, '{"key":"K"}', 1795393101.591677);
INSERT INTO public.events VALUES (76, NULL, '01m82w9a57db5exfm3t7cm9bh5', 'run.started', NULL, NULL, NULL, 1795393104.047029);
INSERT INTO public.items VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 0, '0');
INSERT INTO public.items VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 1, '1');
INSERT INTO public.items VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 2, '2');
INSERT INTO public.items VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 3, '3');
INSERT INTO public.items VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 4, '4');
INSERT INTO public.items VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 5, '5');
INSERT INTO public.ledger VALUES ('01m82w97p73zbnsnvnwrssw915', 'sys.lose', 'write', 'cli:me', '01m82w97p2705c7y0h4y4ack6z', 'lose', NULL, NULL, 'dfbd5b355dc74651ebcc029768d880e9fe79ef2d38c9216e721986e05023813b', '{"n":"01m82w97p2705c7y0h4y4ack6z"}', 'unknown', 1, 1795393101.5125332, 1795393251.5125332, 1795393101.5179236, NULL, '{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}', '{"left_at":1795393101.5171168}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97pje30p3a6fa0fcx4nj', 'sys.item', 'write', 'cli:me', '01m82w97p87jm1gz8pv202smqm', 'all', 0, NULL, 'f3013f933b9fb80ab6d995e7ad9da36f683837ba1d81e950c943d40111eac2f0', '{"n":0}', 'done', 1, 1795393101.5232556, 1795393251.5232556, 1795393101.5262563, '{"n":0}', NULL, '{"left_at":1795393101.5248544}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97pta4g8r2r781car58v', 'sys.item', 'write', 'cli:me', '01m82w97p87jm1gz8pv202smqm', 'all', 2, NULL, '363379742f80b51bdb9206579af7754911543079b9399cb3fc315fb199f476e8', '{"n":2}', 'unavailable', 1, 1795393101.526248, 1795393251.526248, 1795393101.5367923, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795393101.5355966}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97q9ddr1k7ysvvzv02en', 'sys.hang_write', 'write', 'cli:me', '01m82w97q3bz3145k2j2d6byya', 'do', NULL, NULL, '22c97317b1fad7765a459d673b125958741c2ce1b93a4590a5d6220d1a9b6e07', '{"n":"01m82w97q3bz3145k2j2d6byya"}', 'intent', 1, 1795393101.5459995, 1795393251.5459995, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97pm303gcr4kam0n08s0', 'sys.item', 'write', 'cli:me', '01m82w97p87jm1gz8pv202smqm', 'all', 1, NULL, '2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd', '{"n":1}', 'done', 1, 1795393101.5255542, 1795393251.5255542, 1795393101.550447, '{"n":1}', NULL, '{"left_at":1795393101.5497675}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97qdaershat8t07wfsz2', 'sys.pay', 'write', 'cli:me', '01m82w97qbbbwdkb8h07g0ew7p', 'pay', NULL, '4711', 'ce783ca092e0f037c1180d50ba361f3b60f4a1d16fc9e8b3da4d1dcde348f61e', '{"n":"4711"}', 'done', 1, 1795393101.5509245, 1795393251.5509245, 1795393101.5571485, '{"n":"4711"}', NULL, '{"left_at":1795393101.5558445}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97qk6wymfj861w65xwse', 'sys.refuse', 'write', 'cli:me', '01m82w97qg96hz7wa38gpkzqzy', 'no', NULL, NULL, '2ed8049a5c9efb675f9dbaa97d3c0ff1756703e7c4fe515ad5aae56e18f91048', '{"n":"01m82w97qg96hz7wa38gpkzqzy"}', 'rejected', 1, 1795393101.5565875, 1795393251.5565875, 1795393101.5582068, NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', '{"left_at":1795393101.5579247}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97qj44nn4jtktm74b0nc', 'sys.item', 'write', 'cli:me', '01m82w97p87jm1gz8pv202smqm', 'all', 3, NULL, '215ddd5567ca2590efd4ea109b4e56cbe591e2676fbf54a9262692c539166da6', '{"n":3}', 'unavailable', 1, 1795393101.5504398, 1795393251.5504398, 1795393101.5597558, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795393101.5575643}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97qvehc063wadj5hxhhm', 'sys.pay', 'write', 'cli:me', '01m82w97qs74nph479cs7nhfr7', 'pay', NULL, '01m82w97qs74nph479cs7nhfr7', 'd0256e59b0153c5394dcc1338de6e1856ea315243fd7645e670ee540debc8ab1', '{"n":"01m82w97qs74nph479cs7nhfr7"}', 'done', 1, 1795393101.564054, 1795393251.564054, 1795393101.5703163, '{"n":"01m82w97qs74nph479cs7nhfr7"}', NULL, '{"left_at":1795393101.569342}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97r36f8n3vmh7mqb1wbz', 'sys.refuse', 'write', 'cli:me', '01m82w97qs74nph479cs7nhfr7', 'no', NULL, NULL, 'd0256e59b0153c5394dcc1338de6e1856ea315243fd7645e670ee540debc8ab1', '{"n":"01m82w97qs74nph479cs7nhfr7"}', 'rejected', 1, 1795393101.5703075, 1795393251.5703075, 1795393101.578877, NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', '{"left_at":1795393101.5753589}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.ledger VALUES ('01m82w97rj3gcv18eqrm31pcqd', 'sys.undo', 'write', 'cli:me', '01m82w97qs74nph479cs7nhfr7', 'compensate:pay', NULL, NULL, 'd0256e59b0153c5394dcc1338de6e1856ea315243fd7645e670ee540debc8ab1', '{"n":"01m82w97qs74nph479cs7nhfr7"}', 'unavailable', 1, 1795393101.5876973, 1795393251.5876973, 1795393101.5909202, NULL, '{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', '{"left_at":1795393101.5901058}', NULL, NULL, NULL, NULL, 0, NULL);
INSERT INTO public.meta VALUES ('version', '1');
INSERT INTO public.meta VALUES ('schema', '2');
INSERT INTO public.runs VALUES ('01m82w97jkbxzzqfa374a30atw', 'asked', '35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c', 'waiting', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.3953884, 1795393101.3953884, NULL);
INSERT INTO public.runs VALUES ('01m82w97q3bz3145k2j2d6byya', 'writing', '8e4bec2c7add89a539dda54bf7a20e30ece48723e008a578bc9b913d6f079508', 'running', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5399127, 1795393101.5399127, NULL);
INSERT INTO public.runs VALUES ('01m82w97md5wmqhf6zw6nhvv8b', 'guarded', 'd52f612dc98c618c1db81b7df0aa029cace33919c7bd036eeb5965553af91994', 'waiting', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.4532175, 1795393101.4532175, NULL);
INSERT INTO public.runs VALUES ('01m82w97ms6cz0d62myvtzmw1k', 'delayed', '98250db5ca7c2be401a25c0f52c37fca79c7703ec889099909cd2b621ae348a4', 'waiting', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.4654412, 1795393101.4654412, NULL);
INSERT INTO public.runs VALUES ('01m82w97nfdk39bdspky7senn3', 'timed', 'fe4b67f8f22eee4a78ca17a26f062bf2479ed32c304e07bd8fc4c3a7987b356d', 'waiting', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.4872727, 1795393101.4872727, NULL);
INSERT INTO public.runs VALUES ('01m82w97p2705c7y0h4y4ack6z', 'parked', 'db692a8e2e0f0eeb53dc5dd03b785f069ef3dc3eac1e18a55380a627b6e4d71b', 'parked', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5061212, 1795393101.5061212, NULL);
INSERT INTO public.runs VALUES ('01m82w97ph82zzdbpp6c1xm9qp', 'paused', '409f3fe0b0779fd95c5177439070c329e0ae606e336babb419e19e6206b44118', 'paused', 'pause', 3, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5218437, 1795393101.5218437, NULL);
INSERT INTO public.runs VALUES ('01m82w97prea61thfvg4xfp5f1', 'keyed', '17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883', 'waiting', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, 'K', 'keyedK', NULL, '2026-11-23', 2, 1795393101.528285, 1795393101.528285, NULL);
INSERT INTO public.runs VALUES ('01m82w97pxekvy5xdp640tsdc5', 'reading', '62f2565cdfd2601f3b0843fc0f10008b066def9a15d0a213ed3b62b21b7b196e', 'running', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5337026, 1795393101.5337026, NULL);
INSERT INTO public.runs VALUES ('01m82w97r4b2e3bc5v3k5bfz3b', 'handed', '1ef3f627cdbc7c3b9a3b6ad6b6e61f59333316a7471e18dd89aa31e4b100e308', 'waiting', NULL, 1, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5722826, 1795393101.5722826, NULL);
INSERT INTO public.runs VALUES ('01m82w97qbbbwdkb8h07g0ew7p', 'done', '8fb100b2a411a2f7368e062e170f0db2881b246af91245d4ff114ce78ba6fc7a', 'succeeded', NULL, 2, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.547694, 1795393101.547694, 1795393101.5561695);
INSERT INTO public.runs VALUES ('01m82w97qg96hz7wa38gpkzqzy', 'failed', '46bc0018499f2bbf2febf145ee8ef7bf43d64d848fad261fdf7bba814c104d52', 'failed', NULL, 2, '{"k":"K"}', NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}', NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5524795, 1795393101.5524795, 1795393101.557229);
INSERT INTO public.runs VALUES ('01m82w97p87jm1gz8pv202smqm', 'each', '67970af9872767c9a68ff37835ef1d4b77945cd4ad91fd4cca66fbccb4d4c3d8', 'waiting', NULL, 5, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5127268, 1795393101.5127268, NULL);
INSERT INTO public.runs VALUES ('01m82w97r36f8n3vmgqxs3s0cw', 'asked', '35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c', 'waiting', NULL, 1, '{}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', '01m82w97qw3jng6nxsgqzp8asv', 'sub', -1, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.571225, 1795393101.571225, NULL);
INSERT INTO public.runs VALUES ('01m82w97qw3jng6nxsgqzp8asv', 'above', 'ea4231b90123497205f0e5d523635f041e996ec6d260ed52a564c4a910d9be8b', 'waiting', NULL, 3, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5645027, 1795393101.5645027, NULL);
INSERT INTO public.runs VALUES ('01m82w97rpb0r4m167bccv845s', 'keyed', '17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883', 'queued', NULL, 0, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, 'K', NULL, NULL, '2026-11-23', 2, 1795393101.590338, NULL, NULL);
INSERT INTO public.runs VALUES ('01m82w97qs74nph479cs7nhfr7', 'undone', 'd6ecf7114fc72a938413ba80916b0943660bdca3715de0893fe78897a8692812', 'waiting', NULL, 4, '{"k":"K"}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393101.5612173, 1795393101.5612173, NULL);
INSERT INTO public.runs VALUES ('01m82w9a57db5exfm3t7cm9bh5', 'ready', 'c84d1060a8ea9e655e8a0c5ab0d69fd41611fd6cd337e5219026014f40331a01', 'running', NULL, 1, '{}', NULL, NULL, NULL, '{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-11-23', 2, 1795393104.0396574, 1795393104.0396574, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97jkbxzzqfa374a30atw', 'ask', -1, 'approval', 'waiting', 0, 0, NULL, NULL, 2110753101.431348, 0, NULL, NULL, NULL, NULL, '01m82w97kp3mmpva69rxz9jgtt', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97md5wmqhf6zw6nhvv8b', 'do', -1, 'tool', 'waiting', 0, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, 2110753101.4764035, 1, NULL, NULL, NULL, NULL, '01m82w97n3dds0n1tekfd3pr42', NULL, NULL, NULL, 1795393101.456053, 1795393101.4550939, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97ms6cz0d62myvtzmw1k', 'look', -1, 'tool', 'delayed', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, 1795393131.4811394, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795393101.475599, 1795393101.4746356, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82w97nfdk39bdspky7senn3', 'rest', -1, 'wait_s', 'waiting', 0, 0, NULL, NULL, 1795393131.4985693, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97p2705c7y0h4y4ack6z', 'lose', -1, 'tool', 'parked', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, 'write', NULL, '01m82w97p73zbnsnvnwrssw915', NULL, NULL, 1795393101.5125332, 1795393161.5125332, 1795393101.5103042, 1795393101.509397, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 0, 'tool', 'succeeded', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, 'write', NULL, '01m82w97pje30p3a6fa0fcx4nj', NULL, NULL, 1795393101.5232556, 1795393161.5232556, 1795393101.5149205, 1795393101.5139554, 1795393101.5252771, NULL, NULL, NULL, '{"n":0}', NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97prea61thfvg4xfp5f1', 'ask', -1, 'approval', 'waiting', 0, 0, NULL, NULL, 2110753101.5320876, 0, NULL, NULL, NULL, NULL, '01m82w97pv1z10f0yr50sw9hta', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97pxekvy5xdp640tsdc5', 'look', -1, 'tool', 'running', 0, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 1795393131.5362532, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795393101.5362532, 1795393101.5352821, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 2, 'tool', 'delayed', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, 1795393131.5357304, 0, NULL, 'write', NULL, '01m82w97pta4g8r2r781car58v', NULL, NULL, 1795393101.526248, 1795393161.526248, 1795393101.526248, 1795393101.5252771, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82w97q3bz3145k2j2d6byya', 'do', -1, 'tool', 'running', 0, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', 1795393131.544374, NULL, 0, NULL, 'write', NULL, '01m82w97q9ddr1k7ysvvzv02en', NULL, NULL, 1795393101.5459995, 1795393161.5459995, 1795393101.544374, 1795393101.5434036, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 1, 'tool', 'succeeded', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, 'write', NULL, '01m82w97pm303gcr4kam0n08s0', NULL, NULL, 1795393101.5255542, 1795393161.5255542, 1795393101.5149205, 1795393101.5139554, 1795393101.5494678, NULL, NULL, NULL, '{"n":1}', NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', -1, 'tool', 'open', 0, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 4, 6, 0, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97qg96hz7wa38gpkzqzy', 'no', -1, 'tool', 'failed', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, 'write', NULL, '01m82w97qk6wymfj861w65xwse', NULL, NULL, 1795393101.5565875, 1795393161.5565875, 1795393101.5538971, 1795393101.5529253, 1795393101.557229, NULL, NULL, NULL, NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82w97qbbbwdkb8h07g0ew7p', 'pay', -1, 'tool', 'succeeded', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, 'write', NULL, '01m82w97qdaershat8t07wfsz2', NULL, NULL, 1795393101.5509245, 1795393161.5509245, 1795393101.549374, 1795393101.5484035, 1795393101.5561695, NULL, NULL, NULL, '{"n":"4711"}', NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97p87jm1gz8pv202smqm', 'all', 3, 'tool', 'delayed', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, 1795393131.5576506, 0, NULL, 'write', NULL, '01m82w97qj44nn4jtktm74b0nc', NULL, NULL, 1795393101.5504398, 1795393161.5504398, 1795393101.5504398, 1795393101.5494678, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82w97r36f8n3vmgqxs3s0cw', 'ask', -1, 'approval', 'waiting', 0, 0, NULL, NULL, 2110753101.574024, 0, NULL, NULL, NULL, NULL, '01m82w97r56jqwx3qv6snw2qzg', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97qs74nph479cs7nhfr7', 'no', -1, 'tool', 'failed', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, 'write', NULL, '01m82w97r36f8n3vmh7mqb1wbz', NULL, NULL, 1795393101.5703075, 1795393161.5703075, 1795393101.5703075, 1795393101.5693362, 1795393101.5778997, NULL, NULL, NULL, NULL, '{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82w97r4b2e3bc5v3k5bfz3b', 'think', -1, 'agent', 'waiting', 0, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97qs74nph479cs7nhfr7', 'pay', -1, 'tool', 'succeeded', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, 'write', NULL, '01m82w97qvehc063wadj5hxhhm', NULL, NULL, 1795393101.564054, 1795393161.564054, 1795393101.5629046, 1795393101.5619326, 1795393101.5693362, NULL, NULL, NULL, '{"n":"01m82w97qs74nph479cs7nhfr7"}', NULL, -2);
INSERT INTO public.task_runs VALUES ('01m82w97qw3jng6nxsgqzp8asv', 'sub', -1, 'workflow', 'child_waits', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, '01m82w97r36f8n3vmgqxs3s0cw', NULL, NULL, 1795393101.5677493, 1795393101.5667784, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w97qs74nph479cs7nhfr7', 'compensate:pay', -1, 'compensation', 'delayed', 1, 1, 'vm:13752:01m82w97fzd8ynz744s5rjvpad', NULL, 1795393131.5902307, 0, NULL, 'write', NULL, '01m82w97rj3gcv18eqrm31pcqd', NULL, NULL, 1795393101.5876973, 1795393161.5876973, 1795393101.5788717, 1795393101.5778997, NULL, NULL, NULL, NULL, NULL, '{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}', NULL);
INSERT INTO public.task_runs VALUES ('01m82w97ph82zzdbpp6c1xm9qp', 'rest', -1, 'wait_s', 'succeeded', 0, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795393102.55764, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.task_runs VALUES ('01m82w9a57db5exfm3t7cm9bh5', 'look', -1, 'tool', 'ready', 0, 0, NULL, NULL, 1795393104.0460396, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.workers VALUES ('vm:13752:01m82w97fzd8ynz744s5rjvpad', 'vm', 13752, 1795393101.311061, 1795393101.3482826, '["default"]');
SELECT pg_catalog.setval('public.events_id_seq', 76, true);
SELECT pg_catalog.setval('public.events_numbers', 1, false);
SELECT pg_catalog.setval('public.registrations_seq_seq', 1, false);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.assignments
    ADD CONSTRAINT assignments_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (run_id, task, item, fence);
ALTER TABLE ONLY public.breakers
    ADD CONSTRAINT breakers_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.budget_rates
    ADD CONSTRAINT budget_rates_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.budget_slots
    ADD CONSTRAINT budget_slots_name_owner_key UNIQUE (name, owner);
ALTER TABLE ONLY public.claim_pieces
    ADD CONSTRAINT claim_pieces_pkey PRIMARY KEY (claim, piece);
ALTER TABLE ONLY public.claims
    ADD CONSTRAINT claims_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.codes
    ADD CONSTRAINT codes_pkey PRIMARY KEY (code);
ALTER TABLE ONLY public.definitions
    ADD CONSTRAINT definitions_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (scope, key);
ALTER TABLE ONLY public.drawbar_alembic_version
    ADD CONSTRAINT drawbar_alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (target);
ALTER TABLE ONLY public.http_answers
    ADD CONSTRAINT http_answers_pkey PRIMARY KEY (caller, key);
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
ALTER TABLE ONLY public.taken
    ADD CONSTRAINT taken_pkey PRIMARY KEY (claim);
ALTER TABLE ONLY public.task_runs
    ADD CONSTRAINT task_runs_pkey PRIMARY KEY (run_id, task, item);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (id);
CREATE INDEX approvals_task ON public.approvals USING btree (run_id, task, item);
CREATE INDEX approvals_waiting ON public.approvals USING btree (expires_at) WHERE ((state)::text = 'waiting'::text);
CREATE INDEX assignments_open ON public.assignments USING btree (agent, id) WHERE ((state)::text = 'open'::text);
CREATE INDEX assignments_run ON public.assignments USING btree (run_id);
CREATE INDEX claims_by_run ON public.claims USING btree (run_id);
CREATE INDEX events_by_run ON public.events USING btree (run_id, id);
CREATE UNIQUE INDEX events_seq ON public.events USING btree (seq) WHERE (seq IS NOT NULL);
CREATE INDEX events_unnumbered ON public.events USING btree (id) WHERE (seq IS NULL);
CREATE INDEX http_answers_until ON public.http_answers USING btree (until);
CREATE INDEX ledger_dead ON public.ledger USING btree (id) WHERE (dead = 1);
CREATE INDEX ledger_intent ON public.ledger USING btree (expires_at) WHERE ((state)::text = 'intent'::text);
CREATE UNIQUE INDEX ledger_key ON public.ledger USING btree (tool, key) WHERE ((key IS NOT NULL) AND ((state)::text = ANY ((ARRAY['intent'::character varying, 'done'::character varying, 'unknown'::character varying])::text[])));
CREATE INDEX ledger_run ON public.ledger USING btree (run_id);
CREATE INDEX ledger_unknown ON public.ledger USING btree (probe_at) WHERE ((state)::text = 'unknown'::text);
CREATE UNIQUE INDEX registrations_current ON public.registrations USING btree (kind, id) WHERE current;
CREATE UNIQUE INDEX registrations_version ON public.registrations USING btree (kind, id, version);
CREATE INDEX runs_by_key ON public.runs USING btree (key) WHERE (key IS NOT NULL);
CREATE INDEX runs_by_parent ON public.runs USING btree (parent_run) WHERE (parent_run IS NOT NULL);
CREATE INDEX runs_by_workflow ON public.runs USING btree (workflow, id);
CREATE UNIQUE INDEX runs_key_held ON public.runs USING btree (key_held) WHERE (key_held IS NOT NULL);
CREATE INDEX runs_live ON public.runs USING btree (state, id) WHERE (finished_at IS NULL);
CREATE UNIQUE INDEX runs_trigger ON public.runs USING btree (trigger_id) WHERE (trigger_id IS NOT NULL);
CREATE INDEX runs_untold ON public.runs USING btree (id) WHERE (untold = 1);
CREATE INDEX sync_runs_by_sync ON public.sync_runs USING btree (sync, id);
CREATE INDEX taken_settled ON public.taken USING btree (settled_at);
CREATE INDEX task_runs_approval ON public.task_runs USING btree (approval) WHERE (approval IS NOT NULL);
CREATE INDEX task_runs_delayed ON public.task_runs USING btree (due_at) WHERE (state = 'delayed'::text);
CREATE INDEX task_runs_done ON public.task_runs USING btree (run_id, done_no) WHERE (done_no > 0);
CREATE INDEX task_runs_intent ON public.task_runs USING btree (intent) WHERE (intent IS NOT NULL);
CREATE INDEX task_runs_lease ON public.task_runs USING btree (lease_until) WHERE (state = 'running'::text);
CREATE INDEX task_runs_live ON public.task_runs USING btree (run_id, state) WHERE ((item >= 0) AND (state = ANY (ARRAY['ready'::text, 'delayed'::text, 'running'::text, 'waiting'::text, 'held'::text, 'parked'::text, 'child'::text, 'child_waits'::text, 'child_parked'::text])));
CREATE INDEX task_runs_parked ON public.task_runs USING btree (run_id) WHERE (state = 'parked'::text);
CREATE INDEX task_runs_ready ON public.task_runs USING btree (due_at) WHERE (state = 'ready'::text);
CREATE INDEX task_runs_ready_on ON public.task_runs USING btree (COALESCE(queue, ''::text), due_at) WHERE (state = 'ready'::text);
CREATE INDEX task_runs_waiting ON public.task_runs USING btree (due_at) WHERE (state = 'waiting'::text);
