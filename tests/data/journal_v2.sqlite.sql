BEGIN TRANSACTION;
CREATE TABLE api_keys (
	id VARCHAR(40) NOT NULL, 
	agent VARCHAR(200) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	scopes TEXT, 
	created_at FLOAT NOT NULL, 
	created_by VARCHAR(200) NOT NULL, 
	expires_at FLOAT, 
	revoked_at FLOAT, 
	revoked_by VARCHAR(200), 
	used_at FLOAT, 
	PRIMARY KEY (id)
);
CREATE TABLE approvals (
	id VARCHAR(40) NOT NULL, 
	run_id VARCHAR(40), 
	task VARCHAR(200), 
	item INTEGER, 
	tool VARCHAR(200), 
	description TEXT, 
	asked_by VARCHAR(200) NOT NULL, 
	arguments TEXT, 
	args_hash VARCHAR(64), 
	"by" TEXT NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	asked_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	answered_by VARCHAR(200), 
	answered_at FLOAT, 
	reason TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "approvals" VALUES('01m82w94311wdgdf4hnqcy7hjw','01m82w94307rwb4kn7ppsahdsd','ask',NULL,NULL,'asked: ask','cli:me',NULL,NULL,'[]','waiting',1.79539309782511806489e+09,2.1107530978251180648e+09,NULL,NULL,NULL);
INSERT INTO "approvals" VALUES('01m82w943m0ptkr4dkzvp5xf4c','01m82w943697pt8ypsmwc5041n','do',NULL,'sys.guarded',NULL,'cli:me','{"n":"01m82w943697pt8ypsmwc5041n"}','4cf21cc27d5be5c6a9107fb56797f72fd9212b37bab7c3c9f8ab33d4579c87dc','[]','waiting',1.79539309784406518936e+09,2.11075309784406518927e+09,NULL,NULL,NULL);
INSERT INTO "approvals" VALUES('01m82w943wewny990sw77hyyzs','01m82w943v58z2tv253hh9tna8','ask',NULL,NULL,'keyed: ask','cli:me',NULL,NULL,'[]','waiting',1.7953930978523914814e+09,2.1107530978523914814e+09,NULL,NULL,NULL);
INSERT INTO "approvals" VALUES('01m82w944s49tvzjmj315x79vk','01m82w944re0vjrc5zvf09zsqt','ask',NULL,NULL,'asked: ask','cli:me',NULL,NULL,'[]','waiting',1.79539309788150668141e+09,2.11075309788150668145e+09,NULL,NULL,NULL);
CREATE TABLE assignments (
	id VARCHAR(40) NOT NULL, 
	agent VARCHAR(200) NOT NULL, 
	run_id VARCHAR(40) NOT NULL, 
	task VARCHAR(200) NOT NULL, 
	item INTEGER, 
	description TEXT, 
	input TEXT, 
	state VARCHAR(20) NOT NULL, 
	assigned_at FLOAT NOT NULL, 
	due_at FLOAT, 
	answered_by VARCHAR(200), 
	answered_at FLOAT, 
	output TEXT, 
	error TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "assignments" VALUES('01m82w944tcndrjvqcdg1100zp','clerk','01m82w944re0vjrc6033w7kcgb','think',NULL,NULL,'{}','open',1.7953930978824410438e+09,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE attempts (
	run_id TEXT NOT NULL, 
	task TEXT NOT NULL, 
	item INTEGER NOT NULL, 
	fence INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	owner TEXT, 
	state TEXT NOT NULL, 
	error TEXT, 
	notes TEXT, 
	started_at FLOAT, 
	ended_at FLOAT NOT NULL, 
	PRIMARY KEY (run_id, task, item, fence)
)
 WITHOUT ROWID
;
INSERT INTO "attempts" VALUES('01m82w943697pt8ypsmwc5041n','do',-1,1,0,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','waiting',NULL,NULL,1.79539309783028125768e+09,1.79539309784406685829e+09);
INSERT INTO "attempts" VALUES('01m82w9438cqqyvm6p71zr7d39','look',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','delayed','{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795393097.8396409}',1.79539309783216595645e+09,1.79539309784100556376e+09);
INSERT INTO "attempts" VALUES('01m82w943g97fprnzhaq8ew82t','lose',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','parked','{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}','{"left_at":1795393097.8474302}',1.79539309784187316892e+09,1.79539309784870505337e+09);
INSERT INTO "attempts" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',0,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','succeeded',NULL,'{"left_at":1795393097.8510795}',1.79539309784488248828e+09,1.79539309785181307793e+09);
INSERT INTO "attempts" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','succeeded',NULL,'{"left_at":1795393097.8504295}',1.79539309784488248828e+09,1.79539309785052752493e+09);
INSERT INTO "attempts" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',2,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','delayed','{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795393097.8516822}',1.79539309785052752493e+09,1.79539309785332107547e+09);
INSERT INTO "attempts" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',3,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','delayed','{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795393097.854126}',1.79539309785181307793e+09,1.79539309785458540916e+09);
INSERT INTO "attempts" VALUES('01m82w9443a5s8z3fy8grjjkcr','pay',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','succeeded',NULL,'{"left_at":1795393097.869653}',1.79539309785971617702e+09,1.79539309786984372131e+09);
INSERT INTO "attempts" VALUES('01m82w94463j5mnn56mh5k9b03','no',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','failed','{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}','{"left_at":1795393097.875645}',1.79539309786691355708e+09,1.79539309787581634518e+09);
INSERT INTO "attempts" VALUES('01m82w944fe8ff5ap5yk8c4nrb','compensate:pay',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','delayed','{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795393097.8876078}',1.79539309788336586947e+09,1.79539309788796448705e+09);
INSERT INTO "attempts" VALUES('01m82w944fe8ff5ap5yk8c4nrb','no',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','failed','{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}','{"left_at":1795393097.8811884}',1.79539309787903976437e+09,1.79539309788336586947e+09);
INSERT INTO "attempts" VALUES('01m82w944fe8ff5ap5yk8c4nrb','pay',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','succeeded',NULL,'{"left_at":1795393097.878914}',1.79539309787456965441e+09,1.79539309787903976437e+09);
INSERT INTO "attempts" VALUES('01m82w944ncyj2ja9fw4v31fcr','sub',-1,1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc','child',NULL,NULL,1.79539309787768602364e+09,1.79539309788131070137e+09);
CREATE TABLE breakers (
	name TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	opened INTEGER NOT NULL, 
	until FLOAT NOT NULL, 
	trying FLOAT, 
	error TEXT NOT NULL, 
	since FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE budget_rates (
	name TEXT NOT NULL, 
	spent FLOAT NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE budget_slots (
	name TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	slots INTEGER NOT NULL, 
	wanted INTEGER DEFAULT '0' NOT NULL, 
	until FLOAT NOT NULL, 
	UNIQUE (name, owner)
);
CREATE TABLE claim_pieces (
	claim VARCHAR(100) NOT NULL, 
	piece INTEGER NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (claim, piece)
);
CREATE TABLE claims (
	id VARCHAR(100) NOT NULL, 
	run_id VARCHAR(40), 
	sha256 VARCHAR(64) NOT NULL, 
	bytes INTEGER NOT NULL, 
	shown_bytes INTEGER NOT NULL, 
	plain INTEGER NOT NULL, 
	content_type VARCHAR(100) NOT NULL, 
	sealed INTEGER DEFAULT '0' NOT NULL, 
	hidden TEXT, 
	pieces INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	removed_at FLOAT, 
	PRIMARY KEY (id)
);
CREATE TABLE codes (
	code VARCHAR(64) NOT NULL, 
	caller VARCHAR(200) NOT NULL, 
	tool VARCHAR(200) NOT NULL, 
	args_hash VARCHAR(64) NOT NULL, 
	expires_at FLOAT NOT NULL, 
	PRIMARY KEY (code)
);
CREATE TABLE definitions (
	hash TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (hash)
);
INSERT INTO "definitions" VALUES('35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c','{"tasks":{"ask":{"approval":{"within_h":87600.0}},"pay":{"tool":"sys.pay","needs":["ask"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('d52f612dc98c618c1db81b7df0aa029cace33919c7bd036eeb5965553af91994','{"tasks":{"do":{"tool":"sys.guarded","with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('98250db5ca7c2be401a25c0f52c37fca79c7703ec889099909cd2b621ae348a4','{"tasks":{"look":{"tool":"sys.flaky","with":{"n":"${{ run.id }}"},"retry":{"attempts":100}},"pay":{"tool":"sys.pay","needs":["look"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('fe4b67f8f22eee4a78ca17a26f062bf2479ed32c304e07bd8fc4c3a7987b356d','{"tasks":{"rest":{"wait_s":30.0},"pay":{"tool":"sys.pay","needs":["rest"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('db692a8e2e0f0eeb53dc5dd03b785f069ef3dc3eac1e18a55380a627b6e4d71b','{"tasks":{"lose":{"tool":"sys.lose","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["lose"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('67970af9872767c9a68ff37835ef1d4b77945cd4ad91fd4cca66fbccb4d4c3d8','{"tasks":{"all":{"tool":"sys.item","with":{"n":"${{ item }}"},"for_each":{"in":"${{ [0, 1, 2, 3, 4, 5] }}","concurrency":2},"retry":{"attempts":100}},"pay":{"tool":"sys.pay","needs":["all"],"with":{"n":"${{ run.id }}"}}},"output":"${{ tasks.all.output }}"}');
INSERT INTO "definitions" VALUES('409f3fe0b0779fd95c5177439070c329e0ae606e336babb419e19e6206b44118','{"tasks":{"rest":{"wait_s":1.0},"pay":{"tool":"sys.pay","needs":["rest"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883','{"key":"${{ input.k }}","tasks":{"ask":{"approval":{"within_h":87600.0}},"pay":{"tool":"sys.pay","needs":["ask"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('62f2565cdfd2601f3b0843fc0f10008b066def9a15d0a213ed3b62b21b7b196e','{"tasks":{"look":{"tool":"sys.hang_read","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["look"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('8e4bec2c7add89a539dda54bf7a20e30ece48723e008a578bc9b913d6f079508','{"tasks":{"do":{"tool":"sys.hang_write","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["do"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('8fb100b2a411a2f7368e062e170f0db2881b246af91245d4ff114ce78ba6fc7a','{"tasks":{"pay":{"tool":"sys.pay","with":{"n":"4711"}}}}');
INSERT INTO "definitions" VALUES('46bc0018499f2bbf2febf145ee8ef7bf43d64d848fad261fdf7bba814c104d52','{"tasks":{"no":{"tool":"sys.refuse","with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('d6ecf7114fc72a938413ba80916b0943660bdca3715de0893fe78897a8692812','{"tasks":{"pay":{"tool":"sys.pay","with":{"n":"${{ run.id }}"},"compensate":{"tool":"sys.undo","with":{"n":"${{ run.id }}"}}},"no":{"tool":"sys.refuse","needs":["pay"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('ea4231b90123497205f0e5d523635f041e996ec6d260ed52a564c4a910d9be8b','{"tasks":{"sub":{"workflow":"asked"},"pay":{"tool":"sys.pay","needs":["sub"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('1ef3f627cdbc7c3b9a3b6ad6b6e61f59333316a7471e18dd89aa31e4b100e308','{"tasks":{"think":{"agent":"clerk"},"pay":{"tool":"sys.pay","needs":["think"],"with":{"n":"${{ run.id }}"}}}}');
INSERT INTO "definitions" VALUES('c84d1060a8ea9e655e8a0c5ab0d69fd41611fd6cd337e5219026014f40331a01','{"tasks":{"look":{"tool":"sys.look","with":{"n":"${{ run.id }}"}},"pay":{"tool":"sys.pay","needs":["look"],"with":{"n":"${{ run.id }}"}}}}');
CREATE TABLE documents (
	scope TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	body TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	updated_at FLOAT NOT NULL, 
	updated_by TEXT, 
	PRIMARY KEY (scope, "key")
)
 WITHOUT ROWID
;
CREATE TABLE drawbar_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT drawbar_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "drawbar_alembic_version" VALUES('0002');
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	seq BIGINT, 
	run_id TEXT, 
	type TEXT NOT NULL, 
	task TEXT, 
	item INTEGER, 
	body TEXT, 
	at FLOAT NOT NULL
);
INSERT INTO "events" VALUES(1,NULL,'01m82w94307rwb4kn7ppsahdsd','run.started',NULL,NULL,NULL,1.79539309782514166832e+09);
INSERT INTO "events" VALUES(2,NULL,'01m82w94307rwb4kn7ppsahdsd','task.waiting','ask',NULL,NULL,1.79539309782650089268e+09);
INSERT INTO "events" VALUES(3,NULL,'01m82w94307rwb4kn7ppsahdsd','approval.asked','ask',NULL,'{"approval":"01m82w94311wdgdf4hnqcy7hjw"}',1.79539309782653164863e+09);
INSERT INTO "events" VALUES(4,NULL,'01m82w94307rwb4kn7ppsahdsd','run.waiting',NULL,NULL,NULL,1.79539309782657027251e+09);
INSERT INTO "events" VALUES(5,NULL,'01m82w943697pt8ypsmwc5041n','run.started',NULL,NULL,NULL,1.7953930978302872181e+09);
INSERT INTO "events" VALUES(6,NULL,'01m82w943697pt8ypsmwc5041n','task.started','do',NULL,'{"attempt":1}',1.79539309783073115344e+09);
INSERT INTO "events" VALUES(7,NULL,'01m82w9438cqqyvm6p71zr7d39','run.started',NULL,NULL,NULL,1.79539309783216977124e+09);
INSERT INTO "events" VALUES(8,NULL,'01m82w9438cqqyvm6p71zr7d39','task.started','look',NULL,'{"attempt":1}',1.79539309783227443695e+09);
INSERT INTO "events" VALUES(9,NULL,'01m82w943a0nxg4yxfkc9b032e','run.started',NULL,NULL,NULL,1.7953930978346133232e+09);
INSERT INTO "events" VALUES(10,NULL,'01m82w943a0nxg4yxfkc9b032e','task.waiting','rest',NULL,NULL,1.79539309783468055727e+09);
INSERT INTO "events" VALUES(11,NULL,'01m82w943a0nxg4yxfkc9b032e','run.waiting',NULL,NULL,NULL,1.79539309783471131331e+09);
INSERT INTO "events" VALUES(12,NULL,'01m82w9438cqqyvm6p71zr7d39','task.retry','look',NULL,'{"attempt":1,"error":{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.999}',1.79539309784164810178e+09);
INSERT INTO "events" VALUES(13,NULL,'01m82w9438cqqyvm6p71zr7d39','run.waiting',NULL,NULL,NULL,1.79539309784170460701e+09);
INSERT INTO "events" VALUES(14,NULL,'01m82w943g97fprnzhaq8ew82t','run.started',NULL,NULL,NULL,1.79539309784187602991e+09);
INSERT INTO "events" VALUES(15,NULL,'01m82w943g97fprnzhaq8ew82t','task.started','lose',NULL,'{"attempt":1}',1.79539309784198331835e+09);
INSERT INTO "events" VALUES(16,NULL,'01m82w943697pt8ypsmwc5041n','task.waiting','do',NULL,'{"attempt":0}',1.79539309784470868113e+09);
INSERT INTO "events" VALUES(17,NULL,'01m82w943697pt8ypsmwc5041n','approval.asked','do',NULL,'{"approval":"01m82w943m0ptkr4dkzvp5xf4c"}',1.79539309784471154212e+09);
INSERT INTO "events" VALUES(18,NULL,'01m82w943697pt8ypsmwc5041n','run.waiting',NULL,NULL,NULL,1.79539309784474444388e+09);
INSERT INTO "events" VALUES(19,NULL,'01m82w943kd6r6vd8wyhg1ff39','run.started',NULL,NULL,NULL,1.7953930978448858261e+09);
INSERT INTO "events" VALUES(20,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.started','all',NULL,'{"items":6}',1.79539309784564304352e+09);
INSERT INTO "events" VALUES(21,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.started','all',0,'{"attempt":1}',1.79539309784589576728e+09);
INSERT INTO "events" VALUES(22,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.started','all',1,'{"attempt":1}',1.79539309784600663181e+09);
INSERT INTO "events" VALUES(23,NULL,'01m82w943g97fprnzhaq8ew82t','task.parked','lose',NULL,'{"attempt":1,"error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}',1.79539309784890055658e+09);
INSERT INTO "events" VALUES(24,NULL,'01m82w943g97fprnzhaq8ew82t','dead.parked','lose',NULL,'{"entry":"01m82w943kd6r6vd8xa05kfdgn","error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}',1.79539309784890294078e+09);
INSERT INTO "events" VALUES(25,NULL,'01m82w943g97fprnzhaq8ew82t','run.parked',NULL,NULL,NULL,1.79539309784892845149e+09);
INSERT INTO "events" VALUES(26,NULL,'01m82w943r9v57ba8trp7r58nt','run.started',NULL,NULL,NULL,1.79539309784952187537e+09);
INSERT INTO "events" VALUES(27,NULL,'01m82w943r9v57ba8trp7r58nt','task.waiting','rest',NULL,NULL,1.79539309784957289693e+09);
INSERT INTO "events" VALUES(28,NULL,'01m82w943r9v57ba8trp7r58nt','run.waiting',NULL,NULL,NULL,1.79539309784958982466e+09);
INSERT INTO "events" VALUES(29,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.succeeded','all',1,'{"attempt":1}',1.79539309785062575338e+09);
INSERT INTO "events" VALUES(30,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.started','all',2,'{"attempt":1}',1.79539309785071825981e+09);
INSERT INTO "events" VALUES(31,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.succeeded','all',0,'{"attempt":1}',1.79539309785198950768e+09);
INSERT INTO "events" VALUES(32,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.started','all',3,'{"attempt":1}',1.79539309785207414627e+09);
INSERT INTO "events" VALUES(33,NULL,'01m82w943v58z2tv253hh9tna8','run.started',NULL,NULL,NULL,1.79539309785239958763e+09);
INSERT INTO "events" VALUES(34,NULL,'01m82w943v58z2tv253hh9tna8','task.waiting','ask',NULL,NULL,1795393097.85287);
INSERT INTO "events" VALUES(35,NULL,'01m82w943v58z2tv253hh9tna8','approval.asked','ask',NULL,'{"approval":"01m82w943wewny990sw77hyyzs"}',1.79539309785288238524e+09);
INSERT INTO "events" VALUES(36,NULL,'01m82w943v58z2tv253hh9tna8','run.waiting',NULL,NULL,NULL,1.79539309785289883615e+09);
INSERT INTO "events" VALUES(37,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.retry','all',2,'{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.998}',1.79539309785342788691e+09);
INSERT INTO "events" VALUES(38,NULL,'01m82w943kd6r6vd8wyhg1ff39','task.retry','all',3,'{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":30.0}',1.7953930978546521664e+09);
INSERT INTO "events" VALUES(39,NULL,'01m82w943kd6r6vd8wyhg1ff39','run.waiting',NULL,NULL,NULL,1.7953930978546814919e+09);
INSERT INTO "events" VALUES(40,NULL,'01m82w943z7s375zpj5zwmsdk1','run.started',NULL,NULL,NULL,1.79539309785567712789e+09);
INSERT INTO "events" VALUES(41,NULL,'01m82w943z7s375zpj5zwmsdk1','task.started','look',NULL,'{"attempt":1}',1.79539309785574173927e+09);
INSERT INTO "events" VALUES(42,NULL,'01m82w94429pbyf281ygyqk9ph','run.started',NULL,NULL,NULL,1.7953930978586292267e+09);
INSERT INTO "events" VALUES(43,NULL,'01m82w94429pbyf281ygyqk9ph','task.started','do',NULL,'{"attempt":1}',1.79539309785869288446e+09);
INSERT INTO "events" VALUES(44,NULL,'01m82w9443a5s8z3fy8grjjkcr','run.started',NULL,NULL,NULL,1.79539309785971832279e+09);
INSERT INTO "events" VALUES(45,NULL,'01m82w9443a5s8z3fy8grjjkcr','task.started','pay',NULL,'{"attempt":1}',1.79539309785976958274e+09);
INSERT INTO "events" VALUES(46,NULL,'01m82w94463j5mnn56mh5k9b03','run.started',NULL,NULL,NULL,1.79539309786691808701e+09);
INSERT INTO "events" VALUES(47,NULL,'01m82w94463j5mnn56mh5k9b03','task.started','no',NULL,'{"attempt":1}',1.79539309786704158779e+09);
INSERT INTO "events" VALUES(48,NULL,'01m82w9443a5s8z3fy8grjjkcr','task.succeeded','pay',NULL,'{"attempt":1}',1.79539309786997127536e+09);
INSERT INTO "events" VALUES(49,NULL,'01m82w9443a5s8z3fy8grjjkcr','run.succeeded',NULL,NULL,NULL,1.79539309787002849573e+09);
INSERT INTO "events" VALUES(50,NULL,'01m82w944fe8ff5ap5yk8c4nrb','run.started',NULL,NULL,NULL,1.79539309787457370759e+09);
INSERT INTO "events" VALUES(51,NULL,'01m82w944fe8ff5ap5yk8c4nrb','task.started','pay',NULL,'{"attempt":1}',1.79539309787466645242e+09);
INSERT INTO "events" VALUES(52,NULL,'01m82w94463j5mnn56mh5k9b03','task.failed','no',NULL,'{"attempt":1,"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}}',1.79539309787591791151e+09);
INSERT INTO "events" VALUES(53,NULL,'01m82w94463j5mnn56mh5k9b03','run.failed',NULL,NULL,'{"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}}',1.79539309787645530698e+09);
INSERT INTO "events" VALUES(54,NULL,'01m82w944ncyj2ja9fw4v31fcr','run.started',NULL,NULL,NULL,1.79539309787768864637e+09);
INSERT INTO "events" VALUES(55,NULL,'01m82w944ncyj2ja9fw4v31fcr','task.started','sub',NULL,'{"attempt":1}',1.79539309787775659557e+09);
INSERT INTO "events" VALUES(56,NULL,'01m82w944fe8ff5ap5yk8c4nrb','task.succeeded','pay',NULL,'{"attempt":1}',1.79539309787927532191e+09);
INSERT INTO "events" VALUES(57,NULL,'01m82w944fe8ff5ap5yk8c4nrb','task.started','no',NULL,'{"attempt":1}',1.79539309787960672379e+09);
INSERT INTO "events" VALUES(58,NULL,'01m82w944re0vjrc5zvf09zsqt','run.started',NULL,NULL,'{"parent":"01m82w944ncyj2ja9fw4v31fcr","task":"sub"}',1.79539309788152647018e+09);
INSERT INTO "events" VALUES(59,NULL,'01m82w944re0vjrc5zvf09zsqt','task.waiting','ask',NULL,NULL,1.79539309788206696513e+09);
INSERT INTO "events" VALUES(60,NULL,'01m82w944re0vjrc5zvf09zsqt','approval.asked','ask',NULL,'{"approval":"01m82w944s49tvzjmj315x79vk"}',1.79539309788208746913e+09);
INSERT INTO "events" VALUES(61,NULL,'01m82w944re0vjrc5zvf09zsqt','run.waiting',NULL,NULL,NULL,1.79539309788210296628e+09);
INSERT INTO "events" VALUES(62,NULL,'01m82w944ncyj2ja9fw4v31fcr','task.child','sub',NULL,'{"attempt":1,"run_id":"01m82w944re0vjrc5zvf09zsqt"}',1.79539309788140678402e+09);
INSERT INTO "events" VALUES(63,NULL,'01m82w944re0vjrc6033w7kcgb','run.started',NULL,NULL,NULL,1.79539309788244843485e+09);
INSERT INTO "events" VALUES(64,NULL,'01m82w944re0vjrc6033w7kcgb','task.waiting','think',NULL,NULL,1.79539309788325047488e+09);
INSERT INTO "events" VALUES(65,NULL,'01m82w944re0vjrc6033w7kcgb','assignment.made','think',NULL,'{"assignment":"01m82w944tcndrjvqcdg1100zp","agent":"clerk"}',1.79539309788326025005e+09);
INSERT INTO "events" VALUES(66,NULL,'01m82w944re0vjrc6033w7kcgb','run.waiting',NULL,NULL,NULL,1.79539309788327288621e+09);
INSERT INTO "events" VALUES(67,NULL,'01m82w944fe8ff5ap5yk8c4nrb','task.failed','no',NULL,'{"attempt":1,"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}}',1.79539309788342738146e+09);
INSERT INTO "events" VALUES(68,NULL,'01m82w944fe8ff5ap5yk8c4nrb','task.compensating','compensate:pay',NULL,'{"attempt":1}',1.79539309788368511202e+09);
INSERT INTO "events" VALUES(69,NULL,'01m82w944ncyj2ja9fw4v31fcr','run.waiting',NULL,NULL,NULL,1.79539309788574457165e+09);
INSERT INTO "events" VALUES(70,NULL,'01m82w943r9v57ba8trp7r58nt','run.pausing',NULL,NULL,'{"by":"cli:me","reason":null}',1.79539309788637876505e+09);
INSERT INTO "events" VALUES(71,NULL,'01m82w943r9v57ba8trp7r58nt','run.paused',NULL,NULL,NULL,1.79539309788638925548e+09);
INSERT INTO "events" VALUES(72,NULL,'01m82w944z8y83gvxaje8cyqhx','run.queued',NULL,NULL,'{"key":"K"}',1.79539309788737535484e+09);
INSERT INTO "events" VALUES(73,NULL,'01m82w944fe8ff5ap5yk8c4nrb','task.retry','compensate:pay',NULL,'{"attempt":1,"error":{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":30.0}',1.79539309788805198676e+09);
INSERT INTO "events" VALUES(74,NULL,'01m82w944fe8ff5ap5yk8c4nrb','run.waiting',NULL,NULL,NULL,1795393097.88808);
INSERT INTO "events" VALUES(75,NULL,'01m82w943r9v57ba8trp7r58nt','task.succeeded','rest',NULL,NULL,1.79539309885028958322e+09);
INSERT INTO "events" VALUES(76,NULL,'01m82w964d2j5gmzbnhkvvpfa4','run.started',NULL,NULL,NULL,1.79539309991804289824e+09);
CREATE TABLE holds (
	target VARCHAR(300) NOT NULL, 
	name VARCHAR(300) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	held_by VARCHAR(200) NOT NULL, 
	reason TEXT, 
	since FLOAT NOT NULL, 
	until FLOAT, 
	over_at FLOAT, 
	PRIMARY KEY (target)
);
CREATE TABLE http_answers (
	caller VARCHAR(200) NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	began_at FLOAT NOT NULL, 
	until FLOAT NOT NULL, 
	status INTEGER, 
	headers TEXT, 
	body BLOB, 
	PRIMARY KEY (caller, "key")
);
CREATE TABLE items (
	run_id TEXT NOT NULL, 
	task TEXT NOT NULL, 
	item INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (run_id, task, item)
)
 WITHOUT ROWID
;
INSERT INTO "items" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',0,'0');
INSERT INTO "items" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',1,'1');
INSERT INTO "items" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',2,'2');
INSERT INTO "items" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',3,'3');
INSERT INTO "items" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',4,'4');
INSERT INTO "items" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',5,'5');
CREATE TABLE ledger (
	id VARCHAR(200) NOT NULL, 
	tool VARCHAR(200) NOT NULL, 
	effect VARCHAR(20) NOT NULL, 
	caller VARCHAR(200) NOT NULL, 
	run_id VARCHAR(40), 
	task VARCHAR(200), 
	item INTEGER, 
	"key" TEXT, 
	args_hash VARCHAR(64) NOT NULL, 
	arguments TEXT NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	attempts INTEGER DEFAULT '1' NOT NULL, 
	intent_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	outcome_at FLOAT, 
	result TEXT, 
	error TEXT, 
	notes TEXT, 
	probe_at FLOAT, 
	probes TEXT, 
	settled_by VARCHAR(200), 
	reason TEXT, 
	dropped INTEGER DEFAULT '0' NOT NULL, 
	dead INTEGER, 
	PRIMARY KEY (id)
);
INSERT INTO "ledger" VALUES('01m82w943kd6r6vd8xa05kfdgn','sys.lose','write','cli:me','01m82w943g97fprnzhaq8ew82t','lose',NULL,NULL,'c3ecc500abce4f7543710ff9e46fbb90190eec455d1014c18f31fe1ba1b7c39a','{"n":"01m82w943g97fprnzhaq8ew82t"}','unknown',1,1.79539309784396815304e+09,1.79539324784396815302e+09,1.79539309784870338435e+09,NULL,'{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}','{"left_at":1795393097.8474302}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w943r9v57ba8tw158y0ck','sys.item','write','cli:me','01m82w943kd6r6vd8wyhg1ff39','all',0,NULL,'f3013f933b9fb80ab6d995e7ad9da36f683837ba1d81e950c943d40111eac2f0','{"n":0}','done',1,1.79539309784838819507e+09,1.79539324784838819504e+09,1.79539309785181093221e+09,'{"n":0}',NULL,'{"left_at":1795393097.8510795}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w943r9v57ba8v8eq5fvp2','sys.item','write','cli:me','01m82w943kd6r6vd8wyhg1ff39','all',1,NULL,'2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd','{"n":1}','done',1,1.79539309784865665437e+09,1.79539324784865665434e+09,1.7953930978505256176e+09,'{"n":1}',NULL,'{"left_at":1795393097.8504295}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w943t9mwhtcgbqa103sk4','sys.item','write','cli:me','01m82w943kd6r6vd8wyhg1ff39','all',2,NULL,'363379742f80b51bdb9206579af7754911543079b9399cb3fc315fb199f476e8','{"n":2}','unavailable',1,1.79539309785052180294e+09,1.79539324785052180292e+09,1.79539309785331916815e+09,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795393097.8516822}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w943wewny990se1g86h0k','sys.item','write','cli:me','01m82w943kd6r6vd8wyhg1ff39','all',3,NULL,'215ddd5567ca2590efd4ea109b4e56cbe591e2676fbf54a9262692c539166da6','{"n":3}','unavailable',1,1.79539309785180759429e+09,1.79539324785180759427e+09,1.79539309785458278657e+09,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795393097.854126}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w944405dsryv9teptfy1p','sys.hang_write','write','cli:me','01m82w94429pbyf281ygyqk9ph','do',NULL,NULL,'f6f9a89cc9feb0e15d67368a84566f27fd715a94045c64edb5b571d70327e389','{"n":"01m82w94429pbyf281ygyqk9ph"}','intent',1,1.79539309786075806617e+09,1.79539324786075806614e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w94458kfdkq2g6hqmcwrx','sys.pay','write','cli:me','01m82w9443a5s8z3fy8grjjkcr','pay',NULL,'4711','ce783ca092e0f037c1180d50ba361f3b60f4a1d16fc9e8b3da4d1dcde348f61e','{"n":"4711"}','done',1,1.7953930978617184162e+09,1.79539324786171841617e+09,1.79539309786984467511e+09,'{"n":"4711"}',NULL,'{"left_at":1795393097.869653}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w944fe8ff5ap6640q8z21','sys.refuse','write','cli:me','01m82w94463j5mnn56mh5k9b03','no',NULL,NULL,'6e69cfaed93ec0f9a8ba90fe1204d7f54935ad9d4240d67f3db8720601fd3675','{"n":"01m82w94463j5mnn56mh5k9b03"}','rejected',1,1.79539309787136888499e+09,1.79539324787136888497e+09,1.79539309787581515313e+09,NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}','{"left_at":1795393097.875645}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w944ncyj2ja9g8zpwdmyx','sys.pay','write','cli:me','01m82w944fe8ff5ap5yk8c4nrb','pay',NULL,'01m82w944fe8ff5ap5yk8c4nrb','011261a85bee665fb26b03bf045db8c507fbe0dcd3bbb7a6b8fb0b5f4e8682d5','{"n":"01m82w944fe8ff5ap5yk8c4nrb"}','done',1,1.79539309787736487385e+09,1.79539324787736487383e+09,1.79539309787904047968e+09,'{"n":"01m82w944fe8ff5ap5yk8c4nrb"}',NULL,'{"left_at":1795393097.878914}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w944q7cbwwkt4m25qnaff','sys.refuse','write','cli:me','01m82w944fe8ff5ap5yk8c4nrb','no',NULL,NULL,'011261a85bee665fb26b03bf045db8c507fbe0dcd3bbb7a6b8fb0b5f4e8682d5','{"n":"01m82w944fe8ff5ap5yk8c4nrb"}','rejected',1,1.79539309787903332712e+09,1.79539324787903332709e+09,1.79539309788336348531e+09,NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}','{"left_at":1795393097.8811884}',NULL,NULL,NULL,NULL,0,NULL);
INSERT INTO "ledger" VALUES('01m82w944xf4td8dagd6y84p2b','sys.undo','write','cli:me','01m82w944fe8ff5ap5yk8c4nrb','compensate:pay',NULL,NULL,'011261a85bee665fb26b03bf045db8c507fbe0dcd3bbb7a6b8fb0b5f4e8682d5','{"n":"01m82w944fe8ff5ap5yk8c4nrb"}','unavailable',1,1.79539309788546919827e+09,1.79539324788546919824e+09,1.79539309788796234133e+09,NULL,'{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795393097.8876078}',NULL,NULL,NULL,NULL,0,NULL);
CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('version','1');
INSERT INTO "meta" VALUES('schema','2');
INSERT INTO "meta" VALUES('clock:b2adbf8e-02f7-42dc-83cd-47e6baf9a91d','1795368802.3901849');
CREATE TABLE notices (
	name VARCHAR(100) NOT NULL, 
	matter VARCHAR(500) NOT NULL, 
	told_at FLOAT NOT NULL, 
	count INTEGER NOT NULL, 
	PRIMARY KEY (name, matter)
);
CREATE TABLE outbox (
	name VARCHAR(100) NOT NULL, 
	cursor BIGINT NOT NULL, 
	holder VARCHAR(40), 
	held_until FLOAT DEFAULT '0' NOT NULL, 
	failures INTEGER DEFAULT '0' NOT NULL, 
	next_at FLOAT DEFAULT '0' NOT NULL, 
	error TEXT, 
	PRIMARY KEY (name)
);
CREATE TABLE registrations (
	seq INTEGER NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	id VARCHAR(200) NOT NULL, 
	version INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	hash VARCHAR(64), 
	current BOOLEAN NOT NULL, 
	created_at FLOAT NOT NULL, 
	changed_at FLOAT NOT NULL, 
	changed_by VARCHAR(200) NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	workflow TEXT NOT NULL, 
	definition TEXT NOT NULL, 
	state TEXT NOT NULL, 
	wanted TEXT, 
	version INTEGER NOT NULL, 
	input TEXT, 
	output TEXT, 
	error TEXT, 
	reason TEXT, 
	caller TEXT NOT NULL, 
	parent_run TEXT, 
	parent_task TEXT, 
	parent_item INTEGER, 
	untold INTEGER, 
	"key" TEXT, 
	key_held TEXT, 
	trigger_id TEXT, 
	date TEXT NOT NULL, 
	journal_version INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	started_at FLOAT, 
	finished_at FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('01m82w94307rwb4kn7ppsahdsd','asked','35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c','waiting',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309782408642766e+09,1.79539309782408642766e+09,NULL);
INSERT INTO "runs" VALUES('01m82w943697pt8ypsmwc5041n','guarded','d52f612dc98c618c1db81b7df0aa029cace33919c7bd036eeb5965553af91994','waiting',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309783003687859e+09,1.79539309783003687859e+09,NULL);
INSERT INTO "runs" VALUES('01m82w9438cqqyvm6p71zr7d39','delayed','98250db5ca7c2be401a25c0f52c37fca79c7703ec889099909cd2b621ae348a4','waiting',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1795393097.83202,1795393097.83202,NULL);
INSERT INTO "runs" VALUES('01m82w943a0nxg4yxfkc9b032e','timed','fe4b67f8f22eee4a78ca17a26f062bf2479ed32c304e07bd8fc4c3a7987b356d','waiting',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309783447837828e+09,1.79539309783447837828e+09,NULL);
INSERT INTO "runs" VALUES('01m82w943g97fprnzhaq8ew82t','parked','db692a8e2e0f0eeb53dc5dd03b785f069ef3dc3eac1e18a55380a627b6e4d71b','parked',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309784032535552e+09,1.79539309784032535552e+09,NULL);
INSERT INTO "runs" VALUES('01m82w943kd6r6vd8wyhg1ff39','each','67970af9872767c9a68ff37835ef1d4b77945cd4ad91fd4cca66fbccb4d4c3d8','waiting',NULL,5,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309784376072878e+09,1.79539309784376072878e+09,NULL);
INSERT INTO "runs" VALUES('01m82w943r9v57ba8trp7r58nt','paused','409f3fe0b0779fd95c5177439070c329e0ae606e336babb419e19e6206b44118','paused','pause',3,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309784807229043e+09,1.79539309784807229043e+09,NULL);
INSERT INTO "runs" VALUES('01m82w943v58z2tv253hh9tna8','keyed','17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883','waiting',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,'K','keyedK',NULL,'2026-11-23',2,1.79539309785143136981e+09,1.79539309785143136981e+09,NULL);
INSERT INTO "runs" VALUES('01m82w943z7s375zpj5zwmsdk1','reading','62f2565cdfd2601f3b0843fc0f10008b066def9a15d0a213ed3b62b21b7b196e','running',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309785516071316e+09,1.79539309785516071316e+09,NULL);
INSERT INTO "runs" VALUES('01m82w94429pbyf281ygyqk9ph','writing','8e4bec2c7add89a539dda54bf7a20e30ece48723e008a578bc9b913d6f079508','running',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309785853767398e+09,1.79539309785853767398e+09,NULL);
INSERT INTO "runs" VALUES('01m82w9443a5s8z3fy8grjjkcr','done','8fb100b2a411a2f7368e062e170f0db2881b246af91245d4ff114ce78ba6fc7a','succeeded',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309785964012146e+09,1.79539309785964012146e+09,1.79539309786984372131e+09);
INSERT INTO "runs" VALUES('01m82w94463j5mnn56mh5k9b03','failed','46bc0018499f2bbf2febf145ee8ef7bf43d64d848fad261fdf7bba814c104d52','failed',NULL,2,'{"k":"K"}',NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}',NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309786238622662e+09,1.79539309786238622662e+09,1.79539309787581634518e+09);
INSERT INTO "runs" VALUES('01m82w944fe8ff5ap5yk8c4nrb','undone','d6ecf7114fc72a938413ba80916b0943660bdca3715de0893fe78897a8692812','waiting',NULL,4,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309787110829353e+09,1.79539309787110829353e+09,NULL);
INSERT INTO "runs" VALUES('01m82w944ncyj2ja9fw4v31fcr','above','ea4231b90123497205f0e5d523635f041e996ec6d260ed52a564c4a910d9be8b','waiting',NULL,3,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309787711215014e+09,1.79539309787711215014e+09,NULL);
INSERT INTO "runs" VALUES('01m82w944re0vjrc5zvf09zsqt','asked','35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c','waiting',NULL,1,'{}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}','01m82w944ncyj2ja9fw4v31fcr','sub',-1,NULL,NULL,NULL,NULL,'2026-11-23',2,1.7953930978806772232e+09,1.7953930978806772232e+09,NULL);
INSERT INTO "runs" VALUES('01m82w944re0vjrc6033w7kcgb','handed','1ef3f627cdbc7c3b9a3b6ad6b6e61f59333316a7471e18dd89aa31e4b100e308','waiting',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.79539309788095569606e+09,1.79539309788095569606e+09,NULL);
INSERT INTO "runs" VALUES('01m82w944z8y83gvxaje8cyqhx','keyed','17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883','queued',NULL,0,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,'K',NULL,NULL,'2026-11-23',2,1.79539309788728809356e+09,NULL,NULL);
INSERT INTO "runs" VALUES('01m82w964d2j5gmzbnhkvvpfa4','ready','c84d1060a8ea9e655e8a0c5ab0d69fd41611fd6cd337e5219026014f40331a01','running',NULL,1,'{}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-23',2,1.7953930999170525074e+09,1.7953930999170525074e+09,NULL);
CREATE TABLE schedules (
	name TEXT NOT NULL, 
	spec TEXT NOT NULL, 
	next_at FLOAT NOT NULL, 
	fired_for FLOAT, 
	last_run TEXT, 
	away_until FLOAT, 
	held_until FLOAT, 
	PRIMARY KEY (name)
);
CREATE TABLE sync_runs (
	id VARCHAR(40) NOT NULL, 
	sync VARCHAR(100) NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	caller VARCHAR(200) NOT NULL, 
	run_id VARCHAR(40), 
	options TEXT, 
	started_at FLOAT NOT NULL, 
	finished_at FLOAT, 
	read INTEGER DEFAULT '0' NOT NULL, 
	written INTEGER DEFAULT '0' NOT NULL, 
	rejected INTEGER DEFAULT '0' NOT NULL, 
	filtered INTEGER DEFAULT '0' NOT NULL, 
	portions TEXT, 
	cursor_before TEXT, 
	cursor_after TEXT, 
	error TEXT, 
	PRIMARY KEY (id)
);
CREATE TABLE sync_state (
	sync VARCHAR(100) NOT NULL, 
	cursor TEXT, 
	holder VARCHAR(40), 
	held_until FLOAT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (sync)
);
CREATE TABLE taken (
	claim VARCHAR(40) NOT NULL, 
	adapter VARCHAR(200) NOT NULL, 
	body TEXT, 
	taken_at FLOAT NOT NULL, 
	outcome VARCHAR(20), 
	settled_at FLOAT, 
	PRIMARY KEY (claim)
);
CREATE TABLE task_runs (
	run_id TEXT NOT NULL, 
	task TEXT NOT NULL, 
	item INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempt INTEGER DEFAULT '0' NOT NULL, 
	fence INTEGER DEFAULT '0' NOT NULL, 
	owner TEXT, 
	lease_until FLOAT, 
	due_at FLOAT, 
	rings INTEGER DEFAULT '0' NOT NULL, 
	queue TEXT, 
	effect TEXT, 
	step TEXT, 
	intent TEXT, 
	approval TEXT, 
	child TEXT, 
	intent_at FLOAT, 
	call_until FLOAT, 
	first_at FLOAT, 
	started_at FLOAT, 
	finished_at FLOAT, 
	cursor INTEGER, 
	total INTEGER, 
	failed INTEGER, 
	outcome TEXT, 
	error TEXT, 
	done_no INTEGER, 
	PRIMARY KEY (run_id, task, item)
)
 WITHOUT ROWID
;
INSERT INTO "task_runs" VALUES('01m82w94307rwb4kn7ppsahdsd','ask',-1,'approval','waiting',0,0,NULL,NULL,2.1107530978251180648e+09,0,NULL,NULL,NULL,NULL,'01m82w94311wdgdf4hnqcy7hjw',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w943697pt8ypsmwc5041n','do',-1,'tool','waiting',0,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,2.11075309784406518927e+09,1,NULL,NULL,NULL,NULL,'01m82w943m0ptkr4dkzvp5xf4c',NULL,NULL,NULL,1.79539309783026981349e+09,1.79539309783028125768e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w9438cqqyvm6p71zr7d39','look',-1,'tool','delayed',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,1.79539312783977437018e+09,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.79539309783215522762e+09,1.79539309783216595645e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}',NULL);
INSERT INTO "task_runs" VALUES('01m82w943a0nxg4yxfkc9b032e','rest',-1,'wait_s','waiting',0,0,NULL,NULL,1.79539312783459877962e+09,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w943g97fprnzhaq8ew82t','lose',-1,'tool','parked',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,'write',NULL,'01m82w943kd6r6vd8xa05kfdgn',NULL,NULL,1.79539309784396815304e+09,1.79539315784396815304e+09,1.79539309784186458581e+09,1.79539309784187316892e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}',NULL);
INSERT INTO "task_runs" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',-1,'tool','open',0,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,4,6,0,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',0,'tool','succeeded',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,'write',NULL,'01m82w943r9v57ba8tw158y0ck',NULL,NULL,1.79539309784838819507e+09,1.79539315784838819506e+09,1.79539309784487366677e+09,1.79539309784488248828e+09,1.79539309785181307793e+09,NULL,NULL,NULL,'{"n":0}',NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',1,'tool','succeeded',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,'write',NULL,'01m82w943r9v57ba8v8eq5fvp2',NULL,NULL,1.79539309784865665437e+09,1.79539315784865665436e+09,1.79539309784487366677e+09,1.79539309784488248828e+09,1.79539309785052752493e+09,NULL,NULL,NULL,'{"n":1}',NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',2,'tool','delayed',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,1.79539312785174918173e+09,0,NULL,'write',NULL,'01m82w943t9mwhtcgbqa103sk4',NULL,NULL,1.79539309785052180294e+09,1.79539315785052180289e+09,1.79539309785052180294e+09,1.79539309785052752493e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}',NULL);
INSERT INTO "task_runs" VALUES('01m82w943kd6r6vd8wyhg1ff39','all',3,'tool','delayed',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,1.79539312785423207279e+09,0,NULL,'write',NULL,'01m82w943wewny990se1g86h0k',NULL,NULL,1.79539309785180759429e+09,1.79539315785180759424e+09,1.79539309785180759429e+09,1.79539309785181307793e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}',NULL);
INSERT INTO "task_runs" VALUES('01m82w943r9v57ba8trp7r58nt','rest',-1,'wait_s','succeeded',0,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.79539309885013246542e+09,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w943v58z2tv253hh9tna8','ask',-1,'approval','waiting',0,0,NULL,NULL,2.1107530978523914814e+09,0,NULL,NULL,NULL,NULL,'01m82w943wewny990sw77hyyzs',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w943z7s375zpj5zwmsdk1','look',-1,'tool','running',0,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',1.79539312785566926005e+09,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.79539309785566926006e+09,1.79539309785567498204e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w94429pbyf281ygyqk9ph','do',-1,'tool','running',0,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',1.79539312785862040515e+09,NULL,0,NULL,'write',NULL,'01m82w944405dsryv9teptfy1p',NULL,NULL,1.79539309786075806617e+09,1.79539315786075806625e+09,1.7953930978586204052e+09,1.79539309785862636562e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w9443a5s8z3fy8grjjkcr','pay',-1,'tool','succeeded',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,'write',NULL,'01m82w94458kfdkq2g6hqmcwrx',NULL,NULL,1.7953930978617184162e+09,1.79539315786171841619e+09,1.79539309785971021651e+09,1.79539309785971617702e+09,1.79539309786984372131e+09,NULL,NULL,NULL,'{"n":"4711"}',NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w94463j5mnn56mh5k9b03','no',-1,'tool','failed',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,'write',NULL,'01m82w944fe8ff5ap6640q8z21',NULL,NULL,1.79539309787136888499e+09,1.79539315787136888507e+09,1.79539309786690545085e+09,1.79539309786691355708e+09,1.79539309787581634518e+09,NULL,NULL,NULL,NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}',NULL);
INSERT INTO "task_runs" VALUES('01m82w944fe8ff5ap5yk8c4nrb','compensate:pay',-1,'compensation','delayed',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,1.79539312788773107532e+09,0,NULL,'write',NULL,'01m82w944xf4td8dagd6y84p2b',NULL,NULL,1.79539309788546919827e+09,1.79539315788546919826e+09,1.79539309788336014749e+09,1.79539309788336586947e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.undo","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}',NULL);
INSERT INTO "task_runs" VALUES('01m82w944fe8ff5ap5yk8c4nrb','no',-1,'tool','failed',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,'write',NULL,'01m82w944q7cbwwkt4m25qnaff',NULL,NULL,1.79539309787903332712e+09,1.79539315787903332706e+09,1.79539309787903332712e+09,1.79539309787903976437e+09,1.79539309788336586947e+09,NULL,NULL,NULL,NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}',NULL);
INSERT INTO "task_runs" VALUES('01m82w944fe8ff5ap5yk8c4nrb','pay',-1,'tool','succeeded',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,'write',NULL,'01m82w944ncyj2ja9g8zpwdmyx',NULL,NULL,1.79539309787736487385e+09,1.79539315787736487384e+09,1.79539309787456178666e+09,1.79539309787456965441e+09,1.79539309787903976437e+09,NULL,NULL,NULL,'{"n":"01m82w944fe8ff5ap5yk8c4nrb"}',NULL,-2);
INSERT INTO "task_runs" VALUES('01m82w944ncyj2ja9fw4v31fcr','sub',-1,'workflow','child_waits',1,1,'vm:13671:01m82w942d5wcnq2wqf1ek1bvc',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'01m82w944re0vjrc5zvf09zsqt',NULL,NULL,1.79539309787767934799e+09,1.79539309787768602364e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w944re0vjrc5zvf09zsqt','ask',-1,'approval','waiting',0,0,NULL,NULL,2.11075309788150668145e+09,0,NULL,NULL,NULL,NULL,'01m82w944s49tvzjmj315x79vk',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w944re0vjrc6033w7kcgb','think',-1,'agent','waiting',0,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82w964d2j5gmzbnhkvvpfa4','look',-1,'tool','ready',0,0,NULL,NULL,1.79539309991802191737e+09,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE workers (
	id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started_at FLOAT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	queues TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "workers" VALUES('vm:13671:01m82w942d5wcnq2wqf1ek1bvc','vm',13671,1.79539309780542755126e+09,1.79539309781142425535e+09,'["default"]');
CREATE INDEX runs_by_workflow ON runs (workflow, id);
CREATE UNIQUE INDEX runs_key_held ON runs (key_held) WHERE key_held IS NOT NULL;
CREATE INDEX runs_by_key ON runs ("key") WHERE key IS NOT NULL;
CREATE UNIQUE INDEX runs_trigger ON runs (trigger_id) WHERE trigger_id IS NOT NULL;
CREATE INDEX runs_untold ON runs (id) WHERE untold = 1;
CREATE INDEX runs_by_parent ON runs (parent_run) WHERE parent_run IS NOT NULL;
CREATE INDEX runs_live ON runs (state, id) WHERE finished_at IS NULL;
CREATE INDEX task_runs_done ON task_runs (run_id, done_no) WHERE done_no > 0;
CREATE INDEX task_runs_intent ON task_runs (intent) WHERE intent IS NOT NULL;
CREATE INDEX task_runs_approval ON task_runs (approval) WHERE approval IS NOT NULL;
CREATE INDEX task_runs_lease ON task_runs (lease_until) WHERE state = 'running';
CREATE INDEX task_runs_ready_on ON task_runs (coalesce(queue, ''), due_at) WHERE state = 'ready';
CREATE INDEX task_runs_waiting ON task_runs (due_at) WHERE state = 'waiting';
CREATE INDEX task_runs_parked ON task_runs (run_id) WHERE state = 'parked';
CREATE INDEX task_runs_delayed ON task_runs (due_at) WHERE state = 'delayed';
CREATE INDEX task_runs_ready ON task_runs (due_at) WHERE state = 'ready';
CREATE INDEX task_runs_live ON task_runs (run_id, state) WHERE item >= 0 AND state IN ('ready', 'delayed', 'running', 'waiting', 'held', 'parked', 'child', 'child_waits', 'child_parked');
CREATE UNIQUE INDEX events_seq ON events (seq) WHERE seq IS NOT NULL;
CREATE INDEX events_by_run ON events (run_id, id);
CREATE INDEX events_unnumbered ON events (id) WHERE seq IS NULL AND id < 0;
CREATE UNIQUE INDEX registrations_current ON registrations (kind, id) WHERE current;
CREATE UNIQUE INDEX registrations_version ON registrations (kind, id, version);
CREATE INDEX claims_by_run ON claims (run_id);
CREATE INDEX ledger_unknown ON ledger (probe_at) WHERE state = 'unknown';
CREATE INDEX ledger_dead ON ledger (id) WHERE dead = 1;
CREATE INDEX ledger_run ON ledger (run_id);
CREATE INDEX ledger_intent ON ledger (expires_at) WHERE state = 'intent';
CREATE UNIQUE INDEX ledger_key ON ledger (tool, "key") WHERE key IS NOT NULL AND state IN ('intent', 'done', 'unknown');
CREATE INDEX approvals_waiting ON approvals (expires_at) WHERE state = 'waiting';
CREATE INDEX approvals_task ON approvals (run_id, task, item);
CREATE INDEX assignments_run ON assignments (run_id);
CREATE INDEX assignments_open ON assignments (agent, id) WHERE state = 'open';
CREATE INDEX http_answers_until ON http_answers (until);
CREATE INDEX sync_runs_by_sync ON sync_runs (sync, id);
CREATE INDEX taken_settled ON taken (settled_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',76);
COMMIT;
