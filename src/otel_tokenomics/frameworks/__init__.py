"""Frameworks above the client libraries: which agent, workflow, step and tool a call is made in."""
