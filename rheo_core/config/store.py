"""The settings file: read with a word on everything that is wrong with it, written atomically."""

import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs
import tomli_w
from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from rheo_core.domain.request_options import REVEAL
from rheo_core.domain.text import printable
from rheo_core.infrastructure.files import write_atomically
from rheo_core.infrastructure.state_key import state_folder

from .problems import explain, line_of
from .settings import Settings


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force, and what was wrong with where they come from."""

    settings: Settings
    problems: tuple[str, ...] = ()  # one sentence each; those of the environment too
    environment_problems: tuple[str, ...] = ()


class _Layer(Settings):
    """Settings from arguments alone: what checks one source without seeing the others."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def session_path() -> Path:
    """Where the app keeps its list, unless told otherwise."""
    return state_folder() / "session.db"


def settings_path() -> Path:
    """Where the settings file is, whether or not it exists."""
    return platformdirs.user_config_path("rheo", appauthor=False) / "settings.toml"


def load_settings(path: Path | None = None, **overrides: Any) -> LoadedSettings:
    """Settings from `overrides`, then the environment, then the file, then the defaults.

    Whatever is not acceptable in the file or in the environment is left out and told in
    `problems`. A file with problems stays where it is, and is copied aside once, so that saving
    loses nothing.

    Args:
        path: The settings file, which need not exist; None for the usual one.
        overrides: Values by name; None counts as not given.

    Raises:
        pydantic.ValidationError: an override is not acceptable.
    """
    from_file, file_problems = _read_file(path or settings_path())
    from_environment, environment_problems = _read_environment()
    given = {name: value for name, value in overrides.items() if value is not None}
    merged = _Layer(**{**from_file, **from_environment, **given})
    # Every field is passed on, so that a bad variable is not read a second time.
    settings = Settings(**merged.model_dump())
    return LoadedSettings(
        settings, (*file_problems, *environment_problems), tuple(environment_problems)
    )


def save_settings(
    settings: Settings, path: Path | None = None, *, only: Iterable[str] | None = None
) -> None:
    """Write what differs from the defaults, readable by the user alone. Blocks.

    Args:
        settings: The values to keep.
        path: The settings file; None for the usual one. Made with its folder if missing.
        only: Names of the settings to write; the others stay as the file has them. Without it
            values that came from a flag or the environment are written too.

    Raises:
        OSError: it could not be written; an earlier file is untouched.
    """
    # A link, as keepers of dot-files make them, stays one.
    target = (path or settings_path()).resolve()
    values = _differing(settings)
    if only is not None:
        kept, _ = _read_file(target)
        names = frozenset(only)
        kept = {name: value for name, value in kept.items() if name not in names}
        values = kept | {name: value for name, value in values.items() if name in names}
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(target, tomli_w.dumps(values).encode())


def _differing(settings: Settings) -> dict[str, Any]:
    """The values that are not the defaults, as TOML knows them; it has no None, which is `off`."""
    values = settings.model_dump(mode="json", context=REVEAL)
    defaults = _Layer().model_dump(mode="json")
    return {
        name: "off" if value is None else _without_nulls(value)
        for name, value in values.items()
        if value != defaults[name]
    }


def _without_nulls(value: Any) -> Any:
    """Tables without what is left open in them."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(inner) for name, inner in value.items() if inner not in (None, [])}


def _read_environment() -> tuple[dict[str, Any], list[str]]:
    values = EnvSettingsSource(Settings)()
    good, bad = _check(values, {name: f"RHEO_{name.upper()}" for name in values})
    return good, [f"Environment: {_sentence(text)}" for text in bad.values()]


def _check(
    values: dict[str, Any], names: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[tuple[str, ...], str]]:
    """The acceptable values, and a sentence for each of the others by where it is."""
    try:
        _Layer(**values)
    except ValidationError as error:
        bad = explain(error, names)
        return _without(values, bad), bad
    return values, {}


def _without(values: dict[str, Any], paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """`values` less those at `paths`, which lead through tables."""
    left = dict(values)
    for name, *rest in paths:
        if rest and isinstance(left.get(name), dict):
            left[name] = _without(left[name], [tuple(rest)])
        else:
            left.pop(name, None)
    return left


def _read_file(path: Path) -> tuple[dict[str, Any], list[str]]:
    shown = printable(str(path))
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return {}, [f"{shown} cannot be read ({reason}); defaults are used."]
    try:
        text = data.decode("utf-8-sig")
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _keep_copy(path, data)
        return {}, [f"{shown} is not a TOML file: {_reason(error)}; defaults are used."]
    good, bad = _check(values)
    if bad:
        _keep_copy(path, data)
    problems = [
        f"{shown}{f', line {line}' if line else ''}: {_sentence(bad[place])}"
        for line, place in sorted((line_of(text, place) or 0, place) for place in bad)
    ]
    if _holds_secrets(good) and path.stat().st_mode & 0o077:
        problems.append(
            f"{shown} holds secrets, and others may read it; chmod 600 puts that right."
        )
    return good, problems


def _holds_secrets(values: dict[str, Any]) -> bool:
    settings = _Layer(**values)
    return any(options.holds_secrets for options in (settings.request, *settings.hosts.values()))


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return printable(str(error))


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _keep_copy(path: Path, data: bytes) -> None:
    """Copy a file that is not right to a name of its own, unless a copy of it is there."""
    beginning = f"{path.name}.bad-"
    with suppress(OSError):
        copies = (file for file in path.parent.iterdir() if file.name.startswith(beginning))
        if any(copy.read_bytes() == data for copy in copies):
            return
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        copy = path.with_name(f"{beginning}{changed:%Y%m%dT%H%M%S.%fZ}")
        write_atomically(copy, data)
