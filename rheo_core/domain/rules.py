"""Rules that choose the folder of a download: the `[[rules]]` tables of the settings."""

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from .hosts import find_host, normalise_host_pattern
from .paths import expand_path
from .text import printable

if TYPE_CHECKING:
    from .file_config import FileConfig

_log = logging.getLogger(__name__)
_PATTERN_SECONDS = 0.1  # a search blocks the event loop


def _texts(value: object) -> object:
    """Return texts in lower case, from one text or several."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(text, str) for text in values):
        raise ValueError("should be a string or a list of strings")
    if not all(map(str.strip, values)):
        raise ValueError("should be a string or a list of strings, none of them empty")
    return tuple(text.strip().lower() for text in values)


_TEXTS = BeforeValidator(_texts, json_schema_input_type=str | list[str])
Texts = Annotated[tuple[str, ...], _TEXTS]
HostPatterns = Annotated[tuple[Annotated[str, AfterValidator(normalise_host_pattern)], ...], _TEXTS]


class Rule(BaseModel):
    """A folder, and conditions for the downloads that go there. All given conditions must match."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    folder: str = Field(
        description="Folder, relative to the download folder, absolute, or beginning with ~"
    )
    host: HostPatterns = Field(
        default=(), description="Hosts: example.org, or *.example.org for those below it"
    )
    type: Texts = Field(
        default=(), description="Media types that the server sends: application/pdf, video/*"
    )
    extension: Texts = Field(default=(), description="Extensions of the name: pdf, tar.gz")
    pattern: str = Field(
        default="", description="Regular expression to find in the URL or in the name"
    )

    @field_validator("folder")
    @classmethod
    def _check_folder(cls, value: str) -> str:
        return str(expand_path(value, "folder"))

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        import regex  # needed only with rules

        try:
            regex.compile(value)
        except (regex.error, RecursionError, OverflowError) as error:
            raise ValueError(f"should be a regular expression ({error})") from None
        return value

    def matches(self, url: str, name: str, type: str | None) -> bool:
        """Return True if all conditions match a download.

        Args:
            url: URL that it is fetched from.
            name: name of its file.
            type: media type of its file, such as `text/html`; None if it is unknown.
        """
        host = urlsplit(url).hostname or ""
        return (
            (not self.host or bool(find_host(dict.fromkeys(self.host, True), host)))
            and (not self.type or any(fnmatchcase((type or "").lower(), t) for t in self.type))
            and (not self.extension or name.lower().endswith(self._suffixes))
            and (not self.pattern or self._is_found(url) or self._is_found(name))
        )

    def _is_found(self, text: str) -> bool:
        import regex

        try:
            return regex.search(self.pattern, text, timeout=_PATTERN_SECONDS) is not None
        except TimeoutError:
            shown = printable(self.pattern)
            _log.warning("the pattern %r of a rule takes too long; the rule is skipped", shown)
            return False

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return tuple(f".{extension.lstrip('*.')}" for extension in self.extension)


def folder_by_rule(rules: Sequence[Rule], url: str, name: str, type: str | None) -> str | None:
    """Return the folder of the first rule that matches; None if none does."""
    return next((rule.folder for rule in rules if rule.matches(url, name, type)), None)


def folder_for(
    config: "FileConfig", base: Path, rules: Sequence[Rule], name: str, type: str | None
) -> Path:
    """Return the folder of a file: the requested one, or else that of the first matching rule.

    Args:
        config: the download.
        base: the download folder.
        rules: the rules of the settings.
        name: name of the file.
        type: media type of the file; None if it is unknown.
    """
    if config.has_folder:
        return config.folder_below(base)
    return base / (folder_by_rule(rules, config.url, name, type) or "")


def read_rules(value: object) -> tuple[Rule, ...]:
    """Return the rules from tables.

    Raises:
        ValueError: a rule is not valid. The message is one sentence with the number of the rule,
            counted from 1.
    """
    if not isinstance(value, list | tuple):
        raise ValueError("should be tables, each beginning with [[rules]]")
    return tuple(_read_rule(number, rule) for number, rule in enumerate(value, 1))


def _read_rule(number: int, value: object) -> Rule:
    try:
        return Rule.model_validate(value)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        # A misspelt name is also missing, so name what the user wrote.
        unknown = (each for each in mistakes if each["type"] == "extra_forbidden")
        details = next(unknown, mistakes[0])
        name = printable(".".join(str(part) for part in details["loc"][:1]))
        shown = printable(repr(details["input"]))[:60]
        match details["type"]:
            case "missing":
                problem = f"has no {name} in rule {number}"
            case "extra_forbidden":
                known = ", ".join(Rule.model_fields)
                problem = f"has the unknown name {name!r} in rule {number}; use {known}"
            case _:
                message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
                problem = f"has {name} = {shown} in rule {number}, which {message}"
        raise ValueError(problem) from None
