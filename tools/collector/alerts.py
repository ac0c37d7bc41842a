"""Alerts as code: one table, written as Prometheus' rules, Datadog's monitors and New Relic's conditions.

`tools.collector.boards` writes the files. What a backend cannot say in its language it gets in the nearest
way: a jump is measured against the day before in Prometheus and Datadog, against its own
baseline in New Relic. Datadog takes the mean of its points' ratios where the others take the ratio of sums.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import yaml
from tools.collector.boards import aggregate, datadog, named, prometheus, underscored
from tools.collector.panels import BUDGET, CURRENCY, MODEL, OWNED, REASON, SPEND, TEAM, UNPRICED, USED, Sum

from otel_tokenomics.telemetry import names


class Alert(NamedTuple):
    """Fires when `above` (over `below`) of the last `minutes` exceeds `limit`, for `hold` minutes.

    With `times` the limit is so many times the mean of the day before, and `limit` what it must exceed
    besides. With `ahead` it is what a gauge will be in so many days, at its pace of the last `minutes`.
    `summary` may hold labels in braces. `silent`: fires when nothing comes.
    """

    name: str
    summary: str
    above: Sum
    below: Sum | None = None
    minutes: int = 60
    limit: float = 0
    times: float | None = None
    ahead: int = 0
    hold: int = 15
    page: bool = False
    silent: bool = False


COST_SUM: Final = Sum(names.METRIC_OPERATION_COST, (MODEL,), part="sum")
ALERTS: Final = (
    Alert(
        "TokenSpendJumped",
        f"{{{TEAM}}} spends more than three times its usual hour",
        Sum(OWNED, (TEAM, CURRENCY)),
        times=3,
        limit=1,
        hold=5,
        page=True,
    ),
    Alert(
        "TokenBudgetBurns",
        f"80 % of the budget {{{BUDGET}}} is spent",
        USED,
        limit=0.8,
        hold=5,
    ),
    Alert(
        "TokenBudgetRunsOut",
        f"At this pace the monthly budget {{{BUDGET}}} is spent within three days",
        USED._replace(only={names.BUDGET_PERIOD: "month"}),
        minutes=360,
        limit=1,
        ahead=3,
    ),
    Alert(
        "TokenBudgetOvershot",
        f"Calls cost more than was held for them: {{{BUDGET}}} can exceed its limit",
        Sum(names.METRIC_BUDGET_COST_OVERSHOOT, (BUDGET,)),
    ),
    Alert(
        "TokenBudgetStoreDown",
        f"The store of budgets does not answer, and {{{BUDGET}}} is not checked: {{{names.BUDGET_DECISION}}}",
        Sum(
            names.METRIC_BUDGET_DECISIONS,
            (BUDGET, names.BUDGET_DECISION),
            {names.BUDGET_REASON: "store_unavailable"},
        ),
        minutes=15,
        hold=0,
        page=True,
    ),
    Alert(
        "CallsWithoutPrice",
        f"{{{MODEL}}} has no price: {{{REASON}}}",
        Sum(UNPRICED, (names.PROVIDER, MODEL, REASON)),
    ),
    Alert(
        "CostPerCallJumped",
        f"A call of {{{MODEL}}} costs more than twice what it did",
        COST_SUM,
        COST_SUM._replace(part="count"),
        times=2,
    ),
    Alert(
        "UsageRecordsLost",
        "Usage records were lost in an application: the ledger is short",
        Sum(names.METRIC_RECORDS_LOST),
        minutes=15,
        hold=0,
        page=True,
    ),
    Alert(
        "TokenTelemetryStopped",
        "No spend is reported: that is not the same as no spend",
        SPEND._replace(by=()),
        minutes=30,
        hold=30,
        silent=True,
    ),
)

# The collector's own, which the vendors do not get: Prometheus scrapes port 8888.
QUEUE: Final = {
    "alert": "CollectorQueueFills",
    "expr": "otelcol_exporter_queue_size / otelcol_exporter_queue_capacity > 0.67",
    "for": "10m",
    "labels": {"severity": "page"},
    "annotations": {
        "summary": "The queue to {{ $labels.exporter }} is two thirds full: a full one refuses records"
    },
}


def labelled(alert: Alert, pattern: str) -> str:
    """The summary, with each label written as the backend's templates do: `{}` stands for its name."""
    text = alert.summary
    for label in alert.above.by:
        text = text.replace(f"{{{label}}}", pattern.replace("{}", label))
    return text


def rule(alert: Alert) -> dict[str, Any]:
    """Prometheus' rule."""
    return {
        "alert": alert.name,
        "expr": expression(alert),
        **({"for": f"{alert.hold}m"} if alert.hold else {}),
        "labels": {"severity": "page" if alert.page else "warn"},
        "annotations": {"summary": underscored_labels(labelled(alert, "{{ $labels.{} }}"), alert)},
    }


def underscored_labels(text: str, alert: Alert) -> str:
    """The text with labels named as Prometheus names them."""
    for label in alert.above.by:
        text = text.replace(f"$labels.{label}", f"$labels.{underscored(label)}")
    return text


