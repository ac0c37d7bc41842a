"""Who pays, from the file to the span, the record and the budget: rules, digests, claims, baggage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from tests.budgets._calls import ANSWER, create
from tests.faults.test_injector import Injector
from tests.support.telemetry import Telemetry
from tests.support.wire import Wire, http_library

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.keys import key_id
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.attribution import ambient
from otel_tokenomics.attribution.ambient import attribute
from otel_tokenomics.attribution.digests import Digests
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.cli.main import main
from otel_tokenomics.flow import guard, late
from otel_tokenomics.telemetry.names import CLAIMED, OWNER_ATTRIBUTES, TEAM, TENANT, USER
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.settings import PREFIX
from otel_tokenomics.wiring.stainless import MODULE, Seam

SALT = "0123456789abcdef-salt"
KEY = "sk-canary-9876543210"
LIMIT = '[[budget]]\nname = "b"\nwindow = "lifetime"\n'
HASH = '[personal]\nhash = ["user"]\nsalt_env = "OWNER_SALT"\n'
ANNA = Digests(("user",), SALT.encode()).of("user", "anna")


class Service:
    """An application whose settings were read as at start; `client` makes calls on a wire that ends here."""

    def __init__(self, path: Path, resource: Mapping[str, str]) -> None:
        self.path = path
        self.telemetry = Telemetry()
        providers = dict(self.telemetry.providers)
        if resource:
            told = TracerProvider(resource=Resource(dict(resource)), shutdown_on_exit=False)
            providers["tracer_provider"] = told
        settings = assembly.settings_from({PREFIX + "CONFIG": str(path), "OWNER_SALT": SALT})
        self.desk = assembly.desk_of(settings, providers)
        self.carried: list[str | None] = []
        self.wire = Wire(ANSWER, library=http_library("openai"))
        http = self.wire.client(event_hooks={"request": [self._note]})
        self.client: Any = openai.OpenAI(api_key=KEY, http_client=http, max_retries=0)

    def _note(self, request: Any) -> None:
        self.carried.append(sent())

    def record(self) -> dict[str, Any]:
        assert late.drain(10)
        return self.telemetry.record()


def sent() -> str | None:
    """The baggage that an HTTP library's instrumentation would send from here."""
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier)
    return carrier.get("baggage")


@contextmanager
def service(text: str, folder: Path, **resource: str) -> Iterator[Service]:
    """The service of a configuration, in the block."""
    path = folder / "t.toml"
    path.write_text(f'{text}[store]\nurl = "sqlite:///{str(folder / "b.db").lstrip("/")}"\n')
    made = Service(path, {name.replace("_", "."): value for name, value in resource.items()})
    seam = Seam("openai")
    guard.set_strict(True)
    seam.open(OpenAI(Hosts({})), made.desk)
    seam.patch(import_module(f"openai.{MODULE}"))
    try:
        yield made
    finally:
        seam.close()
        guard.set_strict(False)
        ambient.carry(None)


@contextmanager
def carried(**owners: str) -> Iterator[None]:
    """Owners as baggage in the block, as a request brings them."""
    filled = context.get_current()
    for owner, value in owners.items():
        filled = baggage.set_baggage(OWNER_ATTRIBUTES[owner], value, filled)
    token = context.attach(filled)
    try:
        yield
    finally:
        context.detach(token)


@pytest.fixture(autouse=True)
def salted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNER_SALT", SALT)


RULES = [
    '{ service = "sear*" }',
    '{ environment = "prod" }',
    '{ provider = "openai", model = "gpt-4*", operation = "chat" }',
    '{ route = "chat/completions", library = "openai" }',
    '{ host = "api.openai.com" }',
    f'{{ key = "{key_id(KEY)}" }}',
    '{ "resource.k8s.namespace.name" = "ns" }',
    '{ tenant = "acme" }',
    '{ "tag.kind" = "nightly" }',
]
RESOURCE = {
    "service_name": "search",
    "deployment_environment_name": "prod",
    "k8s_namespace_name": "ns",
}


@pytest.mark.parametrize("match", RULES)
def test_a_rule_names_the_owner_on_the_record_and_for_the_budget(match: str, tmp_path: Path) -> None:
    text = f'[[owner]]\nmatch = {match}\nset = {{ team = "found" }}\n'
    text += f'{LIMIT}limit = "1 requests"\nmatch = {{ team = "found" }}\n'
    with service(text, tmp_path, **RESOURCE) as made, attribute(tenant="acme", tags={"kind": "nightly"}):
        create(made.client)
        assert made.record()[TEAM] == "found"
        with pytest.raises(BudgetExceededError):
            create(made.client)


def test_what_code_says_goes_before_what_a_rule_derives(tmp_path: Path) -> None:
    text = '[[owner]]\nmatch = { model = "*" }\nset = { team = "rule", feature = "rule" }\n'
    text += '[attribution]\nteam = "settings"\nfeature = "settings"\nproject = "settings"\n'
    with service(text, tmp_path) as made, attribute(team="code"):
        create(made.client)
    told = made.record()
    assert (told[TEAM], told[OWNER_ATTRIBUTES["feature"]]) == ("code", "rule")
    assert told[OWNER_ATTRIBUTES["project"]] == "settings"


def test_what_the_providers_resource_says_is_an_owner_and_a_label(tmp_path: Path) -> None:
    text = f'{LIMIT}limit = "1 requests"\nmatch = {{ service = "search", team = "res" }}\n'
    with service(text, tmp_path, service_name="search", tokenomics_team_id="res") as made:
        create(made.client)
        assert made.record()[TEAM] == "res"
        with pytest.raises(BudgetExceededError):
            create(made.client)


