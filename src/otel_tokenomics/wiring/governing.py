"""Budgets put together: a plan, a store, prices and who pays, behind the gate that the flow asks.

Only a process that has budgets imports what holds them.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from opentelemetry.sdk.resources import OTELResourceDetector

from otel_tokenomics.adapters.refusals import as_client
from otel_tokenomics.attribution import runs
from otel_tokenomics.budgets.amounts import Amount
from otel_tokenomics.budgets.budget import OF_RUN, Budget, Mode
from otel_tokenomics.budgets.gate import Gate
from otel_tokenomics.budgets.governor import Governor, Owner
from otel_tokenomics.budgets.outputs import most_output
from otel_tokenomics.budgets.plan import Plan
from otel_tokenomics.budgets.protocol import StoreDownError
from otel_tokenomics.budgets.standing import Standing
from otel_tokenomics.budgets.stores.opening import open_store
from otel_tokenomics.budgets.suggest import Suggest
from otel_tokenomics.budgets.windows import Window
from otel_tokenomics.budgets.worst import Estimate, Pricer
from otel_tokenomics.flow import late, tokenizer
from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.ledger.location import default_path
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.installed import current
from otel_tokenomics.telemetry.budgets import BudgetTeller
from otel_tokenomics.wiring.owners import RESOURCE, label_of

_governors: dict[tuple[Plan, Path], Governor] = {}


def gate_of(
    plan: Plan,
    mode: str | None,
    pricer: Pricer,
    teller: BudgetTeller | None = None,
    *,
    for_runs: bool = False,
    resource: Mapping[str, Any] | None = None,
) -> Gate | None:
    """The gate of a plan, or `None` where nothing is to be held. A plan has one governor in a process, which
    tells the last `teller` that was named.

    `for_runs`: there are runs with a budget, so that a plan without any is of use. `resource` is what this
    process is; without it what the environment says.
    """
    if mode is not None:
        plan = replace(plan, mode=cast(Mode, mode))
    if plan.mode == "off" or not (plan.budgets or plan.broken or for_runs):
        return None
    key = (plan, budgets_path(os.environ))
    if key not in _governors:
        told = OTELResourceDetector().detect().attributes if resource is None else resource
        _governors[key] = _governor(plan, key[1], pricer, _labels(told))
    if teller is not None:
        _governors[key].listen(teller)
        teller.watch(Standing(_governors[key]))
    return Gate(_governors[key], owner, as_client if plan.raise_as == "client" else None)


def _governor(plan: Plan, path: Path, pricer: Pricer, labels: Mapping[str, str]) -> Governor:
    estimate = Estimate(plan, pricer, most_output)
    governor = Governor(
        plan,
        open_store(plan, path),
        estimate,
        labels=labels,
        count=_count,
        suggest=Suggest(estimate, _models),
        catch_up=late.catch_up,
    )
    late.start()
    atexit.register(_give_back, governor, os.getpid())
    return governor


def owner(attribution: Attribution) -> Owner:
    """Who is charged for a call that is made here: its owners, and the runs that it is made in."""
    work = runs.current()
    if work is None:
        return Owner(attribution)
    chain = work.chain()
    own = tuple([_own(run) for run in chain if run.limit is not None])
    return Owner(attribution, work.name, own, tuple([run.id for run in chain]))


def _own(run: runs.Run) -> tuple[Budget, str]:
    assert run.limit is not None
    limit = Amount(run.limit.unit, run.limit.quantity)
    return Budget(f"run {run.name}", limit, Window("run")), f"run {run.name}{OF_RUN}{run.id}"


def budgets_path(environ: Mapping[str, str]) -> Path:
    """Where budgets are kept when nothing else is said: beside the ledger's usual place."""
    return default_path(environ).with_name("budgets.sqlite3")


def _labels(resource: Mapping[str, Any]) -> dict[str, str]:
    told = {key: label_of(resource, key) for key in RESOURCE}
    return {key: value for key, value in told.items() if value is not None}


def _count(text: str) -> int:
    """Counts with the tokenizer, which is loaded when a budget is first so tight that bytes do not do."""
    tokenizer.load()
    return tokenizer.count(text)


def _models(provider: str) -> Iterable[str]:
    section = current().section(vendors.catalogued(provider))
    return () if section is None else section.ids()


def _give_back(governor: Governor, pid: int) -> None:
    """At exit: what is still to be settled, then what was borrowed."""
    if pid != os.getpid():
        return
    with guarded("budgets.exit"):
        late.drain()
        try:
            governor.keeper.recover()
            governor.keeper.store.close()
        except StoreDownError:
            return
