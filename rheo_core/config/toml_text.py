"""Edit the user's TOML text in place: keep comments, order and formatting."""

import logging
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w
import tomlkit

logger = logging.getLogger(__name__)


def edit(text: str, values: Mapping[str, Any]) -> str:
    """Return a TOML text with exactly these `values`, and as much of `text` as possible.

    The values matter more than the comments. If the result does not read back as `values`, or
    tomlkit cannot read `text`, the comments are lost.

    Args:
        text: a TOML text; "" to begin a new one.
        values: the content to write, as tomllib returns it.

    Raises:
        tomllib.TOMLDecodeError: `text` is not TOML.
    """
    old = tomllib.loads(text)
    if text.strip():
        try:
            document = tomlkit.parse(text)
            _update_table(document, old, values)
            edited = tomlkit.dumps(document)
            if tomllib.loads(edited) == values:
                return edited
        except Exception:  # tomlkit has rare bugs of any kind
            logger.warning("A TOML file cannot be edited in place: its comments are lost.")
    return tomli_w.dumps(values)


def _update_table(table: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Change a tomlkit table with the values `old` to the values `new`."""
    for name in old.keys() - new.keys():
        del table[name]
    for name, value in new.items():
        if name not in old:
            table[name] = value
        elif old[name] != value:
            _update_value(table, name, old[name], value)


def _update_list(items: Any, old: Sequence[Any], new: Sequence[Any]) -> None:
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        if before != after:
            _update_value(items, index, before, after)
    for _ in old[len(new) :]:
        items.pop()
    for value in new[len(old) :]:
        items.append(value)


def _are_alike(*values: Any) -> bool:
    """Check that a list has only tables or no tables, which TOML treats differently."""
    return len({isinstance(value, dict) for value in values}) == 1


def _update_value(container: Any, key: str | int, old: Any, new: Any) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        _update_table(container[key], old, new)
    elif isinstance(old, list) and isinstance(new, list) and new and _are_alike(*old, *new):
        _update_list(container[key], old, new)
    else:
        container[key] = new