def test_the_former_name_of_the_environment_counts(tmp_path: Path) -> None:
    text = f'{LIMIT}limit = "0 USD"\nmatch = {{ environment = "prod" }}\n'
    with service(text, tmp_path, deployment_environment="prod") as made:
        with pytest.raises(BudgetExceededError):
            create(made.client)


def test_a_hashed_user_is_a_digest_everywhere_and_its_budget_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'{HASH}{LIMIT}limit = "9 requests"\nmatch = {{ user = "*" }}\n'
    text += LIMIT.replace('"b"', '"anna"') + 'limit = "1 requests"\nmatch = { user = "anna" }\n'
    with service(text, tmp_path) as made, attribute(user="anna"):
        create(made.client)
        assert made.record()[USER] == ANNA
        (span,) = made.telemetry.spans()
        assert span.attributes is not None and span.attributes[USER] == ANNA
        with pytest.raises(BudgetExceededError) as caught:
            create(made.client)
        assert "budget 'anna'" in str(caught.value)
    told = repr(made.telemetry.records()) + repr(made.telemetry.span_exporter.get_finished_spans())
    assert "anna" not in told
    assert main(["budget", "status", "--json", "--config", str(made.path)]) == 0
    shown = json.loads(capsys.readouterr().out)["budgets"]
    assert {row["budget"]: row["spent"] for row in shown} == {f"b|user={ANNA}": 1, "anna": 1}


def test_what_a_request_claims_is_recorded_as_a_claim(tmp_path: Path) -> None:
    text = '[[owner]]\nmatch = { tenant = "acme" }\nset = { cost_center = "4711" }\n'
    text += f'{LIMIT}limit = "0 USD"\nmatch = {{ cost_center = "4711" }}\n'
    with service(text, tmp_path) as made, carried(tenant="acme"):
        create(made.client)
        told = made.record()
        assert (told[TENANT], set(told[CLAIMED])) == ("acme", {"tenant", "cost_center"})
        with attribute(tenant="acme"), pytest.raises(BudgetExceededError):
            create(made.client)


def test_a_trusted_claim_is_none(tmp_path: Path) -> None:
    with service('[budgets]\ntrust_baggage = ["tenant"]\n', tmp_path) as made, carried(tenant="acme"):
        create(made.client)
    assert made.record()[TENANT] == "acme"
    assert CLAIMED not in made.record()


def test_baggage_that_is_not_accepted_is_not_recorded(tmp_path: Path) -> None:
    with service('[baggage]\naccept = ["team"]\n', tmp_path) as made:
        with carried(tenant="acme", team="search"):
            create(made.client)
    assert made.record()[TEAM] == "search"
    assert TENANT not in made.record()


def test_only_owners_that_are_named_go_along_and_none_to_the_vendor(tmp_path: Path) -> None:
    with service(f'{HASH}[baggage]\nsend = ["team", "user"]\n', tmp_path) as made:
        with attribute(team="search", tenant="acme", user="anna"):
            assert sent() == f"{TEAM}=search,{USER}={str(ANNA).replace(':', '%3A')}"
            create(made.client)
            assert made.carried == [None]
            with attribute(team="core"):
                assert f"{TEAM}=core" in str(sent())
            assert f"{TEAM}=search" in str(sent())
        assert sent() is None


def test_nothing_goes_along_unless_it_is_named(tmp_path: Path) -> None:
    with service("", tmp_path), attribute(team="search"):
        assert sent() is None


def test_baggage_of_others_and_for_a_host_that_is_named_stays(tmp_path: Path) -> None:
    text = '[baggage]\nsend = ["team"]\nhosts = ["api.openai.*"]\n'
    token = context.attach(baggage.set_baggage("theirs", "1"))
    try:
        with service(text, tmp_path) as made, attribute(team="search"):
            create(made.client)
        assert made.carried == [f"theirs=1,{TEAM}=search"]
        with service('[baggage]\nsend = ["team"]\n', tmp_path) as made, attribute(team="search"):
            create(made.client)
        assert made.carried == ["theirs=1"]
    finally:
        context.detach(token)


@pytest.mark.parametrize(
    "wrong",
    [
        '[attribution]\ntaem = "x"\n',
        '[[owner]]\nmatch = { servce = "x" }\nset = { team = "x" }\n',
        HASH.replace("OWNER_SALT", "NO_SALT"),
        '[baggage]\nsend = ["x"]\n',
        '[spans\nmode = "own"\n',
    ],
)
def test_a_limit_holds_everybody_while_it_cannot_be_read_who_pays(
    wrong: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = f'{wrong}{LIMIT}limit = "9 USD"\nmatch = {{ team = "x" }}\n'
    with service(text, tmp_path) as made, attribute(user="anna"):
        with pytest.raises(BudgetExceededError) as caught:
            create(made.client)
    assert caught.value.reason == "configuration"
    assert "t.toml" in str(caught.value)
    assert "every call is refused" in caplog.text


# An exception thrown at a generator that is being finalised can only be printed, by the interpreter.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_step_of_who_pays_may_fail_and_the_call_is_made(tmp_path: Path) -> None:
    text = f'{HASH}[baggage]\nsend = ["team"]\n[[owner]]\n'
    text += 'match = { key = "sha256:*", tenant = "acme" }\nset = { team = "found", project = "{model}" }\n'
    with service(text, tmp_path) as made, carried(tenant="acme"), attribute(user="anna"):
        guard.set_strict(False)
        for _ in range(2):
            with Injector() as counter:
                assert create(made.client).id == "chatcmpl-1"
        steps = set()
        for at in range(1, counter.entries + 1):
            with Injector(at) as injector:
                assert create(made.client).id == "chatcmpl-1", injector.where
            steps.add(injector.where.partition(":")[0])
    assert {"/wiring/owners.py", "/wiring/carrying.py", "/adapters/keys.py"} <= steps
