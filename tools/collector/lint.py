"""What the collector itself would let pass: `python -m tools.collector.lint [FILE...]`.

It loads what is deprecated and warns only at its start, ignores keys that it does not know in some
components, takes an empty secret for a secret, and lets one file overwrite another.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "collector-config"
SECTIONS: Final = ("receivers", "processors", "exporters", "connectors", "extensions")

RENAMED: Final = {
    "exporters": {
        "otlp": "otlp_grpc",
        "otlphttp": "otlp_http",
        "loadbalancing": "load_balancing",
        "prometheusremotewrite": "prometheus_remote_write",
        "logging": "debug",
    },
    "processors": {
        "cumulativetodelta": "cumulative_to_delta",
        "deltatocumulative": "delta_to_cumulative",
        "metricstransform": "metrics_transform",
        "resourcedetection": "resource_detection",
        "k8sattributes": "k8s_attributes",
        "genainormalizer": "gen_ai_normalizer",
        "queuebatch": "queue_batch",
        "tailsampling": "tail_sampling",
    },
    "connectors": {
        "spanmetrics": "span_metrics",
        "signaltometrics": "signal_to_metrics",
        "servicegraph": "service_graph",
    },
    "receivers": {"filelog": "file_log", "hostmetrics": "host_metrics", "kubeletstats": "kubelet_stats"},
    "extensions": {},
}
"""Types that load through an alias, and what they are called now."""

HTTP_CLIENT: Final = """
    endpoint proxy_url tls read_buffer_size write_buffer_size timeout headers auth compression
    compression_params max_conns_per_host http2_read_idle_timeout http2_ping_timeout cookies
    force_attempt_http2 middlewares keepalive idle_conn_timeout max_idle_conns max_idle_conns_per_host
    disable_keep_alives sending_queue traces_endpoint metrics_endpoint logs_endpoint profiles_endpoint
    encoding
"""
HTTP_SERVER: Final = """
    endpoint transport dialer tls cors auth max_request_body_size include_metadata response_headers
    compression_algorithms read_timeout read_header_timeout write_timeout middlewares keepalive
    idle_timeout keep_alives_enabled traces_url_path metrics_url_path logs_url_path
"""
RETRY: Final = dict.fromkeys(
    ("enabled", "initial_interval", "max_interval", "max_elapsed_time", "multiplier", "randomization_factor")
)
LENIENT: Final[Mapping[str, Mapping[str, Any]]] = {
    "otlp_http": {**dict.fromkeys(HTTP_CLIENT.split()), "retry_on_failure": RETRY},
    "otlp": {"protocols": {"grpc": None, "http": dict.fromkeys(HTTP_SERVER.split())}},
}
"""Components that ignore keys which they do not know, where they do, and every key that they know.

Found by planting a key in every mapping of the merged configuration; `tests/wire/test_lint.py` does it again.
"""

SECRET_HEADERS: Final = re.compile(
    r"api-?key|authorization|token|honeycomb-team|password|secret", re.IGNORECASE
)
NETWORK: Final = ("otlp_grpc", "otlp_http", "datadog", "clickhouse", "kafka", "awss3")
LOOPBACK: Final = re.compile(r"^(\$\{env:\w+:-)?(127\.0\.0\.1|localhost|\[::1\])[:}]")


def load(path: Path) -> dict[str, Any]:
    """A configuration file."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def findings(path: Path) -> Iterator[str]:
    """What is wrong within one file."""
    config = load(path)
    for section in SECTIONS:
        for name, body in (config.get(section) or {}).items():
            kind = name.partition("/")[0]
            if kind in RENAMED[section]:
                yield f"{section}: {name}: the type is called {RENAMED[section][kind]} now"
            if kind in LENIENT:
                yield from unknown(body or {}, LENIENT[kind], name)
            yield from secrets(body, name)
            if section == "exporters" and kind in NETWORK:
                yield from forgets(body or {}, name)
            if section == "receivers":
                yield from open_doors(body, name)


def unknown(body: Any, known: Mapping[str, Any] | None, where: str) -> Iterator[str]:
    """Keys that the component would ignore."""
    if known is None:
        return
    if isinstance(body, list):
        for item in body:
            yield from unknown(item, known, where)
    elif isinstance(body, dict):
        for key, value in body.items():
            if key not in known:
                yield f"{where}: {key}: the collector ignores this key; it knows {', '.join(sorted(known))}"
            else:
                yield from unknown(value, known[key], f"{where}: {key}")


def secrets(body: Any, where: str) -> Iterator[str]:
    """Secrets that stand in the file."""
    if not isinstance(body, dict):
        return
    for key, value in body.items():
        if isinstance(value, dict):
            yield from secrets(value, f"{where}: {key}")
        elif SECRET_HEADERS.search(str(key)) and isinstance(value, str) and "${" not in value:
            yield f"{where}: {key}: a secret belongs in the environment: ${{env:NAME}}"


def forgets(body: Mapping[str, Any], where: str) -> Iterator[str]:
    """Exporters that lose what they hold when the process dies, or after a while."""
    if "storage" not in (body.get("sending_queue") or {}):
        yield f"{where}: sending_queue.storage is not set: a crash loses the queue"
    if str((body.get("retry_on_failure") or {}).get("max_elapsed_time")) not in ("0", "0s"):
        yield f"{where}: retry_on_failure.max_elapsed_time is not 0s: it gives up after five minutes"


def open_doors(body: Any, where: str) -> Iterator[str]:
    """Receivers beyond loopback without a certificate and a token."""
    if not isinstance(body, dict):
        return
    endpoint = body.get("endpoint")
    if isinstance(endpoint, str) and not LOOPBACK.match(endpoint) and not ("tls" in body and "auth" in body):
        yield f"{where}: {endpoint} is open to others: it needs tls and auth"
    for key, value in body.items():
        yield from open_doors(value, f"{where}: {key}")


def collisions(paths: list[Path]) -> Iterator[str]:
    """What two backends both define: merged, the later would overwrite the earlier.

    A variable's requirement may stand in several, since it is the same in each.
    """
    owner: dict[str, Path] = {}
    for path in paths:
        config = load(path)
        lists = [f"service: {key}" for key in config.get("service") or {} if key != "pipelines"]
        pipelines = (config.get("service") or {}).get("pipelines") or {}
        mine = [f"{section}: {name}" for section in SECTIONS for name in config.get(section) or {}]
        for name in [*mine, *lists, *(f"pipelines: {pipeline}" for pipeline in pipelines)]:
            if name in owner and not name.endswith("_is_not_set"):
                yield f"{path.name}: {name}: {owner[name].name} defines it too"
            owner.setdefault(name, path)


def main(arguments: list[str]) -> int:
    """Print what is wrong; 1 when anything is."""
    paths = [Path(argument) for argument in arguments]
    paths = paths or sorted(path for path in FOLDER.glob("*.yaml") if not path.name.startswith("builder"))
    found = [f"{path}: {finding}" for path in paths for finding in findings(path)]
    found += collisions([path for path in paths if path.name.startswith("backend-")])
    print("\n".join(found) or f"Nothing wrong in {len(paths)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
