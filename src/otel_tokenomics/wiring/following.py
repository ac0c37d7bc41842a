"""What stands between a response's body and its call: each is one `try`, for the application reads on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from otel_tokenomics.flow.call import Call
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.flow.veil import quiet


def see(call: Call, data: bytes) -> None:
    """Bytes of a body passed by, or all of one event."""
    try:
        if data and not call.skim(data):
            call.chunk(data)
    except Exception as error:
        fault("tap.chunk", error)


def see_lines(call: Call, data: bytes) -> None:
    """Bytes of a stream of lines passed by, cut anywhere."""
    try:
        if data and not (quiet(data) and call.skim(data)):
            call.chunk(data)
    except Exception as error:
        fault("tap.chunk", error)


def drop(call: Call) -> None:
    """Nobody can read any more of it: said by a finalizer."""
    try:
        call.drop()
    except Exception as trouble:
        fault("tap.dropped", trouble)


def end(call: Call, error: BaseException | None = None, early: bool = False) -> None:
    """There is no more of it; `early`: because nobody wants more."""
    try:
        call.end(error=error, early=early)
    except Exception as trouble:
        fault("tap.closed", trouble)


def followed(source: Iterator[Any], call: Call, hear: Callable[[Any], None]) -> Iterator[Any]:
    """What `source` gives, each told to `hear` before the application has it, and then its end."""
    try:
        for each in source:
            try:
                hear(each)
            except Exception as trouble:
                fault("tap.chunk", trouble)
            yield each
    except GeneratorExit:
        raise
    except BaseException as error:
        end(call, error)
        raise
    end(call)


async def afollowed(
    source: AsyncIterator[Any], call: Call, hear: Callable[[Any], None]
) -> AsyncIterator[Any]:
    """`followed`, awaiting."""
    try:
        async for each in source:
            try:
                hear(each)
            except Exception as trouble:
                fault("tap.chunk", trouble)
            yield each
    except GeneratorExit:
        raise
    except BaseException as error:
        end(call, error)
        raise
    end(call)