def expression(alert: Alert) -> str:
    """The rule's condition in PromQL."""
    if alert.silent:
        return f"absent({underscored(alert.above.metric)}_total)"
    if alert.ahead:
        return f"{predicted(alert)} > {alert.limit:g}"
    now = over(alert, f"{alert.minutes}m")
    if alert.times is None:
        return f"{now} > {alert.limit:g}"
    before = over(alert, "1d", f" offset {alert.minutes}m")
    scale = "" if alert.below else f" / {24 * 60 / alert.minutes:g}"
    floor = f" and {now} > {alert.limit:g}" if alert.limit else ""
    return f"{now} > {alert.times:g} * {before}{scale}{floor}"


def predicted(alert: Alert) -> str:
    """What a gauge will be, by a line through its last points."""
    by = ", ".join(map(underscored, alert.above.by))
    only = ",".join(f'{underscored(key)}="{value}"' for key, value in alert.above.only.items())
    points = f"{named(alert.above.metric)}{{{only}}}[{alert.minutes}m]"
    return f"max by ({by}) (predict_linear({points}, {86400 * alert.ahead}))"


def over(alert: Alert, span: str, offset: str = "") -> str:
    """What is watched, over a span of time."""
    parts = [alert.above, *([alert.below] if alert.below else [])]
    return " / ".join(prometheus(sum_, span, offset) for sum_ in parts)


def monitor(alert: Alert) -> dict[str, Any]:
    """Datadog's monitor, as its API takes it."""
    parts = [alert.above, *([alert.below] if alert.below else [])]
    watched = " / ".join(datadog(sum_) for sum_ in parts)
    how = "max" if alert.above.part == "max" else "avg" if alert.below else "sum"
    window = f"{how}(last_{alert.minutes}m)" if alert.minutes < 60 else f"{how}(last_{alert.minutes // 60}h)"
    limit = alert.limit
    if alert.ahead:
        # Datadog's own forecast, which wants a day of points and more.
        window = f"max(next_{alert.ahead}d)"
        watched = f"forecast({watched}, 'linear', 1, interval='60m', history='1w', model='default')"
    if alert.times is not None:
        window, limit = f"pct_change({window},last_1d)", 100 * (alert.times - 1)
    comparison = "< 0" if alert.silent else f"> {limit:g}"
    silence = {"notify_no_data": True, "no_data_timeframe": 2 * alert.minutes} if alert.silent else {}
    thresholds = {"critical": 0.0 if alert.silent else float(limit)}
    return {
        "name": alert.name,
        "type": "query alert",
        "query": f"{window}:{watched} {comparison}",
        "message": labelled(alert, "{{[{}].name}}"),
        "tags": ["made-by:otel-tokenomics"],
        "priority": 1 if alert.page else 3,
        "options": {"thresholds": thresholds, "include_tags": True, "require_full_window": False, **silence},
    }


def condition(alert: Alert) -> dict[str, Any]:
    """New Relic's condition, as its NerdGraph mutations for NRQL conditions take it."""
    parts = [alert.above, *([alert.below] if alert.below else [])]
    watched = " / ".join(aggregate(sum_) for sum_ in parts)
    if alert.ahead:
        # Once more what it grew by in a window, for each of those to come.
        low = aggregate(alert.above).replace("max(", "min(", 1)
        watched = f"{watched} + ({watched} - {low}) * {24 * 60 * alert.ahead // alert.minutes}"
    facet = f" FACET {', '.join(f'`{label}`' for label in alert.above.by)}" if alert.above.by else ""
    window = 60 * alert.minutes
    term = {
        "operator": "ABOVE",
        "priority": "CRITICAL" if alert.page else "WARNING",
        "threshold": 3 if alert.times is not None else alert.limit,
        "thresholdDuration": window,
        "thresholdOccurrences": "AT_LEAST_ONCE",
    }
    silence = {"expiration": {"expirationDuration": window, "openViolationOnExpiration": True}}
    return {
        "kind": "static" if alert.times is None else "baseline",
        "name": alert.name,
        "description": labelled(alert, "{{tags.{}}}"),
        "enabled": True,
        "nrql": {"query": f"SELECT {watched} FROM Metric{facet}"},
        "signal": {"aggregationWindow": window, "aggregationMethod": "EVENT_FLOW", "aggregationDelay": 120},
        "terms": [{**term, **({"operator": "BELOW"} if alert.silent else {})}],
        **({} if alert.times is None else {"baselineDirection": "UPPER_ONLY"}),
        **(silence if alert.silent else {}),
    }


def files() -> dict[str, str]:
    """The file of each backend, by its name."""
    rules = [*(rule(alert) for alert in ALERTS), QUEUE]
    groups = {"groups": [{"name": "otel-tokenomics", "rules": rules}]}
    text = yaml.safe_dump(groups, sort_keys=False, width=10_000)
    note = "# Generated by tools/collector/alerts.py: rules for Prometheus, Mimir and Grafana Cloud.\n"
    return {
        "alerts.yaml": note + text,
        "datadog-monitors.json": json.dumps([monitor(alert) for alert in ALERTS], indent=2) + "\n",
        "newrelic-conditions.json": json.dumps([condition(alert) for alert in ALERTS], indent=2) + "\n",
    }
