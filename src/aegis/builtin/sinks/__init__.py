"""Sinks that ship with Aegis."""
