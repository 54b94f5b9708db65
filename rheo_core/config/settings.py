"""Settings: names, types, defaults, limits and descriptions."""

import shlex
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from rheo_core.domain.engine_options import (
    DEFAULT_CONNECT_TIMEOUT_SECONDS,
    DEFAULT_RESPONSE_TIMEOUT_SECONDS,
    DEFAULT_STALL_TIMEOUT_SECONDS,
    DEFAULTS,
    MAX_CONCURRENT,
)
from rheo_core.domain.file_exists import FileExistsStrategy
from rheo_core.domain.paths import absolute_path
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.request_rules import Unclear
from rheo_core.domain.rules import Rule, read_rules
from rheo_core.domain.units import MAX_FILE_BYTES
from rheo_core.user_files import downloads_folder

from .host_settings import HostPattern, HostSettings, name_each_once
from .protection import unclear_variables
from .values import (
    TIB,
    FilterText,
    Rate,
    SpanLine,
    TabName,
    lines,
    off_is_none,
    read_json,
    size,
    size_limit,
    table,
)

_KIB = 1024
_MIB = 1024 * _KIB


class LogLevel(StrEnum):
    """Log levels."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class Notify(StrEnum):
    """Kinds of notifications when downloads end."""

    OFF = "off"
    TERMINAL = "terminal"
    DESKTOP = "desktop"


def _folder(value: object) -> Path:
    """Return an absolute path with `~` expanded."""
    return absolute_path(value, "folder")


def _command(value: object) -> tuple[str, ...]:
    """Return a program and its arguments, from a list or from a line with shell quotes."""
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"should be a command ({str(error).lower()})") from None
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError('should be a command such as ["program", "argument"]')
    if any("\x00" in word for word in words) or (words and not words[0].strip()):
        raise ValueError("should be a command that starts with a program")
    return () if [word.lower() for word in words] == ["off"] else tuple(words)


def _rules(value: object) -> tuple[Rule, ...]:
    """Read tables, or a JSON list in text from the environment."""
    if isinstance(value, str):
        value = read_json(value, 'should be a JSON list such as [{"folder": "pictures"}]')
    return read_rules(value)


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


HookCommand = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_command, json_schema_input_type=str | list[str]),
]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _unclear_variables() -> tuple[Unclear, ...]:
    return tuple(unclear_variables(Settings.model_fields))


GROUPS = {
    "download_dir": "Downloads",
    "max_retries": "Retries and time limits",
    "speed_limit": "Speed",
    "chunk_size": "Files",
    "on_complete": "When downloads end",
    "rules": "Requests and rules",
    "log_level": "App",
}
"""Titles of the groups of settings, by the first setting of each."""


class Settings(BaseSettings):
    """Settings of the user. Immutable. `RHEO_<NAME>` variables supply missing values.

    `unclear` contains variables that look like a request option but are not: `RHEO_PROXY`.
    """

    model_config = SettingsConfigDict(
        env_prefix="RHEO_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    download_dir: Annotated[Path, BeforeValidator(_folder)] = Field(
        title="Folder",
        default_factory=downloads_folder,
        description="Download folder; ~ is your home folder",
    )
    max_concurrent: int = Field(
        title="Parallel downloads",
        default=DEFAULTS.max_concurrent,
        ge=1,
        le=MAX_CONCURRENT,
        description="Number of parallel downloads",
    )
    connections: int = Field(
        title="Connections each",
        default=DEFAULTS.connections,
        ge=1,
        le=32,
        description="Maximum number of connections per download; rheo uses more than one only if "
        "this is faster",
    )
    connections_per_host: int = Field(
        title="Connections per host",
        default=DEFAULTS.connections_per_host,
        ge=1,
        le=256,
        description="Maximum number of connections per host, for all downloads together",
    )
    file_exists_strategy: Annotated[FileExistsStrategy, BeforeValidator(_lower)] = Field(
        title="If the file exists",
        default=DEFAULTS.file_exists_strategy,
        description="Action if the file already exists",
    )
    max_retries: int = Field(
        title="Retries",
        default=5,
        ge=0,
        le=100,
        description="Number of retries after a failed attempt",
    )
    retry_base_delay: Seconds = Field(
        title="First delay",
        default=1.0,
        description="Delay before the first retry, in seconds; it doubles with each retry",
    )
    retry_max_delay: Seconds = Field(
        title="Longest delay", default=60.0, description="Longest delay before a retry, in seconds"
    )
    timeout: Annotated[Seconds | None, BeforeValidator(off_is_none)] = Field(
        title="Limit per attempt",
        default=DEFAULTS.timeout,
        description="Time limit for a whole attempt, in seconds; off: no limit",
    )
    connect_timeout: Seconds = Field(
        title="Connecting",
        default=DEFAULT_CONNECT_TIMEOUT_SECONDS,
        description="Time limit for connecting, in seconds",
    )
    response_timeout: Seconds = Field(
        title="Response headers",
        default=DEFAULT_RESPONSE_TIMEOUT_SECONDS,
        description="Time limit for connecting and receiving the response headers, in seconds",
    )
    stall_timeout: Seconds = Field(
        title="Give up if stalled",
        default=DEFAULT_STALL_TIMEOUT_SECONDS,
        description="Time without data after which an attempt fails, in seconds",
    )
    network_timeout: float = Field(
        title="Wait for network",
        default=600.0,
        ge=0,
        allow_inf_nan=False,
        description="Time to wait while this computer has no network, in seconds; 0: do not wait. "
        "The app always waits",
    )
    stall_speed: Annotated[int, BeforeValidator(size)] = Field(
        title="Lowest speed",
        default=DEFAULTS.stall_speed,
        ge=0,
        le=TIB,
        description="Lowest speed in bytes per second; an attempt fails if it is slower for "
        "stall_timeout seconds",
    )
    speed_limit: Rate = Field(
        title="Speed limit",
        default=DEFAULTS.speed_limit_bps,
        description="Speed limit for all downloads together in bytes per second, such as 500K; "
        "off: no limit",
    )
    slow_limit: Annotated[int, Field(ge=1, le=TIB), BeforeValidator(size)] = Field(
        title="Slow mode limit",
        default=DEFAULTS.slow_limit_bps,
        description="Speed limit in slow mode in bytes per second",
    )
    schedule: Annotated[tuple[SpanLine, ...], NoDecode, BeforeValidator(lines)] = Field(
        title="Schedule",
        default=(),
        description="Speed limits by local time, as a list of lines such as "
        '"Mon-Fri 08:00-18:00 2M" or "23:00-06:00 off"; the first match applies',
    )
    chunk_size: Annotated[int, BeforeValidator(size)] = Field(
        title="Write buffer",
        default=DEFAULTS.chunk_size,
        ge=_KIB,
        le=64 * _MIB,
        description="Bytes that a connection collects before it writes them to disk",
    )
    max_size: Annotated[int | None, BeforeValidator(size_limit)] = Field(
        title="Largest file",
        default=DEFAULTS.max_size,
        ge=1,
        le=MAX_FILE_BYTES,
        description="Largest file to download, in bytes, such as 20G; off: no limit",
    )
    durable: bool = Field(
        title="Sync to disk",
        default=DEFAULTS.durable,
        description="Sync files to disk; otherwise, a power cut may damage new files",
    )
    history_days: Annotated[int | None, BeforeValidator(off_is_none)] = Field(
        title="Days in the history",
        default=DEFAULTS.history_days,
        ge=1,
        le=36_500,
        description="Number of days that removed downloads stay in the history; off: forever",
    )
    server_time: bool = Field(
        title="Keep server's time",
        default=DEFAULTS.server_time,
        description="Set the modification time of each file to the one that the server sends",
    )
    origin: bool = Field(
        title="Store the URL",
        default=DEFAULTS.origin,
        description="Store the URL of each file, without secrets, in its extended attribute "
        "user.xdg.origin.url",
    )
    on_complete: HookCommand = Field(
        title="Command when done",
        default=DEFAULTS.following.on_complete,
        description="Command to run for each completed file, without a shell; rheo sets the "
        "variables RHEO_PATH, RHEO_URL, RHEO_SIZE, RHEO_HASH, RHEO_ID and RHEO_STATUS",
    )
    on_error: HookCommand = Field(
        title="Command when failed",
        default=DEFAULTS.following.on_error,
        description="Command to run for each failed download; RHEO_ERROR contains the reason",
    )
    command_timeout: Seconds = Field(
        title="Command time limit",
        default=DEFAULTS.following.timeout,
        description="Time limit for on_complete and on_error, in seconds",
    )
    notify: Annotated[Notify, BeforeValidator(_lower)] = Field(
        title="Notification",
        default=Notify.OFF,
        description="Notification when downloads end: off, through the terminal (OSC 9 or 777), "
        "or on the desktop (notify-send, osascript)",
    )
    rules: Annotated[
        tuple[Rule, ...],
        NoDecode,
        BeforeValidator(_rules, json_schema_input_type=list[Rule]),
    ] = Field(
        title="Folders by rule",
        default=(),
        description="Folders for certain downloads, as tables [[rules]]; the first rule whose "
        "conditions all match applies",
    )
    request: Annotated[RequestOptions, NoDecode, table('{"user_agent": "Me/1.0"}')] = Field(
        title="Request options", default=NO_OPTIONS, description="Options of all requests"
    )
    hosts: Annotated[
        dict[HostPattern, HostSettings],
        NoDecode,
        BeforeValidator(name_each_once),
        table('{"example.org": {"connections": 2}}'),
    ] = Field(
        title="Options by host",
        default_factory=dict,
        description="Request options and limits: one table for each host, such as "
        '[hosts."example.org"]; "*.example.org" matches all hosts below it',
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        title="Log level",
        default=LogLevel.WARNING,
        description="Log messages from this level up. The command writes them to standard error; "
        "the app does not log to a file",
    )
    theme: str = Field(
        title="Colours", default="rheo-dark", min_length=1, description="Colour theme of the app"
    )
    show_log: bool = Field(
        title="Show the log", default=True, description="Show the log in the app"
    )
    keys: Annotated[dict[str, str], NoDecode, table('{"quit": "q"}')] = Field(
        title="Keys", default_factory=dict, description="Key bindings of the app: action = keys"
    )

    tabs: Annotated[dict[TabName, FilterText], NoDecode, table('{"Big": "size>1g"}')] = Field(
        title="Tabs",
        default_factory=dict,
        max_length=20,
        description="Tabs of the app: name = filter, such as Big = 'size>1g !status:done'",
    )

    _unclear: tuple[Unclear, ...] = PrivateAttr(default_factory=_unclear_variables)

    @property
    def unclear(self) -> tuple[Unclear, ...]:
        """Mistakes that refuse requests, from the environment or from `load_settings`.

        Copies keep them (`model_copy`), so that no request bypasses them.
        """
        return self._unclear

    def closed_by(self, unclear: Iterable[Unclear]) -> Self:
        """Return a copy with another `unclear`."""
        copy = self.model_copy()
        copy._unclear = tuple(unclear)
        return copy

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        # Python's True is 1: `max_concurrent = true` would pass for one download at a time.
        assert info.field_name is not None
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("should not be true or false")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Prefer arguments to the environment; do not read `.env` files."""
        return init_settings, env_settings


def build_settings(**overrides: Any) -> Settings:
    """Return settings from overrides, then the environment, then defaults.

    `load_settings` reads the settings file too.

    Args:
        overrides: values by name; None counts as missing.

    Raises:
        pydantic.ValidationError: a value or a name is not valid.
    """
    return Settings(**{name: value for name, value in overrides.items() if value is not None})
