"""`python -m otel_tokenomics`: the `tokenomics` command."""

import sys

from otel_tokenomics.cli.main import main

sys.exit(main())
