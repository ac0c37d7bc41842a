"""Check the registry: `python -m tools.semconv.check`. Prints what is wrong, and returns 1 when anything is.

A JSON schema of the format sees shapes only; these rules are OpenTelemetry's on names, units, instruments and
cardinality, and ours.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml
from tools.semconv.meaning import meaning_findings
from tools.semconv.naming import naming_findings
from tools.semconv.registry import resolve
from tools.semconv.shape import Finding, shape_findings
from tools.semconv.source import ORIGINS, OWN, SEMCONV, documents, manifest


def findings(root: Path = SEMCONV) -> list[Finding]:
    """Everything that is wrong with the registry at `root`: its shape, then its names, then its sense."""
    try:
        files = documents(root)
        found = [*_manifests(root), *shape_findings(files)]
    except (OSError, yaml.YAMLError) as error:
        return [Finding("format", str(root), f"a file cannot be read: {error}")]
    if not found:
        found = list(naming_findings(files))
    if not any(finding.rule == "dangling" for finding in found) and not _misshapen(found):
        found += meaning_findings(files, resolve(files))
    return found


def _misshapen(found: list[Finding]) -> bool:
    return any(finding.rule in ("shape", "format", "level", "manifest") for finding in found)


def _manifests(root: Path) -> list[Finding]:
    found = []
    urls = {origin: str(manifest(origin, root).get("schema_url", "")) for origin in ORIGINS}
    for origin, url in urls.items():
        parts = urlparse(url)
        if parts.scheme not in ("http", "https") or not parts.path.strip("/"):
            found.append(Finding("manifest", origin, f"`{url}` is no schema URL"))
        for needed in manifest(origin, root).get("dependencies") or ():
            found += _dependency(origin, needed, urls)
    if not urls[OWN].endswith("-dev"):
        found.append(Finding("manifest", OWN, "until something is stable the version ends in -dev"))
    return found


def _dependency(origin: str, needed: dict[str, Any], urls: dict[str, str]) -> list[Finding]:
    path = str(needed.get("registry_path", ""))
    there = urls.get(path.removeprefix("semconv/"))
    if there is None:
        return [Finding("manifest", origin, f"it depends on `{path}`, which is not here")]
    if there != needed.get("schema_url"):
        return [Finding("manifest", origin, f"it names `{path}` by another schema URL than its own")]
    return []


def main() -> int:
    """Print every finding; 1 when there are any."""
    found = findings()
    for finding in found:
        print(finding)
    if not found:
        print("The registry keeps every rule")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
