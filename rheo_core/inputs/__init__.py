"""Read anything that a user pastes or loads, and give each entry a verdict."""

from .entries import Entry, Verdict
from .pipeline import (
    bounded_lines,
    collect_entries,
    read_entries,
    read_entries_file,
    recheck_entries,
)
from .reader_api import ReadOptions, problem_of

__all__ = [
    "Entry",
    "ReadOptions",
    "Verdict",
    "bounded_lines",
    "collect_entries",
    "problem_of",
    "read_entries",
    "read_entries_file",
    "recheck_entries",
]
