"""Checking a finished file."""

from .validator import BaseFileValidator, FileValidator, NullFileValidator

__all__ = ["BaseFileValidator", "FileValidator", "NullFileValidator"]
