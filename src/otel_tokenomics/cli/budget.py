"""`tokenomics budget`: what budgets have left, what proposed ones would have refused, and setting a limit."""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from otel_tokenomics.budgets.amounts import nano_of, parse, shown
from otel_tokenomics.budgets.budget import VELOCITY, Budget
from otel_tokenomics.budgets.history import FORECAST_DAYS, HOUR, Forecast, Past, replay, runs_out
from otel_tokenomics.budgets.plan import BudgetConfigError, Plan, plan_of, read_plan
from otel_tokenomics.budgets.protocol import Balance, Line, Store, StoreDownError
from otel_tokenomics.budgets.stores.opening import open_store
from otel_tokenomics.cli import console
from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.location import ledger_path
from otel_tokenomics.ledger.store import reading
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.model.tables import Document
from otel_tokenomics.report import table
from otel_tokenomics.wiring.governing import budgets_path

EXAMPLES = """\
  tokenomics budget status                                  what is spent, held and left, and until when
  tokenomics budget status --json | jq '.budgets[].left'
  tokenomics budget simulate --config proposed.toml --since 30d
  tokenomics budget set search-monthly "2500 USD"

The configuration is the file that OTEL_TOKENOMICS_CONFIG names, or --config; docs/budgets.md explains it."""

_SECOND = 1_000_000_000
_VALUE = re.compile(r"""(=\s*)("[^"]*"|'[^']*')""")


def add_parser(subparsers: Any) -> None:
    """Add `budget` to the command's subparsers."""
    parser = console.new_parser(
        subparsers, "budget", "what budgets have left, and what they would refuse", EXAMPLES
    )
    commands = parser.add_subparsers(metavar="status|simulate|set", required=True)
    status = commands.add_parser("status", help="spent, held, left, and when it runs out")
    simulate = commands.add_parser("simulate", help="replay the ledger under these budgets")
    change = commands.add_parser("set", help="change a limit in the configuration file")
    change.add_argument("name", help="the budget's name")
    change.add_argument("limit", help='as "2000 USD", "5_000_000 tokens" or "1000 requests"')
    console.add_period(simulate)
    for each, run in ((status, run_status), (simulate, run_simulate), (change, run_set)):
        each.add_argument("--config", type=Path, metavar="FILE", help="the configuration file")
        each.add_argument(
            "--json", action="store_true", help="print JSON; money in nano-USD, times in Unix s"
        )
        each.set_defaults(run=run)
    for each in (status, simulate):
        console.add_ledger(each)


def run_status(arguments: argparse.Namespace) -> int:
    """Print every account of every budget."""
    plan = _plan(arguments)
    store = open_store(replace(plan, store=replace(plan.store, lease=0)), budgets_path(os.environ))
    try:
        known = store.accounts()
        store.expire()
        now = int(store.now())
        rows = [row for budget in plan.budgets for row in _rows(store, budget, known, now)]
    except StoreDownError as error:
        raise console.CommandError(f"{error}.") from None
    finally:
        store.close()
    oldest = max(FORECAST_DAYS * 24 * HOUR, *(budget.window.seconds for budget in plan.budgets))
    past = list(_past(arguments, plan, (now - oldest) * _SECOND, None))
    told = [_status(budget, account, balance, past, now) for budget, account, balance in rows]
    if arguments.json:
        print(json.dumps({"mode": plan.mode, "budgets": told}, ensure_ascii=False))
    else:
        _print(told, ("budget", "limit", "spent", "held", "left", "resets", "runs_out"))
    return 0


def run_simulate(arguments: argparse.Namespace) -> int:
    """Print what each budget would have refused of the calls in the ledger."""
    plan = _plan(arguments)
    since, until = console.period_of(arguments)
    bounds = [None if at is None else int(at.timestamp()) * _SECOND for at in (since, until)]
    found = replay(plan, _past(arguments, plan, *bounds))
    told = []
    for budget in plan.budgets:
        made = found[budget.name]
        told.append(
            {
                "budget": budget.name,
                "unit": budget.unit,
                "limit": budget.limit.quantity,
                "calls": made.calls,
                "refused": made.refused,
                "spent": made.spent,
                "saved": made.saved,
                "unpriced": made.unpriced,
                "accounts": len(made.accounts),
                "first_refused": made.first_refused,
            }
        )
    if arguments.json:
        print(json.dumps({"budgets": told}, ensure_ascii=False))
    else:
        _print(told, ("budget", "limit", "calls", "refused", "spent", "saved", "first_refused"))
    return 0


def run_set(arguments: argparse.Namespace) -> int:
    """Change one limit, where it stands; everything else in the file stays as it is."""
    path = _path(arguments)
    try:
        document = Document.read(path, BudgetConfigError)
        plan = plan_of(document)
        names = [budget.name for budget in plan.budgets]
        if arguments.name not in names:
            raise console.CommandError(f"{path} has no budget {arguments.name!r}; it has {', '.join(names)}.")
        number = names.index(arguments.name)
        parse(arguments.limit)
        text = _with_limit(
            path.read_text("utf-8"), document.line(("budget", number, "limit")), arguments.limit
        )
        plan_of(Document.parse(text, path, BudgetConfigError))
    except BudgetConfigError as error:
        raise console.CommandError(f"{error}.") from None
    except ValueError:
        raise console.CommandError(
            f'{arguments.limit!r} is no limit: write it as "2000 USD", "5_000_000 tokens" or "1000 requests".'
        ) from None
    _replace(path, text)
    before = plan.budgets[number].limit
    if arguments.json:
        print(json.dumps({"budget": arguments.name, "before": str(before), "limit": arguments.limit}))
    else:
        print(
            f"{arguments.name}: {before} is now {arguments.limit}. Processes that start from now on have it."
        )
    return 0


