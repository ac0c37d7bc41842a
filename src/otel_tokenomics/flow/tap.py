"""The tap on a response whose body is still to come.

The client libraries read every streamed body through the response's own `iter_bytes` or `aiter_bytes` and
end it with `close` or `aclose`, whatever the application does: reads to the end, breaks, cancels, or takes
the raw response. So those four names are covered on the one response object, over whatever somebody else
covered them with, and uncovered at its end.
The covers hold the response, as the client libraries' own stream objects hold themselves: a stream that is
dropped before its end is found by the garbage collector, and its call settled then.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from otel_tokenomics.flow import late
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.flow.veil import Veil, quiet

if TYPE_CHECKING:
    from otel_tokenomics.flow.call import Call

_COVERED = ("iter_bytes", "aiter_bytes", "close", "aclose")
_open: weakref.WeakSet[Call] = weakref.WeakSet()


def install(response: Any, call: Call) -> None:
    """Cover `response`. Every byte it yields and its end are told to `call`."""
    below = {name: getattr(response, name) for name in _COVERED if hasattr(response, name)}
    earlier = {name: cover for name, cover in below.items() if name in vars(response)}
    veil = Veil() if call.veils else None

    # Weakly: a reader that the application drops is to end then and there, and with it the response.
    reading: weakref.WeakSet[Any] = weakref.WeakSet()

    def iter_bytes(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        tapped = _tapped(response, below["iter_bytes"](*args, **kwargs), call, veil)
        reading.add(tapped)
        return tapped

    def aiter_bytes(*args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        tapped = _atapped(response, below["aiter_bytes"](*args, **kwargs), call, veil)
        reading.add(tapped)
        return tapped

    def close(*args: Any, **kwargs: Any) -> Any:
        try:
            return below["close"](*args, **kwargs)
        finally:
            _closed(response, call, earlier, reading)

    async def aclose(*args: Any, **kwargs: Any) -> Any:
        try:
            return await below["aclose"](*args, **kwargs)
        finally:
            _closed(response, call, earlier, reading)

    watch(call)
    # Last, for what fails is done again: covers over our own would tell everything twice.
    covers = {"iter_bytes": iter_bytes, "aiter_bytes": aiter_bytes, "close": close, "aclose": aclose}
    vars(response).update({name: covers[name] for name in below})


def watch(call: Call) -> None:
    """Settle a call whose body follows when the process ends, unless it is over by then."""
    late.start()
    _open.add(call)


def _tapped(
    response: Any, source: Iterator[bytes], call: Call, veil: Veil | None
) -> Generator[bytes, None, None]:
    try:
        for data in source:
            shown = _see(data, call, veil)
            if shown:
                yield shown
    except GeneratorExit:
        _closed(response, call)
        raise
    except BaseException as error:
        _broken(call, error)
        raise
    _closed(response, call)
    if veil is not None and veil.held:
        yield veil.release()


async def _atapped(
    response: Any, source: AsyncIterator[bytes], call: Call, veil: Veil | None
) -> AsyncGenerator[bytes, None]:
    try:
        async for data in source:
            shown = _see(data, call, veil)
            if shown:
                yield shown
    except GeneratorExit:
        _closed(response, call)
        raise
    except BaseException as error:
        _broken(call, error)
        raise
    _closed(response, call)
    if veil is not None and veil.held:
        yield veil.release()


def _see(data: bytes, call: Call, veil: Veil | None) -> bytes:
    """Tell the call, which may fail, then decide what the application sees, which may not."""
    try:
        shown = quiet(data) if veil is None or veil.idle else None
        if shown is not None and call.skim(shown):
            return data if veil is None else shown
        call.chunk(data)
    except Exception as error:
        fault("tap.chunk", error)
    if veil is None:
        return data
    for _ in range(2):
        try:
            return veil.lift(data)
        except Exception as error:
            fault("tap.veil", error)
    return data


def _broken(call: Call, error: BaseException) -> None:
    try:
        call.end(error=error)
    except Exception as trouble:
        fault("tap.broken", trouble)


def _closed(
    response: Any, call: Call, earlier: Mapping[str, Any] | None = None, reading: Iterable[Any] = ()
) -> None:
    """The response was closed, or its reader is done: without `earlier`, and only if it is closed by then.

    The HTTP libraries close a response with its last byte. Who reads it in pieces of a size has the last ones
    after that, so that a close by the reader itself is not the end yet.
    """
    try:
        if earlier is None and not getattr(response, "is_closed", True):
            return
        if not any(getattr(reader, "gi_running", getattr(reader, "ag_running", False)) for reader in reading):
            call.end(error=_in_flight())
            _open.discard(call)
        if earlier is not None:
            for name in _COVERED:
                vars(response).pop(name, None)
            vars(response).update(earlier)
    except Exception as error:
        fault("tap.closed", error)


def _in_flight() -> BaseException | None:
    """The transport's error that is on its way, if that is why the response is closed.

    The HTTP libraries close a broken response before their error passes the tap. An error of the
    application's own, in whose `with` block the stream happens to be closed, is none of the call's.
    """
    error = sys.exc_info()[1]
    library = type(error).__module__.partition(".")[0]
    return error if library in ("httpx", "httpx2", "httpcore", "httpcore2") else None


def _settle_open() -> None:
    """At exit: a stream that is still open has cost what it has cost so far."""
    for call in list(_open):
        call.end(early=True)


late.at_exit(_settle_open)
