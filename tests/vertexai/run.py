"""`make vertexai`: the tests of google-cloud-aiplatform, in an environment that has it.

It takes about 300 MB and is kept as those of `make frameworks` and `make versions` are.

    make vertexai                        every test
    make vertexai ARGS='-k streamed'     what pytest selects
"""

from __future__ import annotations

import sys

from tests.frameworks.run import play

NAMES = ("google-cloud-aiplatform", "google-api-core", "grpcio")
ALSO = ("openai",)
"""What the tests' own ground imports."""

if __name__ == "__main__":
    sys.exit(play((NAMES[0], *ALSO), NAMES, ("tests/vertexai",), sys.argv[1:]))
