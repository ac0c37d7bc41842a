PRAGMA application_id = 1953459054;
PRAGMA user_version = 5;
BEGIN TRANSACTION;
CREATE TABLE corrections (
    key TEXT NOT NULL REFERENCES usage_records (key),
    scenario TEXT NOT NULL,
    made_ns INTEGER NOT NULL,
    before_femto, cost_femto, cost_currency TEXT, cost_status TEXT, cost_method TEXT, cost_lines TEXT,
    price_id TEXT, price_catalog TEXT, price_catalog_version TEXT NOT NULL DEFAULT '',
    price_effective_date TEXT, price_tier TEXT,
    PRIMARY KEY (key, scenario, price_catalog_version)
);
CREATE TABLE losses (
    at_ns INTEGER NOT NULL,
    cause TEXT NOT NULL,
    records INTEGER NOT NULL,
    process_id INTEGER, service TEXT, run TEXT
);
INSERT INTO "losses" VALUES(1793534400000000000,'outbox_full',7,NULL,NULL,NULL);
CREATE TABLE overflows (
    label TEXT NOT NULL,
    operations INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    since_ns INTEGER NOT NULL,
    process_id INTEGER NOT NULL, service TEXT, run TEXT,
    PRIMARY KEY (label, process_id, since_ns)
);
CREATE TABLE usage_records (
    key TEXT NOT NULL PRIMARY KEY,
    started_ns INTEGER NOT NULL,
    duration_seconds REAL,
    provider TEXT, operation TEXT,
    request_model TEXT, response_model TEXT, response_id TEXT,
    service_tier TEXT, stream INTEGER,
    buckets TEXT NOT NULL DEFAULT '{}',
    usage_source TEXT, usage_estimator TEXT, usage_flags TEXT,
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    cost_femto, cost_currency TEXT, cost_status TEXT, cost_method TEXT, cost_source TEXT,
    cost_bound TEXT, cost_unpriced_reason TEXT, cost_assumption TEXT, cost_lines TEXT,
    price_id TEXT, price_catalog TEXT, price_catalog_version TEXT, price_effective_date TEXT, price_tier TEXT,
    attempts INTEGER, possibly_billed INTEGER, outcome TEXT, error_type TEXT, status_code INTEGER,
    team TEXT, project TEXT, feature TEXT, cost_center TEXT, tenant TEXT, user TEXT, session TEXT,
    tags TEXT NOT NULL DEFAULT '{}',
    server_address TEXT, server_port INTEGER,
    trace_id TEXT, span_id TEXT,
    service TEXT, run TEXT, process_id INTEGER, sequence INTEGER
, cost_list_femto, cost_contracted_femto, claimed TEXT);
INSERT INTO "usage_records" VALUES('anthropic:a',1793534400000000000,1.5,'anthropic','chat','claude-sonnet-4-6','claude-sonnet-4-6','a','default',0,'{"input":100,"cache_read":50,"cache_write.5m":7,"cache_write.1h":3,"output":20,"reasoning":5}','provider',NULL,NULL,100,50,10,20,5,161070000000000000,'USD','complete','catalog','local',NULL,NULL,NULL,'[["input","input",10,250000000000000,1000000,161070000000000000]]','openai:gpt-5.4-mini','cards','1','2026-01-01','standard',1,NULL,'success',NULL,200,'support',NULL,NULL,NULL,NULL,NULL,NULL,'{}','api.openai.com',NULL,NULL,NULL,'support-bot',NULL,1,1,NULL,NULL,NULL);
INSERT INTO "usage_records" VALUES('openai:b',1793534400000000000,1.5,'openai','chat','gpt-5.4-mini','gpt-5.4-mini-2026-03-01','b','default',0,'{"input":100,"cache_read":50,"cache_write.5m":7,"cache_write.1h":3,"output":20,"reasoning":5}','provider',NULL,NULL,100,50,10,20,5,4200000000000,'USD','complete','catalog','local',NULL,NULL,NULL,'[["input","input",10,250000000000000,1000000,4200000000000]]','openai:gpt-5.4-mini','cards','1','2026-01-01','standard',1,NULL,'success',NULL,200,'search',NULL,NULL,NULL,NULL,NULL,NULL,'{}','api.openai.com',NULL,NULL,NULL,NULL,NULL,1,2,NULL,NULL,NULL);
INSERT INTO "usage_records" VALUES('openai:c',1793534400000000000,1.5,'openai','chat','gpt-5.4-mini','acme-large','c','default',0,'{"input":100,"cache_read":50,"cache_write.5m":7,"cache_write.1h":3,"output":20,"reasoning":5}','provider',NULL,NULL,100,50,10,20,5,NULL,NULL,'unpriced',NULL,NULL,NULL,'unknown_model',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,'success',NULL,200,'search',NULL,NULL,NULL,NULL,NULL,NULL,'{}','api.openai.com',NULL,NULL,NULL,NULL,NULL,1,3,NULL,NULL,NULL);
CREATE INDEX usage_records_started ON usage_records (started_ns);
CREATE INDEX usage_records_run ON usage_records (run) WHERE run IS NOT NULL;
COMMIT;
