"""What several test folders share: scripted transports, replies, captured telemetry."""
