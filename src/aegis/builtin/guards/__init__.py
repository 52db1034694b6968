"""The guards that ship: one pass of the detection engine for all of them."""

from .detect import DetectGuard, build_guard

__all__ = ["DetectGuard", "build_guard"]
