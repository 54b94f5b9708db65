"""The settings: names, defaults, meanings and limits, all in this one place."""

import ipaddress
import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from rheo_core.domain.file_config import FileExistsStrategy
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_KIB = 1024
_MIB = 1024 * _KIB
_TIB = 1024 * 1024 * _MIB
_BYTE_SIZE: TypeAdapter[ByteSize] = TypeAdapter(ByteSize)


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


def _size(value: object) -> int:
    """Bytes from a number or from text such as `500K`, `5M`, `2.5 MB`, `1MiB`."""
    try:
        return int(_BYTE_SIZE.validate_python(value))
    except (ValidationError, OverflowError):
        raise ValueError("should be a size such as 65536, 500K, 5M or 2.5 MiB") from None


def _off_is_none(value: object) -> object:
    """None for the ways to say that there is no limit: `off`, `none`, 0."""
    if isinstance(value, str):
        value = value.strip().lower()
    return None if value in ("off", "none", "0", 0) else value


def _rate(value: object) -> int | None:
    value = _off_is_none(value)
    return None if value is None else _size(value)


def _folder(value: object) -> Path:
    """An absolute path, with `~` expanded."""
    text = str(value) if isinstance(value, str | Path) else ""
    if not text.strip() or "\x00" in text:
        raise ValueError("should be the path of a folder")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("should be the path of a folder; there is no such user") from None


def _table(example: str) -> BeforeValidator:
    """The environment gives a table as a JSON object in text."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"should be a JSON object such as {example}") from None

    return BeforeValidator(read)


def _host(value: object) -> str:
    """A host name in lower case, or an address; `*.` before it stands for all below it."""
    name = str(value).strip().lower()
    try:
        return str(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
    except ValueError:
        star = "*." if name.startswith("*.") else ""
    try:
        host = name.removeprefix("*.").encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ValueError("should be a host such as example.org or *.example.org, without a port")
    return f"{star}{host}"


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What the user can choose. Immutable; `RHEO_<NAME>` variables give values not passed in."""

    model_config = SettingsConfigDict(
        env_prefix="RHEO_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    download_dir: Annotated[Path, BeforeValidator(_folder)] = Field(
        default_factory=platformdirs.user_downloads_path,
        description="Folder for downloads; ~ is your home folder",
    )
    max_concurrent: int = Field(
        default=3, ge=1, le=64, description="Downloads that run at the same time"
    )
    connections: int = Field(
        default=4, ge=1, le=32, description="Connections for one download, where they help"
    )
    connections_per_host: int = Field(
        default=16, ge=1, le=256, description="Connections to one host, for all downloads from it"
    )
    max_retries: int = Field(
        default=5, ge=0, le=100, description="Attempts after the first one fails"
    )
    retry_base_delay: Seconds = Field(
        default=1.0, description="Wait before the first retry, in seconds; doubles each time"
    )
    retry_max_delay: Seconds = Field(
        default=60.0, description="Longest wait before a retry, in seconds"
    )
    file_exists_strategy: Annotated[FileExistsStrategy, BeforeValidator(_lower)] = Field(
        default=FileExistsStrategy.SKIP, description="What to do when the file exists"
    )
    timeout: Annotated[Seconds | None, BeforeValidator(_off_is_none)] = Field(
        default=None, description="Limit for a whole attempt, in seconds; off: no limit"
    )
    connect_timeout: Seconds = Field(default=30.0, description="Limit for connecting, in seconds")
    stall_timeout: Seconds = Field(
        default=60.0, description="Longest time without a byte, in seconds"
    )
    stall_speed: Annotated[int, BeforeValidator(_size)] = Field(
        default=100,
        ge=0,
        le=_TIB,
        description="Fewer bytes a second than this over stall_timeout count as none",
    )
    speed_limit: Annotated[int | None, Field(gt=0, le=_TIB), BeforeValidator(_rate)] = Field(
        default=None,
        description="Limit for all downloads together, in bytes a second, such as 500K; off: none",
    )
    chunk_size: Annotated[int, BeforeValidator(_size)] = Field(
        default=4 * _MIB,
        ge=_KIB,
        le=64 * _MIB,
        description="Bytes that a connection collects before they are written",
    )
    durable: bool = Field(
        default=True,
        description="Whether files are synced to the disk; without, a power cut may spoil new ones",
    )
    history_days: Annotated[int | None, BeforeValidator(_off_is_none)] = Field(
        default=365,
        ge=1,
        le=36_500,
        description="Days that downloads taken off the list stay in the history; off: for ever",
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        default=LogLevel.WARNING, description="How much is logged"
    )
    request: Annotated[RequestOptions, NoDecode, _table('{"user_agent": "Me/1.0"}')] = Field(
        default=NO_OPTIONS, description="How all requests are made"
    )
    hosts: Annotated[
        dict[Annotated[str, BeforeValidator(_host)], RequestOptions],
        NoDecode,
        _table('{"example.org": {"user": "me:secret"}}'),
    ] = Field(
        default_factory=dict,
        description="How requests to single hosts are made, where other than all: "
        'a table for each, such as hosts."example.org"; "*.example.org" are all below it',
    )
    theme: str = Field(default="rheo-dark", min_length=1, description="Colours of the app")
    show_log: bool = Field(default=True, description="Whether the app shows its log")
    keys: Annotated[dict[str, str], NoDecode, _table('{"quit": "q"}')] = Field(
        default_factory=dict, description="Keys of the app's actions: action = keys"
    )

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
        """Arguments win over the environment; `.env` files are not read."""
        return init_settings, env_settings


def build_settings(**overrides: Any) -> Settings:
    """Settings from `overrides`, then the environment, then the defaults.

    An override of None counts as not given. The settings file is not read: see `load_settings`.

    Raises:
        pydantic.ValidationError: a value or a name is not acceptable.
    """
    return Settings(**{name: value for name, value in overrides.items() if value is not None})
