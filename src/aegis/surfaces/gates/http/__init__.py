"""The HTTP gate: a forward proxy in which every request is an action."""
