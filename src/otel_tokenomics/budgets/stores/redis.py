"""The store of many machines: Redis, or a Redis Cluster, by seven fixed scripts. Needs the extra `redis`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from otel_tokenomics.budgets.protocol import Answer, Balance, Line, Settled, State, StoreDownError
from otel_tokenomics.budgets.stores import scripts

PREFIX = "tokenomics"
_PARTS = ("accounts", "holds", "leases", "late", "lates", "ends")


class RedisStore:
    """Accounts in Redis, under one hash tag. Safe among threads, processes, machines and after a fork.

    `timeout` is the most seconds that a step may take. `client` stands for the one that `url` would make.
    """

    blocks = True

    def __init__(self, url: str, timeout: float = 1.0, tag: str = "all", client: Any = None) -> None:
        self._url = url
        self._timeout = timeout
        self._keys = [f"{PREFIX}:{{{tag}}}:{part}" for part in _PARTS]
        self._client = client
        self._pid = os.getpid() if client is not None else 0
        self._lock = threading.Lock()
        self._scripts: dict[str, Any] = {}
        self._ahead = 0.0

    def now(self) -> float:
        """Redis's time, by what its last answer said."""
        return time.time() + self._ahead

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """Hold all lines or none."""
        return _swept(self._run(scripts.RESERVE, [hold, ttl, *_flat(lines)]))

    def top_up(self, hold: str, lines: Sequence[Line]) -> Answer:
        """Hold as much again."""
        return _answer(self._run(scripts.TOP_UP, [hold, *_flat(lines)]))

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        """Turn the hold into what was spent."""
        told = self._run(scripts.SETTLE, [hold, *spent])
        return Settled(cast(State, told[0]), _balances(told))

    def expire(self) -> int:
        """Settle in full what has expired."""
        return int(self._run(scripts.EXPIRE, [])[2])

    def read(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        """The balance of each line."""
        return _balances(self._run(scripts.READ, _flat(lines)))

    def look(self, lines: Sequence[Line]) -> Answer:
        """The balance of each line, without what has expired."""
        return _swept(self._run(scripts.LOOK, _flat(lines)))

    def accounts(self) -> list[str]:
        """The names of all accounts."""
        told = self._run(scripts.ACCOUNTS, [])
        return sorted({field.partition("\t")[0] for field in told[2:]})

    def tags(self) -> list[str]:
        """Every hash tag under which accounts are kept. Looks through the whole database: not for a call."""
        before, after = f"{PREFIX}:{{", f"}}:{_PARTS[0]}"
        try:
            found = list(self._connection().scan_iter(match=f"{before}*{after}", count=1000))
        except Exception as error:
            raise self._down(error) from error
        return sorted(key.decode().removeprefix(before).removesuffix(after) for key in found)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None and self._pid == os.getpid():
            self._client.close()

    def _run(self, script: str, arguments: list[Any]) -> list[str]:
        try:
            run = self._script(script)
            before = time.time()
            told = [part.decode() for part in run(keys=self._keys, args=arguments)]
        except Exception as error:
            raise self._down(error) from error
        after = time.time()
        at = float(told[1])
        if not before <= at <= after:
            self._ahead = at - (before + after) / 2
        return told

    def _down(self, error: Exception) -> StoreDownError:
        if isinstance(error, StoreDownError):
            return error
        return StoreDownError(f"{_place(self._url)}: {type(error).__name__}")

    def _connection(self) -> Any:
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._client, self._scripts = self._connected(), {}
                    self._pid = os.getpid()
        return self._client

    def _script(self, text: str) -> Any:
        client = self._connection()
        found = self._scripts.get(text)
        if found is None:
            found = self._scripts[text] = client.register_script(text)
        return found

    def _connected(self) -> Any:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise StoreDownError(
                "the redis package is not installed: pip install 'otel-tokenomics[redis]'"
            ) from None
        return redis.Redis.from_url(
            self._url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            # Once, for a connection that Redis closed when it was restarted.
            retry=Retry(NoBackoff(), 1),
        )


def _place(url: str) -> str:
    """Scheme, host and port of a URL: its password is nobody's business."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def _flat(lines: Sequence[Line]) -> list[Any]:
    return [part for line in lines for part in line]


def _balances(told: Sequence[str]) -> tuple[Balance, ...]:
    return tuple([Balance(int(told[at]), int(told[at + 1])) for at in range(2, len(told) - 1, 2)])


def _answer(told: Sequence[str]) -> Answer:
    moved = int(float(told[1])) if told[0] == "moved" else None
    return Answer(told[0] == "granted", _balances(told), moved)


def _swept(told: Sequence[str]) -> Answer:
    """An answer, behind which stands how many holds had expired."""
    return _answer(told[:-1])._replace(expired=int(told[-1]))


class Sharded:
    """One hash tag for each value of an owner, so that a cluster spreads them over its nodes.

    Every budget matches by that owner, so that all accounts of a call have the same tag.
    """

    blocks = True

    def __init__(self, url: str, timeout: float, owner: str) -> None:
        self._url = url
        self._timeout = timeout
        self._mark = f"|{owner}="
        self._lock = threading.Lock()
        self._shards: dict[str, RedisStore] = {}
        self._first = RedisStore(url, timeout)
        self._holds: dict[str, RedisStore] = {}

    def now(self) -> float:
        """Redis's time."""
        return next(iter(self._shards.values()), self._first).now()

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """Hold all lines or none."""
        shard = self._shard(lines)
        answer = shard.reserve(hold, lines, ttl)
        if answer.granted:
            self._holds[hold] = shard
        return answer

    def top_up(self, hold: str, lines: Sequence[Line]) -> Answer:
        """Hold as much again."""
        return self._shard(lines).top_up(hold, lines)

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        """Turn the hold into what was spent."""
        shard = self._holds.get(hold)
        if shard is None:
            return Settled("unknown")
        settled = shard.settle(hold, spent)
        self._holds.pop(hold, None)
        return settled

    def expire(self) -> int:
        """Settle in full what has expired under the tags that this process knows."""
        return sum(shard.expire() for shard in list(self._shards.values()))

    def read(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        """The balance of each line."""
        return self._asked(lines, lambda shard, own: Answer(True, shard.read(own))).balances

    def look(self, lines: Sequence[Line]) -> Answer:
        """The balance of each line, without what has expired under their tags."""
        return self._asked(lines, lambda shard, own: shard.look(own))

    def accounts(self) -> list[str]:
        """The names of all accounts, whoever made them; from then on all their tags are known."""
        shards = [self._at(tag) for tag in self._first.tags()]
        return [name for shard in shards for name in shard.accounts()]

    def close(self) -> None:
        """Close the connections."""
        for shard in list(self._shards.values()):
            shard.close()

    def _asked(self, lines: Sequence[Line], ask: Callable[[RedisStore, list[Line]], Answer]) -> Answer:
        """Each shard is asked once, about all lines of its own."""
        own: dict[RedisStore, list[Line]] = {}
        for line in lines:
            own.setdefault(self._shard([line]), []).append(line)
        answers = {shard: ask(shard, asked) for shard, asked in own.items()}
        found = {
            line: balance
            for shard, asked in own.items()
            for line, balance in zip(asked, answers[shard].balances, strict=True)
        }
        over = sum(answer.expired for answer in answers.values())
        return Answer(True, tuple([found[line] for line in lines]), expired=over)

    def _shard(self, lines: Sequence[Line]) -> RedisStore:
        _, _, rest = lines[0].account.partition(self._mark)
        # A brace would end the tag early.
        return self._at(rest.partition("|")[0].replace("{", "(").replace("}", ")") or "all")

    def _at(self, tag: str) -> RedisStore:
        with self._lock:
            if tag not in self._shards:
                self._shards[tag] = RedisStore(self._url, self._timeout, tag)
            return self._shards[tag]
