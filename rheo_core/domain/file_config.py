"""What the user asked for: a URL, a destination, options."""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SkipValidation,
    ValidationInfo,
    computed_field,
    field_validator,
)

from .file_exists import FileExistsStrategy as FileExistsStrategy  # a name of this module too
from .filenames import filename_from_url, sanitise_filename
from .hash_validation import HashConfig, PieceHashes
from .hosts import ascii_host, check_labels, host_key
from .media_types import names_in_url
from .request_headers import Headers, read_headers
from .request_options import NO_OPTIONS, PROTECTING, ListedOptions, RequestOptions
from .text import is_unicode, printable, redact, redact_unreadable

_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(r"[a-z0-9._-]+", re.IGNORECASE)
MAX_MIRRORS = 16
"""Mirrors of one file: each may cost a request an attempt."""
STORED = {"stored": True}
"""Context for rows of a session: what only this version refuses of their mirrors is left out."""

_MAX_URL_LENGTH = 64 << 10  # characters; servers answer far shorter ones with 414
_MAX_INTEGER = (1 << 63) - 1  # what a session can hold
_MAX_SHOWN_LENGTH = 200
_MAX_START_AT = 253_402_214_400  # the last day of 9999: no calendar here goes on
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NORMAL = re.compile(
    r"https?://(?![^/:]{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*+"
    r"(?::(?:[1-9][0-9]{3}|[1-5][0-9]{4}))?/[!\"$->@-~]*(?:\?[!-\"$-~]+)?"
)
_ORIGIN = re.compile(r"https?://[^/?#]+")
_field_sets: dict[frozenset[str], set[str]] = {}


def normalise_url(value: object) -> str:
    """A http(s) URL with scheme and host in lower case and the default port left out.

    Path and query stay byte for byte as given: signed links break at the least change.

    Raises:
        ValueError: in one sentence, naming what is not valid.
    """
    url = str(value).strip()
    if len(url) <= _MAX_URL_LENGTH and _NORMAL.fullmatch(url):
        return url  # as most are: the rest of this costs five times as much
    if not url:
        raise ValueError("URL is empty")
    if len(url) > _MAX_URL_LENGTH:
        raise ValueError(f"URL is longer than {_MAX_URL_LENGTH:,} characters")
    if _SPACE.search(url):
        # What stands behind it may be the password to the URL, or a command with one.
        shown, *more = _shown(url).split(maxsplit=1)
        shown += "…" if more else ""
        raise ValueError(f"URL {shown!r} contains white space or control characters")
    if not url.isascii() and not is_unicode(url):
        raise ValueError("URL contains characters that are not valid Unicode")
    try:
        parts = urlsplit(url)
        netloc = _normalise_netloc(parts)
    except ValueError as error:
        reason = f": {error}"
        if "@" in url:  # what is wrong may be a part of the password
            reason = ""
        elif str(error).startswith("Port could"):  # and goes on with what stands there
            reason = ": its port is no number"
        raise ValueError(f"URL {_shown(url)!r} is not valid{reason}") from None
    if parts.scheme not in _DEFAULT_PORTS:
        scheme = f"scheme {parts.scheme!r}" if parts.scheme else "no scheme"
        raise ValueError(f"URL {_shown(url)!r} has {scheme}; http and https are supported")
    if not parts.hostname:
        raise ValueError(f"URL {_shown(url)!r} has no host")
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, parts.fragment))


def _shown(url: str) -> str:
    shown = redact_unreadable(url)
    return shown if len(shown) <= _MAX_SHOWN_LENGTH else f"{shown[:_MAX_SHOWN_LENGTH]}…"


def _normalise_netloc(parts: SplitResult) -> str:
    userinfo, at, _ = parts.netloc.rpartition("@")
    host = parts.hostname or ""
    if ":" in host:
        ipaddress.IPv6Address(host.replace("%25", "%"))  # ValueError; RFC 6874: %25 before a zone
        host = f"[{host}]"
    elif host:
        host = ascii_host(host)
        if not _HOST.fullmatch(host):
            raise ValueError(f"host {printable(host)!r} is not possible")
        check_labels(host)
    port = parts.port  # raises ValueError unless 0-65535
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    return f"{userinfo}{at}{host}"


def usable_urls(urls: Iterable[object], count: int) -> list[str]:
    """Return the first `count` of the URLs that can be used, normalised, each once."""
    usable: dict[str, None] = {}
    for url in urls:
        with suppress(ValueError):
            usable[normalise_url(url)] = None
        if len(usable) == count:
            break
    return list(usable)


def host_of(url: str) -> str:
    """Host and port of a http(s) URL, such as `example.org:443`: one text for one host."""
    return _host_of(_beginning(url))


def origin_of(url: str) -> tuple[str, str]:
    """Scheme, and host with port: what secrets are bound to (RFC 9110 4.3.1).

    A name with a dot at its end is another origin, as in browsers: without the dot, the search
    domains of a network may lead elsewhere.
    """
    return _origin_of(_beginning(url))


