"""What dashboards show: one table of panels, each of sums of metrics. `boards` writes them for each backend.

Names and labels come from the registry, so a renamed metric breaks this and not a dashboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tools.semconv.registry import load

from otel_tokenomics.telemetry import names

REGISTRY: Final = load()
PARTS: Final = {"counter": ("",), "histogram": ("sum", "count"), "gauge": ("max", "pace")}
CURRENCY, COST = names.COST_CURRENCY, names.METRIC_COST


class Sum(NamedTuple):
    """What is added up: a counter, a histogram's `sum` or `count`; by labels.

    Of a gauge it is the highest value (`max`), or by how much that grows in a day (`pace`).
    """

    metric: str
    by: tuple[str, ...] = ()
    only: Mapping[str, str] = {}
    part: str = ""


class Panel(NamedTuple):
    """One picture: a sum, a ratio of two, or a formula; `kind` is `value`, `lines` or `top`.

    A `formula` has `{0}` for the first sum and so on; `over` days stay, whatever span the page shows.
    """

    title: str
    above: Sum
    below: Sum | None = None
    kind: str = "lines"
    unit: str = "money"
    more: tuple[Sum, ...] = ()
    formula: str = ""
    over: int = 0

    @property
    def sums(self) -> list[Sum]:
        """Every sum in it."""
        return [self.above, *([self.below] if self.below else []), *self.more]

    def written(self, parts: list[str]) -> str:
        """The panel with each sum as a backend writes it."""
        return (self.formula or " / ".join(f"{{{n}}}" for n in range(len(parts)))).format(*parts)


TEAM, MODEL, FEATURE = names.TEAM, names.RESPONSE_MODEL, names.FEATURE
SPEND, OWNED = Sum(COST, (CURRENCY,)), names.METRIC_ALLOCATION_COST
CALLS = Sum(names.METRIC_OPERATION_COST, part="count")
UNPRICED, REASON = names.METRIC_UNPRICED, names.COST_UNPRICED_REASON
READ, WRITTEN = (Sum(metric, (MODEL,)) for metric in (names.METRIC_CACHE_READ, names.METRIC_CACHE_WRITE))


def part(component: str) -> Sum:
    """What one component cost, by model."""
    return Sum(COST, (MODEL,), {names.COST_COMPONENT: component})


FAILED = {names.ATTEMPT_OUTCOME: "error"}
BUDGET = names.BUDGET_NAME
USED = Sum(names.METRIC_BUDGET_UTILIZATION, (BUDGET,), part="max")
LIMIT, SPENT = (
    Sum(metric, (BUDGET,), part="max")
    for metric in (names.METRIC_BUDGET_COST_LIMIT, names.METRIC_BUDGET_COST_USAGE)
)
IDLE, STORE = (
    Sum(names.METRIC_BUDGET_COST_ERROR, (BUDGET,)),
    Sum(names.METRIC_BUDGET_STORE_DURATION, (names.BUDGET_STEP,)),
)

PANELS: Final = (
    Panel("Spend", SPEND, kind="value"),
    Panel("Spend over time", SPEND),
    Panel("Spend by team", Sum(OWNED, (TEAM, CURRENCY)), kind="top"),
    Panel("Spend by model", Sum(COST, (MODEL, CURRENCY)), kind="top"),
    Panel("Spend by feature", Sum(OWNED, (FEATURE, CURRENCY)), kind="top"),
    Panel("Spend by component", Sum(COST, (names.COST_COMPONENT, CURRENCY))),
    Panel(
        "Share of input that a cache served",
        Sum(names.METRIC_CACHE_READ, (MODEL,)),
        Sum(names.METRIC_INPUT_TOKENS, (MODEL,)),
        unit="share",
    ),
    # Each model's mean price of fresh input, times what the cache read and wrote, less what those cost.
    Panel(
        "Saved by caches, at each model's mean price of input",
        part("input"),
        more=(
            Sum(names.METRIC_INPUT_TOKENS, (MODEL,)),
            READ,
            WRITTEN,
            part("cache_read"),
            part("cache_write"),
        ),
        formula="{0} / ({1} - {2} - {3}) * ({2} + {3}) - {4} - {5}",
        kind="top",
    ),
    Panel("Forecast: 30 days at the pace of the last 7", SPEND, formula="{0} * 30 / 7", kind="value", over=7),
    Panel(
        "Calls without a price", Sum(names.METRIC_UNPRICED, (MODEL, names.COST_UNPRICED_REASON)), unit="calls"
    ),
    Panel("Share of calls without a price", Sum(names.METRIC_UNPRICED), CALLS, kind="value", unit="share"),
    Panel(
        "Share of calls with counted tokens", Sum(names.METRIC_ESTIMATED), CALLS, kind="value", unit="share"
    ),
    Panel(
        "Cost per call",
        Sum(names.METRIC_OPERATION_COST, (MODEL,), part="sum"),
        Sum(names.METRIC_OPERATION_COST, (MODEL,), part="count"),
    ),
    Panel("Paid for calls that failed", Sum(COST, (MODEL, CURRENCY), FAILED), kind="top"),
    Panel("Output tokens by model", Sum(names.METRIC_OUTPUT_TOKENS, (MODEL,)), unit="tokens"),
    Panel("Usage records lost", Sum(names.METRIC_RECORDS_LOST), kind="value", unit="calls"),
    # Every process tells the same budgets, so that the highest of a gauge is right and a sum never is.
    Panel("Budgets: share used", USED, kind="top", unit="share"),
    Panel("Budgets: share used over time", USED, unit="share"),
    Panel("Budgets: share used by team", USED._replace(by=(BUDGET, TEAM)), kind="top", unit="share"),
    Panel("Budgets of money: what is left", LIMIT, more=(SPENT,), formula="{0} - {1}", kind="top"),
    Panel(
        "Forecast: days until a budget of money is spent, at the pace of the last day",
        LIMIT,
        more=(SPENT, SPENT._replace(part="pace")),
        formula="({0} - {1}) / {2}",
        kind="top",
        unit="days",
        over=1,
    ),
    Panel("Checks of budgets", Sum(names.METRIC_BUDGET_DECISIONS, (names.BUDGET_DECISION,)), unit="calls"),
    Panel(
        "Calls that budgets refused",
        Sum(names.METRIC_BUDGET_DECISIONS, (BUDGET, names.BUDGET_REASON), {names.BUDGET_DECISION: "deny"}),
        kind="top",
        unit="calls",
    ),
    Panel(
        "Spent beyond what was held", Sum(names.METRIC_BUDGET_COST_OVERSHOOT, (BUDGET, CURRENCY)), kind="top"
    ),
    Panel("Held for a call and not spent", IDLE._replace(part="sum"), IDLE._replace(part="count")),
    Panel(
        "What a step of the store of budgets takes",
        STORE._replace(part="sum"),
        STORE._replace(part="count"),
        unit="seconds",
    ),
)


def check(sum_: Sum) -> Sum:
    """The sum itself; `KeyError` if the registry has no such metric, `ValueError` if not such a label."""
    metric = REGISTRY.metrics[sum_.metric]
    if strange := {*sum_.by, *sum_.only} - metric.uses.keys():
        raise ValueError(f"{sum_.metric} has no label {', '.join(sorted(strange))}")
    for label, value in sum_.only.items():
        if (known := REGISTRY.attributes[label].values) and value not in known:
            raise ValueError(f"{label} is never {value}")
    if sum_.part not in PARTS[metric.instrument]:
        raise ValueError(f"{sum_.metric}: a {metric.instrument} has no part {sum_.part!r}")
    return sum_
