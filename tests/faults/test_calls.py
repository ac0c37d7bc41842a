"""Rows 20 to 23, 29, 36 to 39, 44, 46, 47: errors, retries, results and arguments are the client's own."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.faults.cases import (
    BUCKETS,
    Case,
    Transcript,
    all_cases,
    call,
    chain,
    differential,
    drained,
    dumped,
    having,
    told,
    whatever_is_seen,
)
from tests.support import replies
from tests.support.either import items, opened, value
from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import SSE, Reply, Wire


@whatever_is_seen
async def test_00_a_good_call_is_one_record(case: Case) -> None:
    telemetry = await differential(case, case.reply())
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS[case.library]
    assert record["tokenomics.usage.source"] == "provider"
    assert record["gen_ai.request.stream"] is (case.stream and not case.has("results"))
    assert len(telemetry.spans()) == 1


@all_cases
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 529])
async def test_20_a_refusal_is_the_clients_own_error(case: Case, status: int) -> None:
    telemetry = await differential(case, case.refusal(status))
    assert telemetry.records() == []
    (span,) = telemetry.spans()
    assert (span.attributes or {})["error.type"]
    assert not span.events, "an exception's message may carry a prompt"


@all_cases
@pytest.mark.parametrize(
    ("kind", "billed"),
    [
        ("ConnectError", False),
        ("ConnectTimeout", False),
        ("ReadTimeout", True),
        ("RemoteProtocolError", True),
    ],
)
async def test_20_22_a_lost_answer_is_possibly_billed_and_an_unsent_request_is_not(
    case: Case, kind: str, billed: bool
) -> None:
    lost = Reply(error=lambda request: case.error(kind, "gone", request=request))
    telemetry = await differential(case, lost)
    if not billed:
        assert telemetry.records() == []
        return
    record = telemetry.record()
    assert record["tokenomics.attempt.possibly_billed"] == 1
    assert record["tokenomics.usage.source"] == "missing"
    assert "gen_ai.usage.cost.amount" not in record


@all_cases
async def test_20_the_transports_exception_object_is_the_cause(case: Case) -> None:
    gone = case.error("ConnectError", "gone")
    with instrumented():
        with pytest.raises(Exception, match=r"onnect|gone|ommunicat") as caught:
            await drained(case, case.client(case.wire(Reply(error=lambda request: gone))))
    # azure-core breaks the chain, and keeps it by this name.
    assert gone in (*chain(caught.value), getattr(caught.value, "inner_exception", None))


@having("retries")
@pytest.mark.parametrize("status", [429, 500])
async def test_21_a_retry_is_one_call_with_two_attempts(
    case: Case, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.kit.hasten(monkeypatch)
    refused = case.refusal(status, retry_after_ms="1")
    telemetry = await differential(case, refused, case.reply(), max_retries=2)
    record = telemetry.record()
    assert record["tokenomics.attempt.count"] == 2
    assert "tokenomics.attempt.possibly_billed" not in record
    assert buckets_of(record) == BUCKETS[case.library]
    assert len(telemetry.spans()) == 1


@having("retries")
async def test_22_a_timeout_that_is_retried_may_be_billed_twice(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    case.kit.hasten(monkeypatch)
    lost = Reply(error=lambda request: case.error("ReadTimeout", "late", request=request))
    telemetry = await differential(case, lost, case.reply(), max_retries=1)
    record = telemetry.record()
    assert record["tokenomics.attempt.count"] == 2
    assert record["tokenomics.attempt.possibly_billed"] == 1
    assert buckets_of(record) == BUCKETS[case.library]


@all_cases
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_23_an_interrupt_passes_at_once(case: Case, kind: type[BaseException]) -> None:
    stop = kind("stop")
    await differential(case, Reply(error=lambda request: kind("stop")))
    with instrumented():
        with pytest.raises(kind) as caught:
            await drained(case, case.client(case.wire(Reply(error=lambda request: stop))))
    assert caught.value is stop


@having("lazy")
async def test_29_an_exception_in_the_with_body_stays_itself(case: Case) -> None:
    mine = LookupError("mine")

    async def act(case: Case, client: Any) -> Transcript:
        seen: Transcript = []
        try:
            async with (
                opened(client),
                opened(case.raw(client, "with_streaming_response")(**case.arguments())),
            ):
                raise mine
        except LookupError as error:
            seen.append((error is mine, told(error)))
        return seen

    telemetry = await differential(case, case.reply(), act=act)
    assert len(telemetry.records()) == 1


@having("closes", stream=True)
async def test_29_an_exception_while_reading_stays_itself(case: Case) -> None:
    mine = LookupError("mine")

    async def act(case: Case, client: Any) -> Transcript:
        try:
            async with opened(await value(case.create(client))) as stream:
                async for _ in items(stream):
                    raise mine
        except LookupError as error:
            return [error is mine, told(error)]
        return []

    telemetry = await differential(case, case.reply(), act=act)
    assert telemetry.record()["tokenomics.usage.source"] == "stream_partial"


def names(result: object) -> list[str]:
    """What the application finds on a result, but for what `copy` leaves on a class when it is first used."""
    return sorted(set(dir(result)) - {"__slotnames__"})


@having("response")
async def test_36_37_results_are_the_clients_own_objects(case: Case) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        result = await value(case.create(client))
        seen: Transcript = [type(result), isinstance(result, type(result)), bool(result)]
        if case.stream:
            seen += [names(result), result.response.status_code, result.response.headers.raw]
            seen.append([dumped(chunk) async for chunk in items(result)])
            return seen
        twin = copy.deepcopy(result)
        again = pickle.loads(pickle.dumps(result))
        seen += [twin == result, again == result, repr(result), str(again), copy.copy(result) == result]
        return [*seen, names(result), getattr(result, "_request_id", None)]

    await differential(case, case.reply(), act=act)


@having("raw")
async def test_38_raw_responses_keep_headers_and_are_recorded(case: Case) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        raw = await value(case.raw(client, "with_raw_response")(**case.arguments()))
        seen: Transcript = [type(raw), dict(raw.headers), raw.status_code, raw.http_response.is_closed]
        parsed = await value(raw.parse())
        if case.stream:
            return [*seen, [dumped(chunk) async for chunk in items(parsed)]]
        return [*seen, dumped(parsed), raw.http_response.content]

    telemetry = await differential(case, case.reply(), act=act)
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]


@having("lazy")
@pytest.mark.parametrize("how", ["read", "iter_bytes", "iter_lines", "iter_text", "parse"])
async def test_38_streaming_responses_stay_lazy_and_are_recorded(case: Case, how: str) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        async with opened(case.raw(client, "with_streaming_response")(**case.arguments())) as response:
            seen: Transcript = [type(response), response.http_response.is_stream_consumed]
            if how == "parse":
                parsed = await value(response.parse())
                chunks = items(parsed) if case.stream else None
                return [*seen, [dumped(one) async for one in chunks] if chunks else dumped(parsed)]
            if how == "read":
                return [*seen, await value(response.read())]
            return [*seen, [piece async for piece in items(getattr(response, how)())]]

    telemetry = await differential(case, case.reply(), act=act)
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]


class _Month(BaseModel):
    month: str


@having("parse", stream=False)
async def test_39_a_parsed_result_is_one_record(case: Case) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        arguments = case.arguments()
        shape = "response_format" if case.library == "openai" else "output_format"
        return [dumped(await value(case.resource(client).parse(**arguments, **{shape: _Month})))]

    text = '{"month":"May"}'
    body = replies.chat(text=text) if case.library == "openai" else replies.message(text=text)
    telemetry = await differential(case, Reply(replies.dumps(body)), act=act)
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]


@having("helper", stream=True)
async def test_39_a_stream_helper_is_one_record(case: Case) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        arguments = {key: given for key, given in case.arguments().items() if key != "stream"}
        async with opened(case.resource(client).stream(**arguments)) as stream:
            seen = [repr(event) async for event in items(stream)]
            final = stream.get_final_completion if case.library == "openai" else stream.get_final_message
            return [*seen, dumped(await value(final()))]

    telemetry = await differential(case, case.reply(), act=act)
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]


@having("extras")
async def test_44_the_callers_arguments_are_never_changed(case: Case) -> None:
    arguments = case.arguments()
    arguments.update(extra_headers={"x-a": "b"}, extra_body={"nested": {"deep": [1, {"a": 2}]}})
    before = copy.deepcopy(arguments)
    identities = {key: id(given) for key, given in arguments.items()}
    with instrumented():
        result = await value(case.method(case.client(case.wire(case.reply())))(**arguments))
        if case.stream:
            [chunk async for chunk in items(result)]
    assert arguments == before
    assert {key: id(given) for key, given in arguments.items()} == identities


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("options", "asked", "visible"),
    [
        (..., True, False),
        ({}, True, False),
        ({"include_obfuscation": False}, True, False),
        ({"include_usage": False}, False, False),
        ({"include_usage": True}, True, True),
        (None, None, False),
        (openai.NOT_GIVEN, True, False),
        (openai.omit, True, False),
    ],
    ids=["absent", "empty", "other", "false", "true", "none", "not_given", "omit"],
)
async def test_44_45_46_usage_is_asked_for_unless_the_caller_decided(
    asynchronous: bool, options: Any, asked: bool | None, visible: bool
) -> None:
    case = Case("openai", asynchronous, True)

    async def act(case: Case, client: Any) -> Transcript:
        arguments = {key: given for key, given in case.arguments().items() if key != "stream_options"}
        if options is not ...:
            arguments["stream_options"] = options
        before = copy.copy(options) if isinstance(options, dict) else options
        stream = await value(case.method(client)(**arguments))
        seen = [dumped(chunk) async for chunk in items(stream)]
        assert options is before or options == before
        return seen

    silent = Wire(Reply(replies.sse(replies.chat_chunks()), headers=SSE))
    talking = Wire(Reply(replies.sse(replies.chat_chunks(usage=replies.OPENAI_USAGE)), headers=SSE))
    bare = await act(case, case.client(talking if visible else silent))
    wire = talking if asked else silent
    wire.requests.clear()
    with instrumented() as telemetry:
        seen = await act(case, case.client(wire))
    assert seen == bare, "a chunk that we caused must not be seen, nor its traces in the others"
    sent = b'"include_usage":true' in wire.requests[0].content.replace(b" ", b"")
    assert sent is bool(asked)
    assert telemetry.record()["tokenomics.usage.source"] == ("provider" if asked else "tokenizer")


@all_cases
async def test_46_zero_is_zero_and_absent_is_absent(case: Case) -> None:
    record = (await differential(case, case.reply(case.kit.zero))).record()
    sides = ("input",) if case.has("input_only") else ("input", "output")
    assert buckets_of(record) == dict.fromkeys(BUCKETS[case.library] if case.has("zeros") else sides, 0)
    assert [record.get(f"gen_ai.usage.{side}_tokens") for side in sides] == [0] * len(sides)


class _Exploding:
    """Everything an instrumentation might be tempted to call."""

    looks = 0

    def _boom(self, *args: Any) -> Any:
        _Exploding.looks += 1
        raise AssertionError("a caller's object was looked at")

    __repr__ = __str__ = __len__ = __bool__ = __eq__ = __hash__ = __iter__ = __contains__ = _boom


@having("extras")
async def test_47_messages_from_a_generator_are_consumed_by_the_client_alone(case: Case) -> None:
    taken: list[int] = []

    def messages() -> Iterator[Any]:
        for number, message in enumerate(case.arguments()["messages"]):
            taken.append(number)
            yield message

    async def act(case: Case, client: Any) -> Transcript:
        taken.clear()
        return [await call(case, client, messages=messages()), list(taken)]

    await differential(case, case.reply(), act=act)


@having("extras")
@pytest.mark.parametrize("where", ["model", "messages", "metadata", "extra_headers", "extra_body"])
async def test_47_an_exploding_object_is_looked_at_by_the_client_alone(case: Case, where: str) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        _Exploding.looks = 0
        return [*await call(case, client, **{where: _Exploding()}), _Exploding.looks]

    await differential(case, case.reply(), act=act)
