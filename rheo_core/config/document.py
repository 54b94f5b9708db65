"""docs/SETTINGS.md and its JSON schema, made from the settings model.

`python -m rheo_core.config.document FOLDER` writes both there.
"""

import json
import sys
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.rules import Rule

from .hosts import HostSettings
from .settings import Settings

_HEAD = """\
# Settings

<!-- Made by `make settings-docs` from rheo_core/config/settings.py; changes belong there. -->

The settings file is `rheo/settings.toml` in the configuration folder of the system
(`~/.config/rheo/settings.toml` on Linux). A flag wins over a variable of the environment
(`RHEO_MAX_CONCURRENT` for `max_concurrent`), the variable over the file, the file over the
default. Editors that know schemas of TOML find one in [settings.schema.json](settings.schema.json).

Sizes and rates may have a unit: `500K`, `5M`, `2.5 MiB`. Tables and lists are given in the
environment as JSON; a command as one line. Of the tables `request` and `hosts` a variable replaces
the options that it gives, and keeps the others.

## Mistakes

Mistakes are reported with their line and key. The last broken content of the file is kept as
`settings.toml.bad-TIME`. What follows depends on what the setting is for.

| mistake in | `rheo download` | the app |
|---|---|---|
| the whole file (not readable, not TOML) | ends with 2 | no download starts |
| `[request]` | ends with 2, unless a flag gives that option | no download starts |
| requests in `[hosts."..."]` | their downloads fail, then ends with 2 | their downloads wait |
| another setting | ends with 2, unless a flag or a variable gives it | the default is used |
| `theme`, `show_log`, `keys` | is reported | the default is used |

An unknown key in a table counts as a mistake in that table. An unknown name at the top of the file
may be meant for one, so it counts as a mistake in the whole file, unless it looks like another
setting. An unknown RHEO_* variable counts as a mistake if it looks like a setting (`RHEO_PROXY`,
`RHEO_CA_CERT`, `RHEO_MAX_SZE`) and is reported otherwise: it may belong to a script. All this holds
for the values of the RHEO_* variables too, for the *_PROXY variables if they are for the
scheme of a URL, and for files that `[request]` and `[hosts]` name. So a proxy that is misspelt
never makes rheo connect without it. In the app correct the file, then enter `:reload`. Until then
the app does not save settings, because that would lose what it does not understand. Any other
mistake stays in the file as it is when the app saves another setting.

"""
_REQUESTS = """\

## How requests are made

`[request]` holds for all, a table of `[hosts]` for one host or for all below it, a flag of
`rheo download` for its downloads; the nearest counts. What is secret stays at the scheme, host and
port that it was given for, whatever a redirect says; what a table of `[hosts]` holds is told to
that host on such a way by https only. A file with secrets in it is for you alone: `chmod 600`.
netrc, cookies.txt and private keys that others may read or change are refused.
Hosts whose certificates are not checked (`--insecure HOST`) have no place here.

```toml
[request]
user_agent = "Mozilla/5.0"
proxy = "socks5://127.0.0.1:1080"

[hosts."files.example.org"]
user = "me:password"              # or: netrc = true, or: bearer = "token"
auth = "digest"
headers = { X-Api-Key = "..." }
connections = 4

[hosts."*.example.org"]
ca_file = "~/example-ca.pem"
```

"""
_LIMITS = """\

`[hosts."..."]` has besides:

"""
_RULES = """\

## Rules: which folder

```toml
[[rules]]
folder = "papers"                  # below the download folder
host = ["arxiv.org", "*.arxiv.org"]
type = "application/pdf"

[[rules]]
folder = "~/Videos"
extension = ["mp4", "mkv"]

[[rules]]
folder = "/srv/releases"
pattern = '/v\\d+\\.\\d+/'
```

The first rule holds of which all that it names is true. It is decided when the head of the
server's reply is known, so that nothing is moved later. No rule holds for a download that was
given a folder (`--output`, a sub-folder of a list).

"""
_COMMANDS = """\

## Commands after the end

```toml
on_complete = ["/home/me/bin/after-download", "--quiet"]
on_error = "notify-me 'download failed'"     # quotes as in a shell; no shell runs it
```

They run one at a time, with the environment of rheo and these variables. What they print goes to
the log; an exit code other than 0 is a warning there and in the details, never a failed download.
They are ended when rheo ends.

| Variable | What it tells |
|---|---|
| `RHEO_ID` | id of the download |
| `RHEO_STATUS` | `completed` or `failed` |
| `RHEO_URL` | URL, with its secrets replaced by `***` |
| `RHEO_PATH` | where the file is |
| `RHEO_SIZE` | its size in bytes |
| `RHEO_HASH` | `algorithm:hex`, where it was checked |
| `RHEO_ERROR` | why it failed |
"""


def settings_page() -> str:
    """The page, in Markdown."""
    return (
        f"{_HEAD}{_table(Settings)}{_REQUESTS}{_table(RequestOptions)}"
        f"{_LIMITS}{_table(HostSettings, besides=RequestOptions)}"
        f"{_RULES}{_table(Rule)}{_COMMANDS}"
    )


def settings_schema() -> str:
    """A JSON schema (draft 2020-12) of the settings file, as TOML has it."""
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
    """What a table does not say has no value that could be written, but for a limit's `off`."""
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
    """Where a number may be written as text, such as `5M`."""
    names = ("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    if schema.get("type") in ("integer", "number"):
        schema["anyOf"] = [{name: schema.pop(name) for name in names if name in schema}]
    if any(branch.get("type") in ("integer", "number") for branch in schema.get("anyOf", ())):
        schema["anyOf"].append({"type": "string"})


def _replace_null(schema: Any) -> None:
    """TOML has no null; it is `off` in the settings file."""
    if isinstance(schema, dict):
        branches = schema.get("anyOf", [])
        if {"type": "null"} in branches:
            branches[branches.index({"type": "null"})] = {"const": "off"}
        if schema.get("default", "") is None:
            schema["default"] = "off"
    if isinstance(schema, dict | list):
        for part in schema.values() if isinstance(schema, dict) else schema:
            _replace_null(part)


def _table(model: type[BaseModel], *, besides: type[BaseModel] = BaseModel) -> str:
    """The fields of a model, but for those of `besides`."""
    lines = ["| Name | Default | What it is |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if name in besides.model_fields:
            continue
        told = (field.description or "").replace("|", "\\|")
        default = "none" if issubclass(model, RequestOptions) else _default(field)
        lines.append(f"| `{name}` | {default} | {told}{_choices(field)} |")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
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


def write_documents(folder: Path) -> None:
    """Write the page and the schema to `folder`, which exists."""
    (folder / "SETTINGS.md").write_text(settings_page(), encoding="utf-8")
    (folder / "settings.schema.json").write_text(settings_schema(), encoding="utf-8")


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))
