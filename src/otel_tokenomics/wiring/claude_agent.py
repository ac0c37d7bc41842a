"""The seam in the Claude Agent SDK: the messages that it reads from its command line, one by one.

A result is recorded when the application is given it, once for each model that it used. The messages pass by
unchanged.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import AsyncIterator
from typing import Any

from otel_tokenomics.adapters.claude_agent import Answer, Share, Totals
from otel_tokenomics.attribution import places
from otel_tokenomics.flow.call import Call
from otel_tokenomics.flow.guard import fault, log
from otel_tokenomics.wiring import stainless
from otel_tokenomics.wiring.suppression import suppressed


class Seam(stainless.Seam):
    """The one patched method, and where the results go."""

    def __init__(self, library: str) -> None:
        super().__init__(library)
        self._totals: weakref.WeakKeyDictionary[Any, Totals] = weakref.WeakKeyDictionary()

    def patch(self, module: Any) -> None:
        """Wrap what there is. Also called after its import, by a hook."""
        if not self.active:
            return
        owner: Any = getattr(module, "Query", None)
        if not hasattr(owner, "receive_messages"):
            log.warning("%s has no seam in Query: its results are not recorded", self.library)
            return
        self._wrap(owner, "receive_messages", self._receive)

    def _receive(self, original: Any) -> Any:
        @functools.wraps(original)
        async def receive_messages(query: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            messages = original.__get__(query, type(query))(*args, **kwargs)
            try:
                async for message in messages:
                    try:
                        self._hear(query, message)
                    except Exception as error:
                        fault("seam.result", error)
                    yield message
            finally:
                close = getattr(messages, "aclose", None)
                if close is not None:
                    await close()

        return receive_messages

    def _hear(self, query: Any, message: Any) -> None:
        if message.get("type") not in ("result", "conversation_reset"):
            return
        totals = self._totals.get(query)
        if totals is None:
            totals = self._totals[query] = Totals()
        shares = list(totals.shares(message))
        if self.active and not suppressed():
            for share in shares:
                self._record(query, share)

    def _record(self, query: Any, share: Share) -> None:
        desk, adapter = self.desk, self.adapter
        if desk is None or adapter is None:
            return
        facts = adapter.facts(query, share, False)
        if facts is None:
            return
        frame = places.begin(conversation=share.session)
        try:
            entry = desk.admit(facts, ago_ns=share.duration_ns)
        finally:
            places.end(frame)
        call = Call(desk, entry, adapter.meter(query, share, facts), share)
        call.responded(Answer(), False, 0)
        call.end()
