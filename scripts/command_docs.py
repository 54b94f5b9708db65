"""Fill the tables of docs/CLI.md from the two commands: `python -m scripts.command_docs`."""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from rheo_core.cli.fleet_commands import fleet_commands
from rheo_core.cli.main import app
from rheo_core.domain.listing import ListedDownload
from rheo_tui.__main__ import _parser

from .generated import replace_part

_DOCS = Path(__file__).parents[1] / "docs"
PAGE = _DOCS / "CLI.md"
LIST_SCHEMA = _DOCS / "list.schema.json"

Row = tuple[Sequence[str], str | None, str]
"""Names of a flag, the placeholder of its value, and its help."""


def command_page(page: str) -> str:
    """Return `page` with current tables."""
    rheo: Any = typer.main.get_command(app)
    download = rheo.commands["download"]
    page = replace_part(page, "rheo", _table(_typer_rows(rheo.params)))
    page = replace_part(page, "rheo download", _table(_typer_rows(download.params)))
    page = replace_part(page, "rheo list", _table(_typer_rows(rheo.commands["list"].params)))
    fleet: Any = typer.main.get_command(fleet_commands)
    for name, command in fleet.commands.items():
        page = replace_part(page, f"rheo fleet {name}", _table(_typer_rows(command.params)))
    page = replace_part(page, "rheo list --json", _list_fields())
    return replace_part(page, "rheo-tui", _table(_argparse_rows(_parser())))


def list_schema() -> str:
    """Return a JSON schema (draft 2020-12) of one line of `rheo list --json`."""
    schema = ListedDownload.model_json_schema(mode="serialization")
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Lines of rheo list --json",
    }
    return f"{json.dumps(whole, indent=2, ensure_ascii=False)}\n"


def _list_fields() -> str:
    fields = ListedDownload.model_fields.items()
    lines = [f"| `{each.alias or name}` | {each.description} |" for name, each in fields]
    return "\n".join(["| field | meaning |", "|---|---|", *lines])


def _typer_rows(parameters: Iterable[Any]) -> Iterable[Row]:
    for each in parameters:
        is_flag = each.param_type_name == "option"
        names = [*each.opts, *each.secondary_opts] if is_flag else [each.metavar]
        yield names, each.metavar if is_flag else None, each.help


def _argparse_rows(parser: argparse.ArgumentParser) -> Iterable[Row]:
    for each in parser._actions:  # argparse has no public list of them
        is_flag = bool(each.option_strings)
        metavar = str(each.metavar) if each.metavar else None
        yield each.option_strings or [str(metavar)], metavar if is_flag else None, each.help or ""


def _table(rows: Iterable[Row]) -> str:
    lines = ["| flag | meaning |", "|---|---|"]
    for names, value, text in rows:
        flags = ", ".join(f"`{name}`" for name in names)
        flags += f" `{value}`" if value else ""
        lines.append(f"| {_cell(flags)} | {_cell(text)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(command_page(PAGE.read_text("utf-8")), "utf-8")
    LIST_SCHEMA.write_text(list_schema(), "utf-8")
