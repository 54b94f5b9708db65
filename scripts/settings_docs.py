"""The tables of docs/SETTINGS.md and the JSON schema of the settings file, from the settings model.

`make settings-docs` runs it. It replaces what stands between `<!-- MODEL -->` and
`<!-- /MODEL -->`; the prose around the tables belongs to the page.
"""

import json
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from rheo_core.config.host_settings import HostSettings
from rheo_core.config.settings import Settings
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.rules import Rule

from .generated import replace_part

_DOCS = Path(__file__).parents[1] / "docs"
_TABLES = (
    (Settings, BaseModel),
    (RequestOptions, BaseModel),
    (HostSettings, RequestOptions),
    (Rule, BaseModel),
)
"""Models, each with the model whose fields its table leaves out."""


def settings_page(page: str) -> str:
    """Return `page` with current tables."""
    for model, besides in _TABLES:
        page = replace_part(page, model.__name__, _table(model, besides=besides))
    return page


def settings_schema() -> str:
    """Return a JSON schema (draft 2020-12) of the settings file as TOML can hold it."""
    schema = Settings.model_json_schema()
    _allow_texts(Settings, schema["properties"])
    for model in (RequestOptions, HostSettings, Rule):
        table = schema["$defs"][model.__name__]
        table.pop("description")  # is for programmers
        _allow_texts(model, table["properties"])
        _leave_open(model, table["properties"])
    schema["properties"]["request"].pop("default")  # a table that says nothing
    _replace_null(schema)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Settings of rheo"
    schema["description"] = "rheo/settings.toml"
    return f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n"


def _reads_text(field: FieldInfo) -> bool:
    return any(isinstance(part, BeforeValidator) for part in field.metadata)


def _allow_texts(model: type[BaseModel], properties: dict[str, Any]) -> None:
    for name, field in model.model_fields.items():
        if _reads_text(field):
            _allow_text(properties[name])


def _leave_open(model: type[BaseModel], properties: dict[str, Any]) -> None:
    """Drop null, which TOML cannot hold, from options that a table may omit; a limit has `off`."""
    for name, field in model.model_fields.items():
        schema = properties[name]
        if schema.get("default", "") is None:
            del schema["default"]
        branches = schema.get("anyOf", [])
        if {"type": "null"} in branches and not _reads_text(field):
            branches.remove({"type": "null"})
            if len(branches) == 1:
                schema.update(schema.pop("anyOf")[0])


def _allow_text(schema: dict[str, Any]) -> None:
    """Allow text, such as `5M`, for a number."""
    names = ("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    if schema.get("type") in ("integer", "number"):
        schema["anyOf"] = [{name: schema.pop(name) for name in names if name in schema}]
    if any(branch.get("type") in ("integer", "number") for branch in schema.get("anyOf", ())):
        schema["anyOf"].append({"type": "string"})


def _replace_null(schema: Any) -> None:
    """Replace null, which TOML does not have, by `off`."""
    if isinstance(schema, dict):
        branches = schema.get("anyOf", [])
        if {"type": "null"} in branches:
            branches[branches.index({"type": "null"})] = {"const": "off"}
        if schema.get("default", "") is None:
            schema["default"] = "off"
    if isinstance(schema, dict | list):
        for part in schema.values() if isinstance(schema, dict) else schema:
            _replace_null(part)


def _table(model: type[BaseModel], *, besides: type[BaseModel]) -> str:
    """Return a table of the fields of a model without those of `besides`."""
    lines = ["| Name | Default | Meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if name in besides.model_fields:
            continue
        description = (field.description or "").replace("|", "\\|")
        default = "none" if issubclass(model, RequestOptions) else _default(field)
        lines.append(f"| `{name}` | {default} | {description}{_choices(field)} |")
    return "\n".join(lines)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "the usual folder" if field.annotation is Path else "none"
    value = field.default
    if value is None:
        return "`off`"
    if value in ("", ()) or isinstance(value, BaseModel):
        return "none"
    if isinstance(value, Enum):
        value = value.value
    return f"`{json.dumps(value)}`"


def _choices(field: FieldInfo) -> str:
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f": {', '.join(f'`{choice.value}`' for choice in kind)}"
    bounds = {
        sign: getattr(limit, name)
        for limit in field.metadata
        for name, sign in (("ge", "from"), ("gt", "above"), ("le", "to"))
        if getattr(limit, name, None) is not None
    }
    return f" ({' '.join(f'{sign} {bound:,}' for sign, bound in bounds.items())})" if bounds else ""


def main(docs: Path = _DOCS) -> None:
    """Write the tables and the schema to a folder that has a SETTINGS.md."""
    page = docs / "SETTINGS.md"
    page.write_text(settings_page(page.read_text(encoding="utf-8")), encoding="utf-8")
    (docs / "settings.schema.json").write_text(settings_schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
