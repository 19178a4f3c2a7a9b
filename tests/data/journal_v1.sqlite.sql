BEGIN TRANSACTION;
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
INSERT INTO "approvals" VALUES('01m82kdm400hfapcvvmsae402f','01m82kdm3zbafayzfn3pwt8qc5','ask',NULL,NULL,'asked: ask','cli:me',NULL,NULL,'[]','waiting',1.79538380812854790691e+09,2.11074380812854790691e+09,NULL,NULL,NULL);
INSERT INTO "approvals" VALUES('01m82kdm57d81h4ynnk5p0kzrj','01m82kdm4f5nzctk7gtr1xa415','do',NULL,'sys.guarded',NULL,'cli:me','{"n":"01m82kdm4f5nzctk7gtr1xa415"}','95055709bcb92592349632ff0755330d374fe17b5d7e9780a16a52c5ceaea5be','[]','waiting',1.79538380816701960557e+09,2.11074380816701960561e+09,NULL,NULL,NULL);
INSERT INTO "approvals" VALUES('01m82kdm6gdrrgx8sxg8fbmb01','01m82kdm6gdrrgx8sx6eg163cm','ask',NULL,NULL,'keyed: ask','cli:me',NULL,NULL,'[]','waiting',1.79538380820888018611e+09,2.11074380820888018615e+09,NULL,NULL,NULL);
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
INSERT INTO "attempts" VALUES('01m82kdm4f5nzctk7gtr1xa415','do',-1,1,0,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','waiting',NULL,NULL,1.79538380814377069479e+09,1.7953838081670186519e+09);
INSERT INTO "attempts" VALUES('01m82kdm4m3zn2vswvw95n58h0','look',-1,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','delayed','{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795383808.160174}',1.79538380814829707145e+09,1.79538380816795039175e+09);
INSERT INTO "attempts" VALUES('01m82kdm5j5zx9tee560mhdzyk','lose',-1,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','parked','{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}','{"left_at":1795383808.1865444}',1.79538380817889022824e+09,1.79538380818768477436e+09);
INSERT INTO "attempts" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',0,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','succeeded',NULL,'{"left_at":1795383808.1931803}',1.7953838081867611408e+09,1.79538380819336557386e+09);
INSERT INTO "attempts" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',1,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','succeeded',NULL,'{"left_at":1795383808.1983366}',1.7953838081867611408e+09,1.79538380820250368123e+09);
INSERT INTO "attempts" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',2,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','delayed','{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795383808.2075443}',1.79538380819336557386e+09,1.7953838082085189819e+09);
INSERT INTO "attempts" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',3,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','delayed','{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795383808.2083936}',1.79538380820250368123e+09,1.79538380820968389512e+09);
INSERT INTO "attempts" VALUES('01m82kdm7249tgav06nrpsn6q8','pay',-1,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','succeeded',NULL,'{"left_at":1795383808.2382975}',1.79538380822672533985e+09,1.79538380823845863344e+09);
INSERT INTO "attempts" VALUES('01m82kdm741fa5cnsxe4tcdg8f','no',-1,1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk','failed','{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}','{"left_at":1795383808.2507582}',1.79538380823609089852e+09,1.7953838082509391308e+09);
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
INSERT INTO "events" VALUES(1,NULL,'01m82kdm3zbafayzfn3pwt8qc5','run.started',NULL,NULL,NULL,1.79538380812856698037e+09);
INSERT INTO "events" VALUES(2,NULL,'01m82kdm3zbafayzfn3pwt8qc5','task.waiting','ask',NULL,NULL,1.79538380813410544398e+09);
INSERT INTO "events" VALUES(3,NULL,'01m82kdm3zbafayzfn3pwt8qc5','approval.asked','ask',NULL,'{"approval":"01m82kdm400hfapcvvmsae402f"}',1.79538380813414406777e+09);
INSERT INTO "events" VALUES(4,NULL,'01m82kdm3zbafayzfn3pwt8qc5','run.waiting',NULL,NULL,NULL,1.79538380813417267796e+09);
INSERT INTO "events" VALUES(5,NULL,'01m82kdm4f5nzctk7gtr1xa415','run.started',NULL,NULL,NULL,1.79538380814377784722e+09);
INSERT INTO "events" VALUES(6,NULL,'01m82kdm4f5nzctk7gtr1xa415','task.started','do',NULL,'{"attempt":1}',1.79538380814425015444e+09);
INSERT INTO "events" VALUES(7,NULL,'01m82kdm4m3zn2vswvw95n58h0','run.started',NULL,NULL,NULL,1.79538380814830183986e+09);
INSERT INTO "events" VALUES(8,NULL,'01m82kdm4m3zn2vswvw95n58h0','task.started','look',NULL,'{"attempt":1}',1.79538380814839839934e+09);
INSERT INTO "events" VALUES(9,NULL,'01m82kdm4f5nzctk7gtr1xa415','task.waiting','do',NULL,'{"attempt":0}',1.7953838081678133011e+09);
INSERT INTO "events" VALUES(10,NULL,'01m82kdm4f5nzctk7gtr1xa415','approval.asked','do',NULL,'{"approval":"01m82kdm57d81h4ynnk5p0kzrj"}',1.79538380816781544683e+09);
INSERT INTO "events" VALUES(11,NULL,'01m82kdm4f5nzctk7gtr1xa415','run.waiting',NULL,NULL,NULL,1.79538380816786670686e+09);
INSERT INTO "events" VALUES(12,NULL,'01m82kdm4m3zn2vswvw95n58h0','task.retry','look',NULL,'{"attempt":1,"error":{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.992}',1.7953838081679937839e+09);
INSERT INTO "events" VALUES(13,NULL,'01m82kdm4m3zn2vswvw95n58h0','run.waiting',NULL,NULL,NULL,1.79538380816801953314e+09);
INSERT INTO "events" VALUES(14,NULL,'01m82kdm503r4qtn22956hng11','run.started',NULL,NULL,NULL,1.79538380816812658305e+09);
INSERT INTO "events" VALUES(15,NULL,'01m82kdm503r4qtn22956hng11','task.waiting','rest',NULL,NULL,1.79538380816817450522e+09);
INSERT INTO "events" VALUES(16,NULL,'01m82kdm503r4qtn22956hng11','run.waiting',NULL,NULL,NULL,1.79538380816819429395e+09);
INSERT INTO "events" VALUES(17,NULL,'01m82kdm5j5zx9tee560mhdzyk','run.started',NULL,NULL,NULL,1.79538380817889499669e+09);
INSERT INTO "events" VALUES(18,NULL,'01m82kdm5j5zx9tee560mhdzyk','task.started','lose',NULL,'{"attempt":1}',1.79538380817898082734e+09);
INSERT INTO "events" VALUES(19,NULL,'01m82kdm5r3bg9xrvnptk19zrb','run.started',NULL,NULL,NULL,1.79538380818676662452e+09);
INSERT INTO "events" VALUES(20,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.started','all',NULL,'{"items":6}',1.79538380818733787533e+09);
INSERT INTO "events" VALUES(21,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.started','all',0,'{"attempt":1}',1.79538380818748140332e+09);
INSERT INTO "events" VALUES(22,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.started','all',1,'{"attempt":1}',1.79538380818752193448e+09);
INSERT INTO "events" VALUES(23,NULL,'01m82kdm5j5zx9tee560mhdzyk','task.parked','lose',NULL,'{"attempt":1,"error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}',1.79538380818784308436e+09);
INSERT INTO "events" VALUES(24,NULL,'01m82kdm5j5zx9tee560mhdzyk','dead.parked','lose',NULL,'{"entry":"01m82kdm5pcvynftwx3bg7hv5m","error":{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}}',1.7953838081878445149e+09);
INSERT INTO "events" VALUES(25,NULL,'01m82kdm5j5zx9tee560mhdzyk','run.parked',NULL,NULL,NULL,1.79538380818786525729e+09);
INSERT INTO "events" VALUES(26,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.succeeded','all',0,'{"attempt":1}',1.79538380819344711302e+09);
INSERT INTO "events" VALUES(27,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.started','all',2,'{"attempt":1}',1.79538380819354701041e+09);
INSERT INTO "events" VALUES(28,NULL,'01m82kdm62bn0565ecf75q01w7','run.started',NULL,NULL,NULL,1.79538380820235443117e+09);
INSERT INTO "events" VALUES(29,NULL,'01m82kdm62bn0565ecf75q01w7','task.waiting','rest',NULL,NULL,1.79538380820241761206e+09);
INSERT INTO "events" VALUES(30,NULL,'01m82kdm62bn0565ecf75q01w7','run.waiting',NULL,NULL,NULL,1.79538380820244264607e+09);
INSERT INTO "events" VALUES(31,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.succeeded','all',1,'{"attempt":1}',1.79538380820257568361e+09);
INSERT INTO "events" VALUES(32,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.started','all',3,'{"attempt":1}',1.79538380820265269276e+09);
INSERT INTO "events" VALUES(33,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.retry','all',2,'{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.999}',1.79538380820861792567e+09);
INSERT INTO "events" VALUES(34,NULL,'01m82kdm6gdrrgx8sx6eg163cm','run.started',NULL,NULL,NULL,1.79538380820888662336e+09);
INSERT INTO "events" VALUES(35,NULL,'01m82kdm6gdrrgx8sx6eg163cm','task.waiting','ask',NULL,NULL,1.79538380820945596698e+09);
INSERT INTO "events" VALUES(36,NULL,'01m82kdm6gdrrgx8sx6eg163cm','approval.asked','ask',NULL,'{"approval":"01m82kdm6gdrrgx8sxg8fbmb01"}',1.79538380820947027207e+09);
INSERT INTO "events" VALUES(37,NULL,'01m82kdm6gdrrgx8sx6eg163cm','run.waiting',NULL,NULL,NULL,1.79538380820948362346e+09);
INSERT INTO "events" VALUES(38,NULL,'01m82kdm5r3bg9xrvnptk19zrb','task.retry','all',3,'{"attempt":1,"error":{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"},"in_s":29.999}',1.79538380820975017543e+09);
INSERT INTO "events" VALUES(39,NULL,'01m82kdm5r3bg9xrvnptk19zrb','run.waiting',NULL,NULL,NULL,1.79538380820977473261e+09);
INSERT INTO "events" VALUES(40,NULL,'01m82kdm6s7ddsv7qxjyn5dwpb','run.started',NULL,NULL,NULL,1.79538380821747970577e+09);
INSERT INTO "events" VALUES(41,NULL,'01m82kdm6s7ddsv7qxjyn5dwpb','task.started','look',NULL,'{"attempt":1}',1.79538380821755552295e+09);
INSERT INTO "events" VALUES(42,NULL,'01m82kdm6v1qmr2q1ftqbt0p7t','run.started',NULL,NULL,NULL,1.7953838082199404239e+09);
INSERT INTO "events" VALUES(43,NULL,'01m82kdm6v1qmr2q1ftqbt0p7t','task.started','do',NULL,'{"attempt":1}',1.79538380822016501421e+09);
INSERT INTO "events" VALUES(44,NULL,'01m82kdm7249tgav06nrpsn6q8','run.started',NULL,NULL,NULL,1.79538380822672867772e+09);
INSERT INTO "events" VALUES(45,NULL,'01m82kdm7249tgav06nrpsn6q8','task.started','pay',NULL,'{"attempt":1}',1.79538380822679543495e+09);
INSERT INTO "events" VALUES(46,NULL,'01m82kdm741fa5cnsxe4tcdg8f','run.started',NULL,NULL,NULL,1.79538380823609519006e+09);
INSERT INTO "events" VALUES(47,NULL,'01m82kdm741fa5cnsxe4tcdg8f','task.started','no',NULL,'{"attempt":1}',1.79538380823617053027e+09);
INSERT INTO "events" VALUES(48,NULL,'01m82kdm7249tgav06nrpsn6q8','task.succeeded','pay',NULL,'{"attempt":1}',1.7953838082385706902e+09);
INSERT INTO "events" VALUES(49,NULL,'01m82kdm7249tgav06nrpsn6q8','run.succeeded',NULL,NULL,NULL,1.79538380823862266542e+09);
INSERT INTO "events" VALUES(50,NULL,'01m82kdm62bn0565ecf75q01w7','run.pausing',NULL,NULL,'{"by":"cli:me","reason":null}',1.79538380824338197712e+09);
INSERT INTO "events" VALUES(51,NULL,'01m82kdm62bn0565ecf75q01w7','run.paused',NULL,NULL,NULL,1.79538380824339461327e+09);
INSERT INTO "events" VALUES(52,NULL,'01m82kdm741fa5cnsxe4tcdg8f','task.failed','no',NULL,'{"attempt":1,"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}}',1.79538380825102519985e+09);
INSERT INTO "events" VALUES(53,NULL,'01m82kdm741fa5cnsxe4tcdg8f','run.failed',NULL,NULL,'{"error":{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}}',1.79538380825137066842e+09);
INSERT INTO "events" VALUES(54,NULL,'01m82kdm7w5rj2ngyp1ax9khh0','run.queued',NULL,NULL,'{"key":"K"}',1.79538380825466823581e+09);
INSERT INTO "events" VALUES(55,NULL,'01m82kdm62bn0565ecf75q01w7','task.succeeded','rest',NULL,NULL,1.79538380920307111742e+09);
INSERT INTO "events" VALUES(56,NULL,'01m82kdsd970wk9mqyqd76vf24','run.started',NULL,NULL,NULL,1.79538381355072522169e+09);
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
CREATE TABLE items (
	run_id TEXT NOT NULL, 
	task TEXT NOT NULL, 
	item INTEGER NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (run_id, task, item)
)
 WITHOUT ROWID
;
INSERT INTO "items" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',0,'0');
INSERT INTO "items" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',1,'1');
INSERT INTO "items" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',2,'2');
INSERT INTO "items" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',3,'3');
INSERT INTO "items" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',4,'4');
INSERT INTO "items" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',5,'5');
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
	PRIMARY KEY (id)
);
INSERT INTO "ledger" VALUES('01m82kdm5pcvynftwx3bg7hv5m','sys.lose','write','cli:me','01m82kdm5j5zx9tee560mhdzyk','lose',NULL,NULL,'bd1fac1ff23b4904900540f65d370681d862bacddd8ee11c58eb539ac18352c9','{"n":"01m82kdm5j5zx9tee560mhdzyk"}','unknown',1,1.79538380818280601499e+09,1.79538395818280601496e+09,1.7953838081876862049e+09,NULL,'{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}','{"left_at":1795383808.1865444}',NULL,NULL,NULL,NULL,0);
INSERT INTO "ledger" VALUES('01m82kdm604tbcvc67pcdr6q51','sys.item','write','cli:me','01m82kdm5r3bg9xrvnptk19zrb','all',0,NULL,'f3013f933b9fb80ab6d995e7ad9da36f683837ba1d81e950c943d40111eac2f0','{"n":0}','done',1,1.79538380819253301622e+09,1.7953839581925330162e+09,1.79538380819336605069e+09,'{"n":0}',NULL,'{"left_at":1795383808.1931803}',NULL,NULL,NULL,NULL,0);
INSERT INTO "ledger" VALUES('01m82kdm612a388sdce7ym444r','sys.item','write','cli:me','01m82kdm5r3bg9xrvnptk19zrb','all',1,NULL,'2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd','{"n":1}','done',1,1.79538380819301438334e+09,1.79538395819301438332e+09,1.79538380820250511172e+09,'{"n":1}',NULL,'{"left_at":1795383808.1983366}',NULL,NULL,NULL,NULL,0);
INSERT INTO "ledger" VALUES('01m82kdm664h5j7mwzm1jrfgyd','sys.item','write','cli:me','01m82kdm5r3bg9xrvnptk19zrb','all',2,NULL,'363379742f80b51bdb9206579af7754911543079b9399cb3fc315fb199f476e8','{"n":2}','unavailable',1,1.79538380819862651823e+09,1.79538395819862651829e+09,1.79538380820851945873e+09,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795383808.2075443}',NULL,NULL,NULL,NULL,0);
INSERT INTO "ledger" VALUES('01m82kdm6efr2mha1hr1sg8y9h','sys.item','write','cli:me','01m82kdm5r3bg9xrvnptk19zrb','all',3,NULL,'215ddd5567ca2590efd4ea109b4e56cbe591e2676fbf54a9262692c539166da6','{"n":3}','unavailable',1,1.79538380820692777635e+09,1.79538395820692777632e+09,1.79538380820968413355e+09,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}','{"left_at":1795383808.2083936}',NULL,NULL,NULL,NULL,0);
INSERT INTO "ledger" VALUES('01m82kdm733d1ana9kj4djgd19','sys.hang_write','write','cli:me','01m82kdm6v1qmr2q1ftqbt0p7t','do',NULL,NULL,'d5b6dd69b1c2081501247c5c7923f4338e12845759e6fd52f445d84874884e84','{"n":"01m82kdm6v1qmr2q1ftqbt0p7t"}','intent',1,1.79538380822722077366e+09,1.79538395822722077373e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "ledger" VALUES('01m82kdm741fa5cnsx737qj22k','sys.pay','write','cli:me','01m82kdm7249tgav06nrpsn6q8','pay',NULL,'4711','ce783ca092e0f037c1180d50ba361f3b60f4a1d16fc9e8b3da4d1dcde348f61e','{"n":"4711"}','done',1,1.79538380822851490977e+09,1.79538395822851490975e+09,1.79538380823846054077e+09,'{"n":"4711"}',NULL,'{"left_at":1795383808.2382975}',NULL,NULL,NULL,NULL,0);
INSERT INTO "ledger" VALUES('01m82kdm7fd6647tacrpq06xe2','sys.refuse','write','cli:me','01m82kdm741fa5cnsxe4tcdg8f','no',NULL,NULL,'120f7e3138aa0d072e85534c1477b4e17acbacf4fd06b07d9592908da40bc275','{"n":"01m82kdm741fa5cnsxe4tcdg8f"}','rejected',1,1.79538380823964500423e+09,1.79538395823964500429e+09,1.79538380825094032286e+09,NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}','{"left_at":1795383808.2507582}',NULL,NULL,NULL,NULL,0);
CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('version','1');
INSERT INTO "meta" VALUES('clock:b2adbf8e-02f7-42dc-83cd-47e6baf9a91d','1795368802.3901868');
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
INSERT INTO "runs" VALUES('01m82kdm3zbafayzfn3pwt8qc5','asked','35a7ab2ccadd6338a10f1de91aa3ddb5c4bd6ee17978396ca884c7e8d46ff19c','waiting',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380812766289714e+09,1.79538380812766289714e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm4f5nzctk7gtr1xa415','guarded','d52f612dc98c618c1db81b7df0aa029cace33919c7bd036eeb5965553af91994','waiting',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380814361810686e+09,1.79538380814361810686e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm4m3zn2vswvw95n58h0','delayed','98250db5ca7c2be401a25c0f52c37fca79c7703ec889099909cd2b621ae348a4','waiting',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380814816355703e+09,1.79538380814816355703e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm503r4qtn22956hng11','timed','fe4b67f8f22eee4a78ca17a26f062bf2479ed32c304e07bd8fc4c3a7987b356d','waiting',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380816089272501e+09,1.79538380816089272501e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm5j5zx9tee560mhdzyk','parked','db692a8e2e0f0eeb53dc5dd03b785f069ef3dc3eac1e18a55380a627b6e4d71b','parked',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380817876553532e+09,1.79538380817876553532e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm5r3bg9xrvnptk19zrb','each','67970af9872767c9a68ff37835ef1d4b77945cd4ad91fd4cca66fbccb4d4c3d8','waiting',NULL,5,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380818431234356e+09,1.79538380818431234356e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm62bn0565ecf75q01w7','paused','409f3fe0b0779fd95c5177439070c329e0ae606e336babb419e19e6206b44118','paused','pause',3,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.7953838081942756176e+09,1.7953838081942756176e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm6gdrrgx8sx6eg163cm','keyed','17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883','waiting',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,'K','keyedK',NULL,'2026-11-22',1,1.79538380820830869677e+09,1.79538380820830869677e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm6s7ddsv7qxjyn5dwpb','reading','62f2565cdfd2601f3b0843fc0f10008b066def9a15d0a213ed3b62b21b7b196e','running',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380821738338469e+09,1.79538380821738338469e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm6v1qmr2q1ftqbt0p7t','writing','8e4bec2c7add89a539dda54bf7a20e30ece48723e008a578bc9b913d6f079508','running',NULL,1,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.7953838082197346687e+09,1.7953838082197346687e+09,NULL);
INSERT INTO "runs" VALUES('01m82kdm7249tgav06nrpsn6q8','done','8fb100b2a411a2f7368e062e170f0db2881b246af91245d4ff114ce78ba6fc7a','succeeded',NULL,2,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.7953838082266306877e+09,1.7953838082266306877e+09,1.79538380823845863344e+09);
INSERT INTO "runs" VALUES('01m82kdm741fa5cnsxe4tcdg8f','failed','46bc0018499f2bbf2febf145ee8ef7bf43d64d848fad261fdf7bba814c104d52','failed',NULL,2,'{"k":"K"}',NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no","task":"no"}',NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538380822883963583e+09,1.79538380822883963583e+09,1.7953838082509391308e+09);
INSERT INTO "runs" VALUES('01m82kdm7w5rj2ngyp1ax9khh0','keyed','17103dc72d7cbe47c09a975d52c3dbc68702dea66bc56c2676af8cdd75268883','queued',NULL,0,'{"k":"K"}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,'K',NULL,NULL,'2026-11-22',1,1.79538380825198340415e+09,NULL,NULL);
INSERT INTO "runs" VALUES('01m82kdsd970wk9mqyqd76vf24','ready','c84d1060a8ea9e655e8a0c5ab0d69fd41611fd6cd337e5219026014f40331a01','running',NULL,1,'{}',NULL,NULL,NULL,'{"name":"cli:me","kind":"cli","tools":["*"],"scopes":["administer","approve","operate","read","run"],"approval":[],"claims":{}}',NULL,NULL,NULL,NULL,NULL,'2026-11-22',1,1.79538381354539918898e+09,1.79538381354539918898e+09,NULL);
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
	PRIMARY KEY (run_id, task, item)
)
 WITHOUT ROWID
;
INSERT INTO "task_runs" VALUES('01m82kdm3zbafayzfn3pwt8qc5','ask',-1,'approval','waiting',0,0,NULL,NULL,2.11074380812854790691e+09,0,NULL,NULL,NULL,NULL,'01m82kdm400hfapcvvmsae402f',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm4f5nzctk7gtr1xa415','do',-1,'tool','waiting',0,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,2.11074380816701960561e+09,1,NULL,NULL,NULL,NULL,'01m82kdm57d81h4ynnk5p0kzrj',NULL,NULL,1.79538380814376354217e+09,1.79538380814377069479e+09,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm4m3zn2vswvw95n58h0','look',-1,'tool','delayed',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,1.79538383816028285027e+09,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1795383808.14829,1.79538380814829707145e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.flaky","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}');
INSERT INTO "task_runs" VALUES('01m82kdm503r4qtn22956hng11','rest',-1,'wait_s','waiting',0,0,NULL,NULL,1.79538383816812038415e+09,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm5j5zx9tee560mhdzyk','lose',-1,'tool','parked',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,NULL,0,NULL,'write',NULL,'01m82kdm5pcvynftwx3bg7hv5m',NULL,1.79538380818280601499e+09,1.79538386818280601498e+09,1.79538380817888474465e+09,1.79538380817889022824e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.lose","kind":"unknown","message":"the answer was lost","happened":"unknown"}');
INSERT INTO "task_runs" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',-1,'tool','open',0,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,4,6,0,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',0,'tool','succeeded',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,NULL,0,NULL,'write',NULL,'01m82kdm604tbcvc67pcdr6q51',NULL,1.79538380819253301622e+09,1.79538386819253301617e+09,1.79538380818675446506e+09,1.7953838081867611408e+09,1.79538380819336557386e+09,NULL,NULL,NULL,'{"n":0}',NULL);
INSERT INTO "task_runs" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',1,'tool','succeeded',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,NULL,0,NULL,'write',NULL,'01m82kdm612a388sdce7ym444r',NULL,1.79538380819301438334e+09,1.79538386819301438329e+09,1.79538380818675446506e+09,1.7953838081867611408e+09,1.79538380820250368123e+09,NULL,NULL,NULL,'{"n":1}',NULL);
INSERT INTO "task_runs" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',2,'tool','delayed',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,1.79538383820763468743e+09,0,NULL,'write',NULL,'01m82kdm664h5j7mwzm1jrfgyd',NULL,1.79538380819862651823e+09,1.79538386819862651831e+09,1.7953838081933617592e+09,1.79538380819336557386e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}');
INSERT INTO "task_runs" VALUES('01m82kdm5r3bg9xrvnptk19zrb','all',3,'tool','delayed',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,1.79538383820845913888e+09,0,NULL,'write',NULL,'01m82kdm6efr2mha1hr1sg8y9h',NULL,1.79538380820692777635e+09,1.79538386820692777629e+09,1.79538380820250034327e+09,1.79538380820250368123e+09,NULL,NULL,NULL,NULL,NULL,'{"tool":"sys.item","next":"drawbar check sys tries its connection step by step","kind":"unavailable","message":"away","happened":"no"}');
INSERT INTO "task_runs" VALUES('01m82kdm62bn0565ecf75q01w7','rest',-1,'wait_s','succeeded',0,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.7953838092029795647e+09,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm6gdrrgx8sx6eg163cm','ask',-1,'approval','waiting',0,0,NULL,NULL,2.11074380820888018615e+09,0,NULL,NULL,NULL,NULL,'01m82kdm6gdrrgx8sxg8fbmb01',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm6s7ddsv7qxjyn5dwpb','look',-1,'tool','running',0,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',1.7953838382174737453e+09,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.79538380821747374539e+09,1.79538380821747732161e+09,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm6v1qmr2q1ftqbt0p7t','do',-1,'tool','running',0,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',1.79538383821993374821e+09,NULL,0,NULL,'write',NULL,'01m82kdm733d1ana9kj4djgd19',NULL,1.79538380822722077366e+09,1.79538386822722077374e+09,1.79538380821993374825e+09,1.79538380821993780135e+09,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_runs" VALUES('01m82kdm7249tgav06nrpsn6q8','pay',-1,'tool','succeeded',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,NULL,0,NULL,'write',NULL,'01m82kdm741fa5cnsx737qj22k',NULL,1.79538380822851490977e+09,1.79538386822851490972e+09,1.7953838082267210484e+09,1.79538380822672533985e+09,1.79538380823845863344e+09,NULL,NULL,NULL,'{"n":"4711"}',NULL);
INSERT INTO "task_runs" VALUES('01m82kdm741fa5cnsxe4tcdg8f','no',-1,'tool','failed',1,1,'vm:14113:01m82kdm3p7bmn3q9wj86ew5vk',NULL,NULL,0,NULL,'write',NULL,'01m82kdm7fd6647tacrpq06xe2',NULL,1.79538380823964500423e+09,1.79538386823964500431e+09,1.79538380823608517645e+09,1.79538380823609089852e+09,1.7953838082509391308e+09,NULL,NULL,NULL,NULL,'{"tool":"sys.refuse","kind":"rejected","message":"never","happened":"no"}');
INSERT INTO "task_runs" VALUES('01m82kdsd970wk9mqyqd76vf24','look',-1,'tool','ready',0,0,NULL,NULL,1.79538381355069732664e+09,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE workers (
	id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started_at FLOAT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX runs_key_held ON runs (key_held) WHERE key_held IS NOT NULL;
CREATE INDEX runs_live ON runs (state, id) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX runs_trigger ON runs (trigger_id) WHERE trigger_id IS NOT NULL;
CREATE INDEX runs_by_workflow ON runs (workflow, id);
CREATE INDEX runs_by_key ON runs ("key") WHERE key IS NOT NULL;
CREATE INDEX task_runs_delayed ON task_runs (due_at) WHERE state = 'delayed';
CREATE INDEX task_runs_parked ON task_runs (run_id) WHERE state = 'parked';
CREATE INDEX task_runs_approval ON task_runs (approval) WHERE approval IS NOT NULL;
CREATE INDEX task_runs_waiting ON task_runs (due_at) WHERE state = 'waiting';
CREATE INDEX task_runs_intent ON task_runs (intent) WHERE intent IS NOT NULL;
CREATE INDEX task_runs_ready ON task_runs (due_at) WHERE state = 'ready';
CREATE INDEX task_runs_lease ON task_runs (lease_until) WHERE state = 'running';
CREATE UNIQUE INDEX events_seq ON events (seq) WHERE seq IS NOT NULL;
CREATE INDEX events_unnumbered ON events (id) WHERE seq IS NULL AND id < 0;
CREATE INDEX events_by_run ON events (run_id, id);
CREATE INDEX ledger_intent ON ledger (expires_at) WHERE state = 'intent';
CREATE INDEX ledger_unknown ON ledger (probe_at) WHERE state = 'unknown';
CREATE UNIQUE INDEX ledger_key ON ledger (tool, "key") WHERE key IS NOT NULL AND state IN ('intent', 'done', 'unknown');
CREATE INDEX ledger_run ON ledger (run_id);
CREATE INDEX approvals_waiting ON approvals (expires_at) WHERE state = 'waiting';
CREATE INDEX approvals_task ON approvals (run_id, task, item);
CREATE UNIQUE INDEX registrations_version ON registrations (kind, id, version);
CREATE UNIQUE INDEX registrations_current ON registrations (kind, id) WHERE current;
CREATE INDEX sync_runs_by_sync ON sync_runs (sync, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',56);
COMMIT;
