"""Settings in the settings dialog: labels, groups, texts and checks."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rheo_core.config.problems import explain, with_full_stop
from rheo_core.config.settings import GROUPS, Settings
from rheo_core.domain.text import printable

from .formatting import count_text, rate_input, short_path, size_text, speed_text
from .themes import NAMES, unknown_theme

TABLES: Mapping[str, str] = {
    "rules": '[[rules]]\nfolder = "isos"\nextension = ["iso", "img"]',
    "request": '[request]\nproxy = "socks5://127.0.0.1:1080"',
    "hosts": '[hosts."files.example.org"]\nuser = "me:password"\nconnections = 2',
    "keys": '[keys]\npause = "z"',
    "tabs": '[tabs]\nBig = "size>1g !status:done"',
}
"""Settings whose structure does not fit into a line of text, with examples."""
_SPEEDS = frozenset({"stall_speed", "speed_limit", "slow_limit"})
_SIZES = frozenset({"chunk_size", "max_size"})
_NONE = "none"
"""An empty list of values, as it is shown and typed."""
_LABELS = {name: field.title or name for name, field in Settings.model_fields.items()}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, with its value.

    Attributes:
        name: as in the file.
        label: title for people.
        group: title of its group.
        text: the value as typed.
        shown: the value with its unit.
        is_changed: it differs from the default.
        help: meaning, default and name in the file.
        choices: all values, if there are few; otherwise empty.
    """

    name: str
    label: str
    group: str
    text: str
    shown: str
    is_changed: bool
    help: str
    choices: tuple[str, ...]

    def matches(self, words: str) -> bool:
        """Return True if each of the words is in the label, the name or the help."""
        text = f"{self.group} {self.label} {self.name} {self.help}".lower()
        return all(word in text for word in words.lower().split())


def all_settings(settings: Settings) -> Iterator[Setting]:
    """Yield the settings in the order of the model."""
    group = ""
    for name, field in Settings.model_fields.items():
        group = GROUPS.get(name, group)
        value, default = getattr(settings, name), _default(field)
        about = f"{field.description}. " if field.description else ""
        yield Setting(
            name,
            _LABELS[name],
            group,
            _text(name, value),
            value_text(name, value),
            value != default,
            about + _in_the_file(name, default),
            choices_of(name),
        )


def _in_the_file(name: str, default: Any) -> str:
    place = f", for example:\n{TABLES[name]}" if name in TABLES else f": {name}"
    return f"Default: {_text(name, default) or _NONE}. In settings.toml{place}"


def changed(
    settings: Settings, name: str, text: str, labels: Mapping[str, str] = _LABELS
) -> Settings:
    """Return settings with another value.

    Args:
        settings: the current ones.
        name: of the setting.
        text: the typed value; empty: the default.
        labels: names of settings for messages, by their names in the file.

    Raises:
        ValueError: the value is not valid. The message names the setting and what is allowed.
    """
    value = _typed(name, text.strip())
    if name == "theme" and (problem := unknown_theme(value)):  # the model does not know the themes
        raise ValueError(problem)
    try:
        # Pass every field, so that no environment variable is read again.
        checked = Settings(**{**settings.model_dump(), name: value})
    except ValidationError as error:
        problems = explain(error, labels).values()
        raise ValueError("\n".join(map(with_full_stop, problems))) from None
    return settings.model_copy(update={name: getattr(checked, name)})


def _typed(name: str, text: str) -> Any:
    field = Settings.model_fields[name]
    default = _default(field)
    if not text or (text == _NONE and isinstance(default, tuple)):
        return default
    return {"on": True, "off": False}.get(text, text) if field.annotation is bool else text


def _default(field: FieldInfo) -> Any:
    if field.default is not PydanticUndefined:
        return field.default
    return field.default_factory() if field.default_factory is not None else None  # type: ignore[call-arg]


def choices_of(name: str) -> tuple[str, ...]:
    """Return the values of a setting that has few; otherwise nothing."""
    field = Settings.model_fields.get(name)
    if field is None:
        return ()
    if name == "theme":
        return tuple(NAMES)
    if field.annotation is bool:
        return ("on", "off")
    if isinstance(field.annotation, type) and issubclass(field.annotation, Enum):
        return tuple(each.value for each in field.annotation)
    return ()


def _text(name: str, value: Any) -> str:
    match value:
        case None:
            return "off"
        case bool():
            return "on" if value else "off"
        case Enum():
            return str(value.value)
        case int() if name in _SPEEDS | _SIZES:
            return rate_input(value)
        case int() | float():
            return f"{value:.12g}"
        case Path():
            return printable(short_path(value))
        case _ if name in TABLES:
            return _count(name, value)
        case tuple() if name == "schedule":
            return "; ".join(value)
        case tuple():
            return shlex.join(value)
    return str(value)


def value_text(name: str, value: Any) -> str:
    """Return the value of a setting as people read it, with its unit; `none` for an empty one."""
    if value is not None and name in _SPEEDS:
        return speed_text(value)
    if value is not None and name in _SIZES:
        return size_text(value)
    if isinstance(value, float):  # all of them are times
        return f"{value:.12g} s"
    return _text(name, value) or _NONE


def _count(name: str, value: Any) -> str:
    """Return the size of a table, because its values may be secret."""
    if name == "request":
        value = value.model_fields_set
    one = {"rules": "rule", "request": "option", "hosts": "host", "keys": "key", "tabs": "tab"}[
        name
    ]
    return "" if not value else count_text(len(value), one)
