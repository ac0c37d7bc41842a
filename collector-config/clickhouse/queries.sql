-- name: spend this month by team and model
SELECT team, model, currency, sum(cost) AS cost, sum(calls) AS calls, sum(unpriced) AS unpriced
FROM tokenomics.rollup_hour FINAL
WHERE hour >= toStartOfMonth(now())
GROUP BY team, model, currency
ORDER BY cost DESC NULLS LAST;

-- name: spend by hour of the last day
SELECT hour, currency, sum(cost) AS cost
FROM tokenomics.rollup_hour FINAL
WHERE hour >= now() - INTERVAL 1 DAY
GROUP BY hour, currency
ORDER BY hour;

-- name: share of input that a cache served
SELECT model, sum(cache_read_tokens) / nullIf(sum(input_tokens), 0) AS share
FROM tokenomics.rollup_hour FINAL
WHERE hour >= now() - INTERVAL 7 DAY
GROUP BY model
ORDER BY share DESC NULLS LAST;

-- name: unpriced and estimated share
SELECT provider, model, sum(unpriced) / sum(calls) AS unpriced, sum(estimated) / sum(calls) AS estimated
FROM tokenomics.rollup_hour FINAL
WHERE hour >= now() - INTERVAL 7 DAY
GROUP BY provider, model
ORDER BY unpriced DESC;

-- name: dearest traces of the last day
SELECT trace_id, any(team) AS team, currency, sum(cost) AS cost, count() AS calls
FROM tokenomics.records FINAL
WHERE started >= now() - INTERVAL 1 DAY AND trace_id != ''
GROUP BY trace_id, currency
ORDER BY cost DESC NULLS LAST
LIMIT 20;

-- name: money spent on calls that failed
SELECT team, outcome, currency, sum(cost) AS cost, sum(attempts) AS attempts
FROM tokenomics.records FINAL
WHERE started >= now() - INTERVAL 7 DAY AND outcome != 'success'
GROUP BY team, outcome, currency
ORDER BY cost DESC NULLS LAST;
