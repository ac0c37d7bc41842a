"""One billed call, told once: flow, call, drivers, the tap on a stream, the guard around all."""
