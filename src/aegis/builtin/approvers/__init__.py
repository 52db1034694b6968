"""Channels that tell people about a pending approval."""
