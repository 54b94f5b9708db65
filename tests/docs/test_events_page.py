"""docs/EVENTS.md and its schema are those of the events."""

import json
from typing import Any

from rheo_core.cli.json_lines import SCHEMA_VERSION, STATUSES
from rheo_core.events import DownloadEventType
from scripts.event_docs import PAGE, SCHEMA, event_page, event_schema


def test_the_committed_page_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert event_page(page) == page, "it is stale: make docs"


def test_the_committed_schema_is_current() -> None:
    """If a field was removed or means something else, raise SCHEMA_VERSION."""
    assert SCHEMA.read_text("utf-8") == event_schema(), "it is stale: make docs"


def test_every_event_is_in_the_schema() -> None:
    schema: dict[str, Any] = json.loads(event_schema())
    names = [each["$ref"].rpartition("/")[2] for each in schema["anyOf"]]
    kinds = [schema["$defs"][name]["properties"] for name in names]
    assert {kind["event_type"]["const"] for kind in kinds} == set(DownloadEventType)
    assert all(kind["schema"]["const"] == SCHEMA_VERSION for kind in kinds)


def test_events_without_a_status_are_those_that_change_none() -> None:
    without = set(DownloadEventType) - set(STATUSES)
    assert without == {DownloadEventType.PRIORITY_CHANGED, DownloadEventType.REMOVED}
