"""Python's searches for garbage leave out the rows of a long list."""

import gc

from rheo_tui.garbage_collections import GarbageCollections


def frozen_after(garbage: GarbageCollections, rows: int) -> bool:
    """Return True if new objects are left out of collections once the list has that many rows."""
    before, new = gc.get_freeze_count(), [[each] for each in range(100)]
    garbage.spare(rows)
    return gc.get_freeze_count() >= before + len(new)


def test_each_ten_thousand_new_rows_are_left_out_once() -> None:
    garbage = GarbageCollections()
    steps = {9_999: False, 10_000: True, 19_999: False, 20_000: True, 20_001: False}
    assert {rows: frozen_after(garbage, rows) for rows in steps} == steps


def test_rows_that_follow_removed_ones_count_as_new() -> None:
    garbage = GarbageCollections()
    steps = {10_000: True, 500: False, 10_499: False, 10_500: True}
    assert {rows: frozen_after(garbage, rows) for rows in steps} == steps
