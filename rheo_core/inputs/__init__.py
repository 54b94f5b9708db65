"""Anything a user pastes or loads, into entries with a verdict each."""

from .entries import Entry, Verdict
from .found import ReadOptions, problem_of
from .reading import bounded_lines, read_entries, read_entries_file

__all__ = [
    "Entry",
    "ReadOptions",
    "Verdict",
    "bounded_lines",
    "problem_of",
    "read_entries",
    "read_entries_file",
]
