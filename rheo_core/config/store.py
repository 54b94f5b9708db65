"""Load settings from the file, RHEO_* variables and overrides; report mistakes; save the file."""

import os
import re
import tomllib
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, InitSettingsSource

from rheo_core.domain.request_options import NO_OPTIONS, REVEAL, RequestOptions
from rheo_core.domain.request_rules import Unclear
from rheo_core.domain.text import printable
from rheo_core.infrastructure.files import resolve_links, write_atomically
from rheo_core.infrastructure.user_key import state_folder
from rheo_core.user_files import check_control, open_regular, read_bounded, user_folder

from .problems import explain, line_of, unknown_setting, with_full_stop
from .protection import (
    BOUNDS,
    TABLES,
    SettingPath,
    closing_sentence,
    misplaced,
    nearest,
    unclear_at,
    unknown_variables,
    variables_at_odds,
)
from .settings import Settings

_MAX_BYTES = 1 << 20
"""Size of a settings file."""
_COPY_ENDING = r"\.bad-\d{8}T\d{6}\.\d{6}Z"
_OF_THE_APP = frozenset({"theme", "show_log", "keys", "tabs"})


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The effective settings, and the mistakes in their sources.

    Attributes:
        settings: the settings; their `unclear` lists the requests that are refused.
        problems: a sentence about each mistake, including those of the environment, and about
            doubtful names.
        faults: mistakes that end the command, because neither a flag nor a variable replaces the
            setting. They do not include `unclear` settings or settings of the app.
    """

    settings: Settings
    problems: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class _Mistake(NamedTuple):
    """A mistake in the file or the environment."""

    place: SettingPath
    sentence: str

    @property
    def unclear(self) -> Unclear | None:
        """The requests that it blocks; None if it blocks none."""
        return unclear_at(self.place, self.sentence, Settings.model_fields)


@dataclass(frozen=True, slots=True)
class _Source:
    """The file or the environment: valid values and mistakes."""

    values: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)  # including invalid values
    mistakes: Sequence[_Mistake] = ()
    remarks: Sequence[str] = ()  # sentences on other things
    text: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        return (*(each.sentence for each in self.mistakes), *self.remarks)

    def unclear(self, overridden: Container[str]) -> list[Unclear]:
        """Return the requests that the mistakes block, except in settings that are `overridden`."""
        closed = (
            mistake.unclear
            for mistake in self.mistakes
            if not mistake.place or mistake.place[0] not in overridden
        )
        return [each for each in closed if each is not None]

    def faults(self, replaced: Container[str]) -> list[str]:
        """Return sentences about mistakes that block no request, except in `replaced` settings."""
        return [
            each.sentence
            for each in self.mistakes
            if each.unclear is None and each.place[0] not in replaced
        ]


def _layer(values: Mapping[str, Any]) -> Settings:
    """Return settings from these values alone, to check one source without the others."""
    source = InitSettingsSource(Settings, dict(values))
    return Settings(_build_sources=((source,), {}))


def session_path() -> Path:
    """Return the path of the session that the app uses by default."""
    return state_folder() / "session.db"


def settings_path() -> Path:
    """Return the path of the settings file, which need not exist."""
    folder = user_folder(lambda: platformdirs.user_config_path("rheo", appauthor=False))
    return folder / "settings.toml"


def load_settings(path: Path | None = None, **overrides: Any) -> LoadedSettings:
    """Return settings from overrides, then the environment, then the file, then defaults.

    In `request` and `hosts` this order applies to each option. Invalid values in the file or the
    environment are dropped and reported in `problems`. If they may concern requests, they are also
    in `settings.unclear`, and those requests fail. A file with mistakes stays unchanged, and its
    last content with mistakes is copied to a backup.

    Args:
        path: the settings file, which need not exist; None for the default path.
        overrides: values by name; None counts as missing.

    Raises:
        pydantic.ValidationError: an override is not valid.
    """
    file, environment = _read_file(path or settings_path()), _read_environment()
    overridden = {name: value for name, value in overrides.items() if value is not None}
    upper = _layer(environment.values)
    settings = _layer({**_merged(_layer(file.values), upper), **overridden})
    unclear = [
        each
        for each in file.unclear(overridden.keys() | (environment.values.keys() - TABLES))
        if not _options_for(upper, each.host).decide(each.option)
    ]
    replaced = overridden.keys() | _OF_THE_APP
    return LoadedSettings(
        settings=settings.closed_by((*unclear, *environment.unclear(overridden))),
        problems=(*file.problems, *environment.problems),
        faults=(
            *environment.faults(replaced),
            *file.faults(replaced | environment.values.keys()),
        ),
    )


def _merged(lower: Settings, upper: Settings) -> dict[str, Any]:
    """Return the values of both; `upper` takes precedence."""
    values = {name: getattr(lower, name) for name in lower.model_fields_set}
    values |= {name: getattr(upper, name) for name in upper.model_fields_set}
    values["request"] = upper.request.over(lower.request)
    values["hosts"] = lower.hosts | {
        pattern: host.over(lower.hosts[pattern]) if pattern in lower.hosts else host
        for pattern, host in upper.hosts.items()
    }
    return values


def _options_for(settings: Settings, host: str) -> RequestOptions:
    """Return the table of a host pattern, or `request` for ""."""
    return settings.hosts.get(host, NO_OPTIONS) if host else settings.request


def save_settings(
    settings: Settings, path: Path | None = None, *, only: Iterable[str] | None = None
) -> None:
    """Write the settings that differ from the defaults, readable only by the user. Blocks.

    Comments, order and spelling of an existing file stay (decision 0027).

    Args:
        settings: the values to save.
        path: the settings file; None for the default path. A missing one is created.
        only: names of the settings to write; the others stay unchanged in the file, even mistakes.
            Without it, the file contains exactly these settings, including those from a flag or the
            environment.

    Raises:
        OSError: the file could not be written, it contains invalid request settings, or a table to
            write has a mistake inside; an earlier file is untouched.
    """
    from .toml_text import edit  # tomlkit: only when something is saved

    # A symbolic link, as dot-file managers make them, stays one.
    target = _resolved(path or settings_path())
    file = _read_file(target)
    names = frozenset((*Settings.model_fields, *file.written) if only is None else only)
    reasons = [each.sentence for each in settings.unclear]
    if only is not None:
        # Without a broken limit, there would silently be no limit from then on.
        reasons = [each.sentence for each in file.unclear(BOUNDS)]  # those stay in the file
        reasons += [
            each.sentence for each in file.mistakes if each.place[1:] and each.place[0] in names
        ]
    if reasons:
        raise OSError(f"{reasons[0]} Correct the file first")
    text = edit(file.text, _content(settings, file, names))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(target, text.encode())


def _content(settings: Settings, file: _Source, names: Container[str]) -> dict[str, Any]:
    """Return the new content of the file if the settings `names` are saved to it."""
    content = {name: value for name, value in file.written.items() if name not in names}
    read, values = _dumped(_layer(file.values)), _dumped(settings)
    defaults = _dumped(_layer({}))
    for name in filter(names.__contains__, values):
        if name in file.values and read[name] == values[name]:
            content[name] = file.written[name]
        elif values[name] != defaults[name]:
            content[name] = _as_spelled(values[name], read[name], file.written.get(name))
    return content


def _dumped(settings: Settings) -> dict[str, Any]:
    """Return all settings as TOML values; None becomes `off`, because TOML has no None."""
    values = settings.model_dump(mode="json", context=REVEAL)
    values["rules"] = [
        rule.model_dump(mode="json", exclude_defaults=True) for rule in settings.rules
    ]
    return {
        name: "off" if value is None else _without_nulls(value) for name, value in values.items()
    }


def _as_spelled(value: Any, read: Any, written: Any) -> Any:
    """Return the file's spelling of `value`, such as `"5M"`, if `read` has the same value."""
    if written is not None and read == value:
        return written
    if isinstance(value, dict) and isinstance(read, dict) and isinstance(written, dict):
        return {
            name: _as_spelled(inner, read.get(name), written.get(name))
            for name, inner in value.items()
        }
    if isinstance(value, list) and isinstance(read, list) and isinstance(written, list):
        spelled = list(map(_as_spelled, value, read, written))  # as many as the shortest has
        return spelled + value[len(spelled) :]
    return value


