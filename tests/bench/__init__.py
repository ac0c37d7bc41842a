"""What the instrumentation costs: bare against instrumented, in one run."""
