"""`python -m otel_tokenomics.cli`."""

import sys

from otel_tokenomics.cli.main import main

sys.exit(main())