def _with_limit(text: str, line: int, limit: str) -> str:
    lines = text.splitlines(keepends=True)
    lines[line - 1] = _VALUE.sub(lambda found: f'{found[1]}"{limit}"', lines[line - 1], count=1)
    return "".join(lines)


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as made:
        made.write(text)
    Path(made.name).chmod(path.stat().st_mode)
    Path(made.name).replace(path)


def _path(arguments: argparse.Namespace) -> Path:
    named: Path | None = arguments.config
    if named is None and os.environ.get("OTEL_TOKENOMICS_CONFIG"):
        named = Path(os.environ["OTEL_TOKENOMICS_CONFIG"])
    if named is None:
        raise console.CommandError(
            "No configuration: set OTEL_TOKENOMICS_CONFIG, or name one with --config FILE."
        )
    return named.expanduser()


def _plan(arguments: argparse.Namespace) -> Plan:
    try:
        plan = read_plan(_path(arguments))
    except BudgetConfigError as error:
        raise console.CommandError(f"{error}.") from None
    if not plan.budgets:
        raise console.CommandError(f"{plan.path} has no [[budget]]: docs/budgets.md shows how to write one.")
    return plan


def _rows(store: Store, budget: Budget, known: list[str], now: int) -> Iterator[tuple[Budget, str, Balance]]:
    slot = budget.window.slot(now)
    for account in sorted(name for name in known if _is_of(budget, name)) or [budget.name]:
        line = Line(account, slot.start, slot.since, slot.step, slot.until, 0, 0)
        yield budget, account, store.read([line])[0]


def _is_of(budget: Budget, account: str) -> bool:
    return account.partition("|")[0] == budget.name and not account.endswith(VELOCITY)


def _status(budget: Budget, account: str, balance: Balance, past: list[Past], now: int) -> dict[str, Any]:
    left = budget.limit.quantity - balance.spent - balance.held
    ends = runs_out(budget, account, past, left, now)
    resets = budget.window.resets(now)
    return {
        "budget": account,
        "unit": budget.unit,
        "window": str(budget.window),
        "limit": budget.limit.quantity,
        "spent": balance.spent,
        "held": balance.held,
        "left": left,
        "resets": resets,
        "runs_out": None if ends is None else _within(ends, resets),
        "owner": budget.owner,
    }


def _within(ends: Forecast, resets: int | None) -> dict[str, int | None]:
    """The forecast; what would be after the window's end is no end at all."""
    return {
        name: None if at is None or (resets is not None and at > resets) else at
        for name, at in ends._asdict().items()
    }


def _past(arguments: argparse.Namespace, plan: Plan, since: int | None, until: int | None) -> Iterator[Past]:
    path = arguments.ledger or ledger_path(os.environ)
    if path is None or not Path(path).expanduser().exists():
        return
    with reading(Path(path).expanduser()) as connection:
        rows = queries.records(connection, queries.Scope(since, until), None)
        yield from map(partial(_call, plan), rows)


def _call(plan: Plan, row: Mapping[str, Any]) -> Past:
    claimed = [name for name in json.loads(row["claimed"] or "[]") if name not in plan.trust_baggage]
    subject = {name: row[name] for name in OWNERS if row[name] and name not in claimed}
    if plan.hashed is not None:
        subject = plan.hashed.subject(subject)
    for key, value in (
        ("provider", row["provider"]),
        ("operation", row["operation"]),
        ("model", row["request_model"] or row["response_model"]),
        ("service", row["service"]),
    ):
        if value:
            subject[key] = value
    tags = json.loads(row["tags"])
    subject.update({f"tag.{key}": str(value) for key, value in tags.items()})
    if "run.name" in tags:
        subject["run"] = str(tags["run.name"])
    tokens = [row[f"{part}_tokens"] for part in ("input", "cache_read", "cache_write", "output", "reasoning")]
    femto = row["cost_femto"]
    return Past(
        at=row["started_ns"] // _SECOND,
        subject=subject,
        cost=None if femto is None or row["cost_currency"] not in (None, "USD") else nano_of(int(femto)),
        tokens=sum(int(count) for count in tokens if count is not None),
        runs=(str(tags["run.id"]),) if "run.id" in tags else (),
    )


def _print(told: list[dict[str, Any]], keys: tuple[str, ...]) -> None:
    columns = [
        table.Column(key.replace("_", " "), [_shown(row, key) for row in told], left=key == "budget")
        for key in keys
    ]
    fitted, _ = table.fit(columns, console.width_of_output())
    parts = ("head", *("row" for _ in told))
    lines = table.laid_out(fitted)
    console.print_lines(table.Line(text, part) for text, part in zip(lines, parts, strict=True))


def _shown(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if key in ("limit", "spent", "held", "left", "saved"):
        return shown(row["unit"], value)
    if key == "runs_out":
        return _told_forecast(value)
    if key in ("resets", "first_refused"):
        return "-" if value is None else _clock(value)
    return str(value)


def _told_forecast(value: Mapping[str, int | None] | None) -> str:
    if value is None:
        return "-"
    if value["likely"] is None and value["earliest"] is None:
        return "not in this window"
    parts = ["later" if at is None else _clock(at) for at in (value["earliest"], value["latest"])]
    return f"{parts[0]} to {parts[1]}"


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ")
