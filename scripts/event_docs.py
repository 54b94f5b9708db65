"""Fill the table of docs/EVENTS.md and its JSON schema: `python -m scripts.event_docs`."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from rheo_core.cli.json_lines import SCHEMA_VERSION, STATUSES
from rheo_core.events import models

from .generated import replace_part

_DOCS = Path(__file__).parents[1] / "docs"
PAGE = _DOCS / "EVENTS.md"
SCHEMA = _DOCS / "events.schema.json"
_EVENTS: list[type[models.DownloadEvent]] = models.DownloadEvent.__subclasses__()
_ADDED: dict[str, Any] = {
    "schema": {"const": SCHEMA_VERSION, "description": "Version of this schema"},
    "status": {
        "description": "Status of the download after this event; null if it did not change",
        "enum": [*dict.fromkeys(status.value for status in STATUSES.values()), None],
    },
    "input": {
        "description": "List or argument that names the download",
        "type": ["string", "null"],
    },
    "line": {"description": "Line of the input, from 1", "type": ["integer", "null"]},
}
"""Fields that only the lines of `--json` have."""


def event_schema() -> str:
    """Return a JSON schema (draft 2020-12) of one line of `--json`."""
    schemas = {kind: TypeAdapter(kind).json_schema(mode="serialization") for kind in _EVENTS}
    definitions: dict[str, Any] = {}
    for kind, schema in schemas.items():
        definitions |= schema.pop("$defs", {})
        properties = schema["properties"]
        properties["event_type"] = {"const": properties["event_type"]["default"]}
        schema["properties"] = {**_ADDED, **properties}
        schema["required"] = list(schema["properties"])
        definitions[kind.__name__] = schema
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lines of rheo download --json",
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in _EVENTS],
        "$defs": definitions,
    }
    return f"{json.dumps(whole, indent=2, ensure_ascii=False)}\n"


def event_page(page: str) -> str:
    """Return `page` with a current table of the events."""
    lines = ["| `event_type` | meaning | `status` | additional fields |", "|---|---|---|---|"]
    common = models.DownloadEvent.model_fields
    for kind in _EVENTS:
        event_type = kind.model_fields["event_type"].default
        meaning = (kind.__doc__ or "").partition("\n")[0]
        status = f"`{STATUSES[event_type]}`" if event_type in STATUSES else ""
        own = [name for name in kind.model_fields if name not in common]
        own += kind.model_computed_fields
        names = ", ".join(f"`{name}`" for name in own)
        lines.append(f"| `{event_type}` | {meaning} | {status} | {names} |")
    return replace_part(page, "events", "\n".join(lines))


if __name__ == "__main__":
    PAGE.write_text(event_page(PAGE.read_text("utf-8")), "utf-8")
    SCHEMA.write_text(event_schema(), "utf-8")
