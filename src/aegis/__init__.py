"""Aegis."""
