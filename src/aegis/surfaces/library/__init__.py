"""The library surface: decorators, `Runtime`, approvals and remote mode, in the host's process."""
