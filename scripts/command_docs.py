"""Fill the tables of docs/CLI.md from the two commands: `python -m scripts.command_docs`."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from rheo_core.cli.main import app
from rheo_tui.__main__ import _parser

from .generated import replace_part

PAGE = Path(__file__).parents[1] / "docs" / "CLI.md"

Row = tuple[Sequence[str], str | None, str]
"""Names of a flag, the placeholder of its value, and its help."""


def command_page(page: str) -> str:
    """Return `page` with current tables."""
    rheo: Any = typer.main.get_command(app)
    download = rheo.commands["download"]
    page = replace_part(page, "rheo", _table(_typer_rows(rheo.params)))
    page = replace_part(page, "rheo download", _table(_typer_rows(download.params)))
    return replace_part(page, "rheo-tui", _table(_argparse_rows(_parser())))


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
