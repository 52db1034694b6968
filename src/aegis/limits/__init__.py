"""Limits: arithmetic on counts that come in as values."""

from .rate import MINUTE, Bucket, Take, spend, take

__all__ = ["MINUTE", "Bucket", "Take", "spend", "take"]
