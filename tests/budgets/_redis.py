"""A real Redis server on a free port of the loopback interface, with nothing kept on disk unless asked."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests._required import require, require_tool

REASON = "budgets of many machines are kept in it; install redis-server, by apt on Debian and Ubuntu"


class Server:
    """One server that can be stopped and started again, keeping what it holds in its append-only file."""

    def __init__(self, folder: Path) -> None:
        require("redis", "the client library of the extra `redis`")
        self._tool = require_tool("redis-server", REASON)
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self._folder,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        self._process = subprocess.Popen([self._tool, *flags], stdout=subprocess.DEVNULL)
        self._await()

    def stop(self) -> None:
        """Stop as a service manager would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def _await(self) -> None:
        import redis

        client = redis.Redis.from_url(self.url, socket_timeout=1)
        deadline = time.monotonic() + 20
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                select_nothing(0.01)
        client.close()


def select_nothing(seconds: float) -> None:
    """Wait for another process, which has nothing to wait on."""
    import select

    select.select([], [], [], seconds)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server for the block."""
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