def _resolved(path: Path) -> Path:
    try:
        return resolve_links(path, strict=_leads_nowhere(path))
    except OSError as error:
        raise OSError(f"{printable(str(path))} is a broken link") from error


def _leads_nowhere(path: Path) -> bool:
    """Return True if a link is dangling, or leads through a missing folder: perhaps not mounted."""
    if os.path.islink(path) and not os.path.exists(path):
        return True
    return any(os.path.islink(each) and not os.path.isdir(each) for each in path.parents)


def _without_nulls(value: Any) -> Any:
    """Return a table without empty options."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(inner) for name, inner in value.items() if inner not in (None, [])}


def _read_environment() -> _Source:
    values = EnvSettingsSource(Settings)()
    good, bad = _check(values, {name: f"RHEO_{name.upper()}" for name in values})
    mistakes = [
        _Mistake(place, f"Environment: {with_full_stop(text)}") for place, text in bad.items()
    ]
    for name, variables in variables_at_odds(Settings.model_fields).items():
        good.pop(name, None)
        sentence = f"Environment: {' and '.join(variables)} differ, but set the same setting."
        mistakes.append(_Mistake((name,), sentence))
    remarks = []
    for variable, name in unknown_variables(Settings.model_fields):
        begin = f"Environment: {printable(variable)} is not a setting"
        if closing := closing_sentence(variable, name, Settings.model_fields):
            mistakes.append(_Mistake((), f"Environment: {closing}"))
        elif close := nearest(name, [each for each in Settings.model_fields if each not in TABLES]):
            mistakes.append(_Mistake((name,), f"{begin}; did you mean RHEO_{close.upper()}?"))
        else:  # it may belong to a script
            remarks.append(f"{begin}.")
    return _Source(good, mistakes=mistakes, remarks=remarks)


def _check(
    values: dict[str, Any], names: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[tuple[str, ...], str]]:
    """Return the valid values, and a sentence about each other value by its place."""
    # pydantic-settings reads `Request` as `request`, and one of them if both are set.
    unknown = values.keys() - Settings.model_fields.keys()
    bad: dict[SettingPath, str] = {(name,): unknown_setting(name) for name in unknown}
    known = _without(values, bad)
    try:
        _layer(known)
    except ValidationError as error:
        bad |= explain(error, names)
    return _without(known, bad), bad


def _without(values: dict[str, Any], paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """Return `values` without those at `paths`, which lead through tables."""
    left = dict(values)
    for name, *rest in paths:
        if rest and isinstance(left.get(name), dict):
            left[name] = _without(left[name], [tuple(rest)])
        else:
            left.pop(name, None)
    return left


def _read_file(path: Path) -> _Source:
    shown = printable(str(path))
    try:
        with open_regular(path) as file:
            check_control(file, path)
            data, status = read_bounded(file, _MAX_BYTES), os.fstat(file.fileno())
    except OSError as error:
        # ENOTDIR: a service account may have the home /dev/null.
        is_absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        if is_absent and not _leads_nowhere(path):
            return _Source()
        reason = error.strerror or type(error).__name__
        return _Source(mistakes=[_Mistake((), f"{shown} cannot be used ({reason}).")])
    try:
        text = data.decode("utf-8-sig")
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _back_up(path, data)
        return _Source(mistakes=[_Mistake((), f"{shown} is not a TOML file: {_reason(error)}.")])
    good, bad = _check(values)
    strayed = {place: unknown_setting(place[-1]) for place in misplaced(values)}
    if bad or strayed:
        _back_up(path, data)
    all_bad = bad | strayed
    mistakes = [
        _Mistake(
            ("request", place[-1]) if place in strayed else place,
            f"{shown}{f', line {line}' if line else ''}: {with_full_stop(all_bad[place])}",
        )
        for line, place in sorted((line_of(text, place) or 0, place) for place in all_bad)
    ]
    remarks = []
    if _holds_secrets(good) and status.st_mode & 0o044:
        remarks = [f"{shown} contains secrets, and other users can read it; run chmod 600 on it."]
    return _Source(good, values, mistakes, remarks, text)


def _holds_secrets(values: dict[str, Any]) -> bool:
    settings = _layer(values)
    return any(options.holds_secrets for options in (settings.request, *settings.hosts.values()))


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return printable(str(error))


def _back_up(path: Path, data: bytes) -> None:
    """Copy a file with mistakes to a backup, which replaces an earlier one.

    Otherwise a correction in several steps would leave a copy of each step.
    """
    is_copy = re.compile(re.escape(path.name) + _COPY_ENDING).fullmatch
    with suppress(OSError):
        copies = [file for file in path.parent.iterdir() if is_copy(file.name) and _is_plain(file)]
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        copy = path.with_name(f"{path.name}.bad-{changed:%Y%m%dT%H%M%S.%fZ}")
        same_size = [copy for copy in copies if copy.stat().st_size == len(data)]
        if not any(earlier.read_bytes() == data for earlier in same_size):
            write_atomically(copy, data)
            for earlier in copies:
                if earlier != copy:
                    earlier.unlink()


def _is_plain(path: Path) -> bool:
    return os.path.isfile(path) and not os.path.islink(path)
