"""Anything a user pastes or loads, into entries with a verdict each."""

from .entries import Entry, Verdict
from .reading import read_entries, read_entries_file

__all__ = ["Entry", "Verdict", "read_entries", "read_entries_file"]
