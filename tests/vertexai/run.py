"""`make vertexai`: the tests of google-cloud-aiplatform, in an environment that has it.

It takes about 400 MB and is kept as those of `make frameworks` and `make versions` are. The files of the
fault matrix are those of every other library; of them the cases of this one are played.

    make vertexai                        every test
    make vertexai ARGS='-k streamed'     what pytest selects
"""

from __future__ import annotations

import sys

from tests.frameworks.run import play

NAMES = ("google-cloud-aiplatform", "google-api-core", "grpcio")
ALSO = ("openai", "cohere", "aiohttp", "anyio")
"""What the tests' own ground imports."""
MATRIX = ("calls", "streams", "ours", "telemetry", "machine", "injector")
TESTS = (
    "tests/vertexai",
    *(f"tests/faults/test_{name}.py" for name in MATRIX),
    "tests/wiring/test_libraries.py",
)

if __name__ == "__main__":
    sys.exit(play((NAMES[0], *ALSO), NAMES, TESTS, ["-q", "-k", "aiplatform or vertexai", *sys.argv[1:]]))
