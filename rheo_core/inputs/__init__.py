"""Anything a user pastes or loads, into entries with a verdict each."""

from .entries import Entry, Verdict
from .found import ReadOptions
from .reading import bounded_lines, read_entries, read_entries_file

__all__ = ["Entry", "ReadOptions", "Verdict", "bounded_lines", "read_entries", "read_entries_file"]