def _beginning(url: str) -> str:
    plain = _ORIGIN.match(url)
    return plain[0] if plain else url


@lru_cache(maxsize=1024)  # a long list has few hosts; they share one text as well
def _host_of(beginning: str) -> str:
    host, _, port = _origin_of(beginning)[1].rpartition(":")
    return f"{host_key(host)}:{port}"


@lru_cache(maxsize=1024)
def _origin_of(beginning: str) -> tuple[str, str]:
    parts = urlsplit(beginning)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return parts.scheme, f"{parts.hostname}:{port}"


ID_RULE = 1
"""Number of the rule that makes `FileConfig.id`. A change to the rule, or to the default names that
go into it, gets the next number: a stored id of the same number that differs is damage."""


class FileConfig(BaseModel):
    """One thing to download. Immutable; equal requests have equal ids."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    DOWNLOAD_ID_LENGTH: ClassVar[int] = 16
    """Hexadecimal characters of `id`; 64 bits."""

    url: Annotated[str, BeforeValidator(normalise_url)] = Field(
        description="http or https URL to download from"
    )
    type: str | None = Field(default=None, description="MIME type of the file")
    description: str | None = Field(default=None, description="What the file is, for people")
    priority: int = Field(default=1, ge=1, le=_MAX_INTEGER, description="Higher goes first")
    size_human: str | None = Field(default=None, description="Size estimate, for people")
    size_bytes: int | None = Field(
        default=None, ge=0, le=_MAX_INTEGER, description="Exact size, bytes"
    )
    filename: str | None = Field(default=None, description="Name to save under")
    destination_subdir: str | None = Field(
        default=None, description="Folder below the download folder; relative, without '..'"
    )
    hash_config: HashConfig | None = Field(default=None, description="Checksum to check")
    pieces: PieceHashes | None = Field(
        default=None, description="Checksums of its pieces; a bad one is fetched again"
    )
    timeout: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Limit for each attempt in all, seconds; None: no limit",
    )
    file_exists_strategy: FileExistsStrategy | None = Field(
        default=None, description="What to do when the file exists; None: the manager's"
    )
    mirrors: tuple[Annotated[str, BeforeValidator(normalise_url)], ...] = Field(
        default=(),
        description=f"Other http(s) URLs of the same file, at most {MAX_MIRRORS}; they share its "
        "segments",
    )
    fetch_url: Annotated[str, BeforeValidator(normalise_url)] | None = Field(
        default=None, description="Where it is fetched from now, where `url` has expired"
    )
    speed_limit: int | None = Field(
        default=None,
        ge=1,
        le=_MAX_INTEGER,
        description="Limit for this download alone, bytes/s; None: no limit",
    )
    start_at: float | None = Field(
        default=None,
        ge=0,
        le=_MAX_START_AT,
        allow_inf_nan=False,
        description="It does not begin before this time, seconds since the epoch; None: at once",
    )
    sidecar: bool = Field(
        default=False, description="Check against URL.sha256 or SHA256SUMS beside it"
    )
    accept_html: bool = Field(
        default=False, description="Save a web page even if a file was expected"
    )
    # Not validated again: the downloads of one command share their headers; pydantic would copy.
    headers: Annotated[Headers, SkipValidation, BeforeValidator(read_headers)] = Field(
        default=(),
        repr=False,
        description="Header fields sent with its requests; a mapping will do",
    )
    request: RequestOptions = Field(
        default=NO_OPTIONS,
        repr=False,
        description="How its requests are made, where other than the settings say",
    )
    list_options: tuple[str, ...] = Field(
        default=(),
        description="Names of the options in `request` that a list chose and the user allowed; no "
        "stored secret takes a route that a list chose",
    )

    if not TYPE_CHECKING:  # type checkers know the fields

        def __init__(self, /, **data: Any) -> None:
            """Take the fields by name; an unknown one is a mistake.

            JSON is read by `model_validate_json`, which passes over the fields of other versions.
            """
            data.pop("id", None)  # which `model_dump` gives
            self.__pydantic_validator__.validate_python(data, self_instance=self, extra="forbid")

        __init__.__pydantic_base_init__ = True  # so that pydantic does not go through it itself

    @field_validator("pieces")
    @classmethod
    def _check_pieces(cls, value: PieceHashes | None, info: ValidationInfo) -> PieceHashes | None:
        size = info.data.get("size_bytes")
        if value is not None and size is not None:
            value.check_size(size)
        return value

    @field_validator("mirrors", mode="before")
    @classmethod
    def _check_mirrors(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, list | tuple):
            return value
        if info.context is STORED:
            return usable_urls(value, MAX_MIRRORS)
        if len(value) > MAX_MIRRORS:
            raise ValueError(f"there are {len(value):,} mirrors; at most {MAX_MIRRORS} are allowed")
        return value

    @field_validator("destination_subdir")
    @classmethod
    def _check_subdir(cls, value: str | None) -> str | None:
        if value is None:
            return None
        shown = printable(value)
        if value.strip() in {"", "."}:
            raise ValueError(f"destination_subdir {shown!r} names no folder")
        # Both flavours on every system: a list may be written on one and read on another.
        for path in (PurePosixPath(value), PureWindowsPath(value)):
            if path.is_absolute() or path.drive or path.root:
                raise ValueError(f"destination_subdir {shown!r} must be relative")
            if ".." in path.parts:
                raise ValueError(f"destination_subdir {shown!r} must not contain '..'")
        if not is_unicode(value):
            raise ValueError(f"destination_subdir {shown!r} is not valid Unicode")
        if "\x00" in value:
            raise ValueError(f"destination_subdir {shown!r} must not contain NUL")
        return value

    def model_post_init(self, context: Any, /) -> None:
        """Have long lists take little memory: a third of what pydantic's own dictionaries take.

        The dictionary shares its keys with those of the other instances (PEP 412); and as they are
        frozen, they share their field sets.
        """
        values, field_set = _FIELDS.copy(), self.__pydantic_fields_set__
        values.update(self.__dict__)
        object.__setattr__(self, "__dict__", values)
        field_set = _field_sets.setdefault(frozenset(field_set), field_set)
        object.__setattr__(self, "__pydantic_fields_set__", field_set)

    @property
    def source(self) -> str:
        """The URL to fetch it from rather than from any mirror."""
        return self.fetch_url or self.url

    @property
    def sources(self) -> tuple[str, ...]:
        """Every URL that it may be fetched from, the preferred one first, each once."""
        return tuple(dict.fromkeys((self.source, *self.mirrors)))

    @property
    def names(self) -> Iterator[str]:
        """Names of the file as requested: first the given name, then those in its URLs."""
        if self.filename:
            yield self.filename
        for url in dict.fromkeys((self.url, *self.sources)):
            yield from names_in_url(url)

    def options_for(self, url: str) -> RequestOptions:
        """What a request to `url` carries, and how it travels, as far as the download says so.

        All of it at the origin of `self.url`; elsewhere, as at a mirror, no secret.
        """
        options = self.request
        if self.headers:
            options = RequestOptions(headers=self.headers).over(options)
        if self.list_options:
            options = ListedOptions.of(options, self.list_options)
        if options is NO_OPTIONS or origin_of(url) == origin_of(self.url):
            return options
        return options.without_secrets()

    def with_options(self, options: RequestOptions) -> Self:
        """This download with options of the user's over its own.

        As those of the settings, they tell no secret on a route that its list chose.
        """
        chosen = {name for name, value in options if value not in (None, ())}
        by_list = tuple(name for name in self.list_options if name not in chosen)
        if by_list and ListedOptions.of(self.request, by_list).has_listed_route:
            options = options.without_stored_secrets()
        own = self.request
        if options.has_login:  # how the replaced one was to be told is not said of this one
            own = own.model_copy(update={"auth": None})
        return self.model_copy(update={"request": options.over(own), "list_options": by_list})

    def without_options(self) -> Self:
        """This download without what its requests carry.

        How they travel stays: fetched again, the file must not come past its proxy, say.
        """
        by_list = tuple(name for name in self.list_options if name in PROTECTING)
        route = self.request.route_only()
        return self.model_copy(update={"headers": (), "request": route, "list_options": by_list})

    def without_secrets(self) -> Self:
        """What may be kept of it for ever: not what it was asked for with, nor tokens in URLs.

        Nor the hashes of its pieces, which may be as long as a book.
        """
        return self.without_options().model_copy(
            update={
                "url": redact(self.url),
                "fetch_url": None,
                "mirrors": tuple(map(redact, self.mirrors)),
                "pieces": None,
            }
        )

    def get_destination_filename(self) -> str:
        """The name asked for, else the one the URL suggests; safe as one path component.

        The final reply may suggest a better one (Content-Disposition) where none was asked for.
        """
        if self.filename:
            return sanitise_filename(self.filename, may_begin_with_dash=True)
        return filename_from_url(self.url)

    def get_destination_path(self, base_dir: Path) -> Path:
        """Where the file goes below `base_dir`, going by what is known before the transfer."""
        return base_dir / (self.destination_subdir or "") / self.get_destination_filename()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, and the id that goes with them."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("id", None)
        return copy

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def id(self) -> str:
        """16 hexadecimal characters: the same URL to the same place has the same id, always."""
        relative = self.get_destination_filename()
        if self.destination_subdir is not None:
            relative = str(PurePosixPath(self.destination_subdir) / relative)
        identity = f"{self.url}::{relative}".encode(errors="surrogateescape")
        return hashlib.sha256(identity).digest()[: self.DOWNLOAD_ID_LENGTH // 2].hex()


def _shared_fields() -> dict[str, Any]:
    """A dictionary with all fields, whose copies share its keys.

    Only attributes of an instance that are set one by one make such a dictionary, and only among
    the first instances of a class.
    """
    blank = FileConfig.__new__(FileConfig)
    for name in FileConfig.model_fields:
        object.__setattr__(blank, name, None)
    return blank.__dict__


_FIELDS = _shared_fields()
