"""`make vertexai`: the tests of google-cloud-aiplatform, in an environment that has it.

It takes about 400 MB and is kept as those of `make frameworks` and `make versions` are. The files of the
fault matrix are those of every other library; of them the cases of this one are played.

    make vertexai                        every test
    make vertexai ARGS='-k streamed'     what pytest selects
"""

from __future__ import annotations

import sys

from tests.frameworks.run import GROUND, MATRIX, play

NAMES = ("google-cloud-aiplatform", "google-api-core", "grpcio")
TESTS = ("tests/vertexai", *MATRIX)

if __name__ == "__main__":
    sys.exit(play((NAMES[0], *GROUND), NAMES, TESTS, ["-q", "-k", "aiplatform or vertexai", *sys.argv[1:]]))
