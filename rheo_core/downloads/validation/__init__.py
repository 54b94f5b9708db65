"""Checking a finished file."""

from .validator import BaseFileValidator, FileValidator, NullFileValidator, compare

__all__ = ["BaseFileValidator", "FileValidator", "NullFileValidator", "compare"]
