"""What stands between a response's body and its call: each is one `try`, for the application reads on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
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


class _Passing:
    """The end of what is passed on. Whoever leaves before it drops the call, which says so."""

    __slots__ = ("_call", "_hear")

    def __init__(self, call: Call, hear: Callable[[Any], None]) -> None:
        self._call, self._hear = call, hear

    def tell(self, each: Any) -> None:
        """Of one thing, before the application has it."""
        try:
            self._hear(each)
        except Exception as trouble:
            fault("tap.chunk", trouble)

    def __enter__(self) -> Callable[[Any], None]:
        return self.tell

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, GeneratorExit):
            end(self._call, error)


def followed(source: Iterator[Any], call: Call, hear: Callable[[Any], None]) -> Iterator[Any]:
    """What `source` gives, each told to `hear` before the application has it, and then its end."""
    with _Passing(call, hear) as tell:
        for each in source:
            tell(each)
            yield each


async def afollowed(
    source: AsyncIterator[Any], call: Call, hear: Callable[[Any], None]
) -> AsyncGenerator[Any]:
    """`followed`, awaiting. A generator that awaits is closed by nobody but who reads it."""
    with _Passing(call, hear) as tell:
        try:
            async for each in source:
                tell(each)
                yield each
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
