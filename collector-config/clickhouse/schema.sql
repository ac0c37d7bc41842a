-- The ledger in ClickHouse 25.8 or newer. Run it once; backend-clickhouse.yaml writes into it (create_schema: false).
-- Money is Decimal(38, 15): whole femto-units, as the library reckons it.

CREATE DATABASE IF NOT EXISTS tokenomics;

-- What the collector's exporter inserts into. Nothing is kept here.
CREATE TABLE IF NOT EXISTS tokenomics.otel_logs (
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    TraceFlags UInt8,
    SeverityText LowCardinality(String),
    SeverityNumber UInt8,
    ServiceName LowCardinality(String),
    Body String,
    ResourceSchemaUrl LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String),
    ScopeSchemaUrl LowCardinality(String),
    ScopeName String,
    ScopeVersion LowCardinality(String),
    ScopeAttributes Map(LowCardinality(String), String),
    LogAttributes Map(LowCardinality(String), String),
    EventName String
) ENGINE = Null;

-- One row for each billed response. A record that was delivered twice has the same key and the same start, so that
-- it lies in the same partition and one of the two goes: at a merge, and in every query that says FINAL.
CREATE TABLE IF NOT EXISTS tokenomics.records (
    started DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    record_key String CODEC(ZSTD(1)),
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    service LowCardinality(String),
    environment LowCardinality(String),
    team LowCardinality(String),
    project LowCardinality(String),
    feature LowCardinality(String),
    cost_center LowCardinality(String),
    tenant LowCardinality(String),
    user String CODEC(ZSTD(1)),
    session String CODEC(ZSTD(1)),
    provider LowCardinality(String),
    operation LowCardinality(String),
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    outcome LowCardinality(String),
    attempts Nullable(UInt32),
    duration Nullable(Float64),
    usage_source LowCardinality(String),
    input_tokens Nullable(UInt64) CODEC(T64, ZSTD(1)),
    output_tokens Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cache_read_tokens Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cache_write_tokens Nullable(UInt64) CODEC(T64, ZSTD(1)),
    reasoning_tokens Nullable(UInt64) CODEC(T64, ZSTD(1)),
    -- NULL where nothing could be priced: unknown is not zero.
    cost Nullable(Decimal(38, 15)) CODEC(ZSTD(1)),
    currency LowCardinality(String),
    cost_status LowCardinality(String),
    cost_method LowCardinality(String),
    unpriced_reason LowCardinality(String),
    price_id LowCardinality(String),
    price_version LowCardinality(String),
    lines String CODEC(ZSTD(3))
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(started)
ORDER BY (team, service, toStartOfHour(started), request_model, record_key)
TTL toDateTime(started) + INTERVAL 13 MONTH;

CREATE MATERIALIZED VIEW IF NOT EXISTS tokenomics.records_from_logs TO tokenomics.records AS
WITH
    LogAttributes AS told,
    JSONExtract(Body, 'Map(String, String)') AS body
SELECT
    Timestamp AS started,
    told['tokenomics.record.key'] AS record_key,
    TraceId AS trace_id,
    SpanId AS span_id,
    ServiceName AS service,
    ResourceAttributes['deployment.environment.name'] AS environment,
    told['tokenomics.team.id'] AS team,
    told['tokenomics.project.id'] AS project,
    told['tokenomics.feature.name'] AS feature,
    told['tokenomics.cost_center.id'] AS cost_center,
    told['tokenomics.tenant.id'] AS tenant,
    told['user.id'] AS user,
    told['session.id'] AS session,
    told['gen_ai.provider.name'] AS provider,
    told['gen_ai.operation.name'] AS operation,
    told['gen_ai.request.model'] AS request_model,
    told['gen_ai.response.model'] AS response_model,
    told['tokenomics.attempt.outcome'] AS outcome,
    toUInt32OrNull(body['tokenomics.attempt.count']) AS attempts,
    toFloat64OrNull(body['tokenomics.record.duration']) AS duration,
    told['tokenomics.usage.source'] AS usage_source,
    toUInt64OrNull(told['gen_ai.usage.input_tokens']) AS input_tokens,
    toUInt64OrNull(told['gen_ai.usage.output_tokens']) AS output_tokens,
    toUInt64OrNull(body['tokenomics.usage.bucket.cache_read']) AS cache_read_tokens,
    -- With and without a time to live, where either is there.
    if(arrayExists(key -> key LIKE 'tokenomics.usage.bucket.cache\\_write%', mapKeys(body)),
        arraySum(key -> toUInt64OrZero(body[key]),
            arrayFilter(key -> key LIKE 'tokenomics.usage.bucket.cache\\_write%', mapKeys(body))),
        NULL) AS cache_write_tokens,
    toUInt64OrNull(body['tokenomics.usage.bucket.reasoning']) AS reasoning_tokens,
    toDecimal128OrNull(body['tokenomics.cost.exact'], 15) AS cost,
    told['gen_ai.usage.cost.currency'] AS currency,
    told['tokenomics.cost.status'] AS cost_status,
    body['tokenomics.cost.method'] AS cost_method,
    body['tokenomics.cost.unpriced_reason'] AS unpriced_reason,
    body['tokenomics.price.id'] AS price_id,
    body['tokenomics.price.catalog.version'] AS price_version,
    body['tokenomics.cost.lines'] AS lines
FROM tokenomics.otel_logs
WHERE EventName = 'tokenomics.usage.recorded';

-- Hour x owner x model, for ever. It is reckoned again from the deduplicated records of the last three days, so that a
-- retried insert changes nothing; of two reckonings of an hour the later one holds.
CREATE TABLE IF NOT EXISTS tokenomics.rollup_hour (
    hour DateTime('UTC'),
    team LowCardinality(String),
    project LowCardinality(String),
    feature LowCardinality(String),
    cost_center LowCardinality(String),
    service LowCardinality(String),
    environment LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    currency LowCardinality(String),
    calls UInt64,
    errors UInt64,
    unpriced UInt64,
    estimated UInt64,
    input_tokens UInt64,
    output_tokens UInt64,
    cache_read_tokens UInt64,
    cache_write_tokens UInt64,
    cost Nullable(Decimal(38, 15)),
    reckoned DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(reckoned)
PARTITION BY toYYYYMM(hour)
ORDER BY (team, project, feature, cost_center, service, environment, hour, provider, model, currency);

CREATE MATERIALIZED VIEW IF NOT EXISTS tokenomics.rollup_hour_refresh
REFRESH EVERY 5 MINUTE APPEND TO tokenomics.rollup_hour AS
SELECT
    toStartOfHour(started) AS hour,
    team, project, feature, cost_center, service, environment, provider,
    if(response_model = '', request_model, response_model) AS model,
    currency,
    count() AS calls,
    countIf(outcome = 'error') AS errors,
    countIf(cost_status != 'complete') AS unpriced,
    countIf(usage_source NOT IN ('provider', 'missing')) AS estimated,
    sum(ifNull(input_tokens, 0)) AS input_tokens,
    sum(ifNull(output_tokens, 0)) AS output_tokens,
    sum(ifNull(cache_read_tokens, 0)) AS cache_read_tokens,
    sum(ifNull(cache_write_tokens, 0)) AS cache_write_tokens,
    sum(cost) AS cost,
    now64(3) AS reckoned
FROM tokenomics.records FINAL
WHERE started >= toStartOfHour(now() - INTERVAL 3 DAY)
GROUP BY ALL;
