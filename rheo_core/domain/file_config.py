"""FileConfig: a requested download with its URL, destination and options."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

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

from .file_exists import FileExistsStrategy as FileExistsStrategy  # public in this module too
from .filenames import filename_from_url, names_in_url, sanitise_filename
from .hash_algorithms import HashAlgorithm
from .hash_hints import join_hashes
from .hash_validation import HashConfig, PieceHashes
from .paths import check_relative
from .references import login_in
from .request_headers import Headers, read_headers
from .request_options import NO_OPTIONS, PROTECTING, ListedOptions, RequestOptions
from .text import is_unicode, printable, redact, redact_url
from .urls import normalise_url, origin_of, usable_urls

NOT_BY_LISTED_ROUTE = (
    "A login or secret header is not sent by a route that a list chose, such as its proxy"
)
MAX_MIRRORS = 16
"""Maximum number of mirrors of one file. Each may cost one request per attempt."""
STORED = {"stored": True}
"""Context for rows of a session: mirrors that only this version refuses are dropped."""

MAX_CONNECTIONS = 64
"""Maximum number of connections of one download."""
_MAX_INTEGER = (1 << 63) - 1  # limit of SQLite
_MAX_START_AT = 253_402_214_400  # the last day of 9999, where `datetime` ends
_field_sets: dict[frozenset[str], set[str]] = {}


ID_RULE = 2
"""Version of the rule for `FileConfig.id`. Increase it when the rule or the default names change,
because a stored id of the same version that differs is treated as damage."""


class FileConfig(BaseModel):
    """A requested download. It is immutable, and equal requests have equal ids."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    DOWNLOAD_ID_LENGTH: ClassVar[int] = 16
    """Number of hexadecimal characters in `id` (64 bits)."""

    url: Annotated[str, BeforeValidator(normalise_url)] = Field(
        description="http or https URL to download from"
    )
    type: str | None = Field(default=None, description="MIME type of the file")
    description: str | None = Field(default=None, description="Description of the file, for people")
    priority: int = Field(default=1, ge=1, le=_MAX_INTEGER, description="Higher values start first")
    size_human: str | None = Field(default=None, description="Size estimate, for people")
    size_bytes: int | None = Field(
        default=None, ge=0, le=_MAX_INTEGER, description="Exact size, bytes"
    )
    filename: str | None = Field(default=None, description="Name of the saved file")
    destination_subdir: str | None = Field(
        default=None, description="Folder below the download folder; relative, without '..'"
    )
    download_dir: Path | None = Field(
        default=None, description="Download folder for this file; None: that of the manager"
    )
    hash_config: HashConfig | None = Field(
        default=None,
        description="Expected checksum of the file; those in fragments of URLs do not replace it",
    )
    pieces: PieceHashes | None = Field(
        default=None, description="Checksums of its pieces; bad pieces are fetched again"
    )
    timeout: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Limit for each whole attempt, seconds; None: no limit",
    )
    file_exists_strategy: FileExistsStrategy | None = Field(
        default=None, description="Action if the file exists; None: that of the manager"
    )
    overwrite_only: Path | None = Field(
        default=None,
        description="The only file that `overwrite` may replace, as an absolute path; None: any "
        "file with the requested name and folder",
    )
    mirrors: tuple[Annotated[str, BeforeValidator(normalise_url)], ...] = Field(
        default=(),
        description=f"Other http(s) URLs of the same file, at most {MAX_MIRRORS}; its segments are "
        "shared among them",
    )
    fetch_url: Annotated[str, BeforeValidator(normalise_url)] | None = Field(
        default=None, description="URL to fetch it from after `url` has expired"
    )
    speed_limit: int | None = Field(
        default=None,
        ge=1,
        le=_MAX_INTEGER,
        description="Limit for this download alone, bytes/s; None: no limit",
    )
    connections: int | None = Field(
        default=None,
        ge=1,
        le=MAX_CONNECTIONS,
        description="Connections for this download; None: as for all others",
    )
    start_at: float | None = Field(
        default=None,
        ge=0,
        le=_MAX_START_AT,
        allow_inf_nan=False,
        description="Earliest start, seconds since the epoch; None: at once",
    )
    sidecar: bool = Field(
        default=False,
        description="Verify the file with URL.sha256 or SHA256SUMS next to it, even if "
        "`hash_config` is set",
    )
    check_existing: bool = Field(
        default=False,
        description="Compare the size of an existing file with that on the server before it is "
        "skipped",
    )
    accept_html: bool = Field(
        default=False, description="Save a web page even if a file was expected"
    )
    ignore_digest: bool = Field(
        default=False,
        description="Save the file even if it does not match a checksum in the server's headers",
    )
    compute_hash: HashAlgorithm | None = Field(
        default=None,
        description="Hash to compute while downloading; the completed event has it",
    )
    # Not validated again, because pydantic would copy headers that the downloads of a command
    # share.
    headers: Annotated[Headers, SkipValidation, BeforeValidator(read_headers)] = Field(
        default=(),
        repr=False,
        description="Header fields sent with its requests; a mapping is accepted too",
    )
    request: RequestOptions = Field(
        default=NO_OPTIONS,
        repr=False,
        description="Options of its requests; they replace those of the settings",
    )
    list_options: tuple[str, ...] = Field(
        default=(),
        description="Names of the options in `request` that a list chose and the user allowed; no "
        "stored secret is sent over a route that a list chose",
    )

    if not TYPE_CHECKING:  # type checkers know the fields

        def __init__(self, /, **data: Any) -> None:
            """Create a download from its fields.

            `model_validate_json` ignores unknown fields, which other versions may have written.

            Raises:
                ValidationError: a value is not valid, or a field is unknown.
            """
            data.pop("id", None)  # included by `model_dump`
            self.__pydantic_validator__.validate_python(data, self_instance=self, extra="forbid")

        __init__.__pydantic_base_init__ = True  # so that pydantic does not call it

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the fields for `repr`, with redacted URLs because `repr` may get into logs."""
        for name, value in super().__repr_args__():
            if name in {"url", "fetch_url"} and value is not None:
                yield name, redact_url(value)
            elif name == "mirrors":
                yield name, tuple(map(redact_url, value))
            else:
                yield name, value

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
            raise ValueError(f"destination_subdir {shown!r} must name a folder")
        check_relative(value, "destination_subdir")
        if not is_unicode(value):
            raise ValueError(f"destination_subdir {shown!r} is not valid Unicode")
        if "\x00" in value:
            raise ValueError(f"destination_subdir {shown!r} must not contain NUL")
        return value

    @field_validator("download_dir", "overwrite_only")
    @classmethod
    def _check_path(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        text = str(value)
        if not value.is_absolute():
            raise ValueError(f"{info.field_name} {printable(text)!r} must be an absolute path")
        if not is_unicode(text) or "\x00" in text:
            raise ValueError(f"{info.field_name} {printable(text)!r} contains invalid characters")
        return value

    def model_post_init(self, context: Any, /) -> None:
        """Save memory for long lists: use a third of what pydantic's own dictionaries take.

        The dictionary shares its keys with those of the other instances (PEP 412). The instances
        also share their field sets, because they are frozen.
        """
        values, field_set = _FIELDS.copy(), self.__pydantic_fields_set__
        values.update(self.__dict__)
        # The user may have chosen the stored checksum in place of the one in the URL.
        if context is not STORED and ("#" in self.url or self.mirrors):
            own, urls = filter(None, [self.hash_config]), (self.url, *self.mirrors)
            values["hash_config"] = join_hashes((), urls, own=own).used
        object.__setattr__(self, "__dict__", values)
        field_set = _field_sets.setdefault(frozenset(field_set), field_set)
        object.__setattr__(self, "__pydantic_fields_set__", field_set)

    @property
    def source(self) -> str:
        """Preferred URL to fetch the file from."""
        return self.fetch_url or self.url

    @property
    def sources(self) -> tuple[str, ...]:
        """All URLs of the file without duplicates, the preferred one first."""
        return tuple(dict.fromkeys((self.source, *self.mirrors)))

    @property
    def names(self) -> Iterator[str]:
        """Requested names of the file: first `filename`, then those in its URLs."""
        if self.filename:
            yield self.filename
        for url in dict.fromkeys((self.url, *self.sources)):
            yield from names_in_url(url)

    def options_for(self, url: str) -> RequestOptions:
        """Return the options of the download for a request to `url`.

        For origins other than that of `self.url`, such as mirrors, they contain no secrets.
        """
        options = self.request
        if self.headers:
            options = RequestOptions(headers=self.headers).over(options)
        if self.list_options:
            options = ListedOptions.of(options, self.list_options)
        if options is NO_OPTIONS:
            return options
        return options if origin_of(url) == origin_of(self.url) else options.without_secrets()

    def with_options(self, options: RequestOptions) -> Self:
        """Return this download with options added by the user, which replace its own.

        If a list chose the route of its requests, secrets are left out.
        """
        chosen = {name for name, value in options if value not in (None, ())}
        by_list = tuple(name for name in self.list_options if name not in chosen)
        if by_list and ListedOptions.of(self.request, by_list).has_listed_route:
            options = options.without_stored_secrets()
        own = self.request
        if options.has_login:  # `auth` was meant for the replaced login
            own = own.model_copy(update={"auth": None})
        update = {
            "headers": options.not_replaced(self.headers),
            "request": options.over(own),
            "list_options": by_list,
        }
        return self.model_copy(update=update)

    @property
    def has_listed_route(self) -> bool:
        """True if a list chose the route of the requests or whom they trust."""
        return ListedOptions.of(self.request, self.list_options).has_listed_route

    def with_link(self, url: object) -> Self:
        """Return a copy of this download that is fetched from `url`.

        A checksum in the fragment of `url` is used if the download has none.

        Raises:
            ValueError: the URL or its checksum is not valid, the two checksums differ, or the login
                in the URL would be sent by a route that a list chose.
        """
        url = normalise_url(url)
        if self.has_listed_route and not {login_in(url)} <= {"", *map(login_in, self.sources)}:
            raise ValueError(NOT_BY_LISTED_ROUTE)
        return self._fetched_from(url)

    def _fetched_from(self, url: str) -> Self:
        if url == self.url:
            return self.model_copy(update={"fetch_url": None})
        own = filter(None, [self.hash_config])
        checksum = join_hashes((), [url], own=own).used
        return self.model_copy(update={"fetch_url": url, "hash_config": checksum})

    def renewed_by(self, link: Self) -> Self:
        """Return a copy of this download that is fetched with the URL and options of `link`.

        Headers, login and other options of `link` replace the same options of this download. The
        others stay, so that a link cannot remove a proxy. A checksum of this download stays. If
        `link` has another origin, only its route is used, because the download would send its
        headers and logins to the origin of `url`.

        Raises:
            ValueError: two checksums of one algorithm differ, or the login in the URL would be sent
                by a route that another list chose.
        """
        new = RequestOptions(headers=link.headers).over(link.request)
        if origin_of(link.url) != origin_of(self.url):
            new = new.route_only()
        old = RequestOptions(headers=self.headers).over(self.request)
        is_own = old.auth is not None and "auth" not in self.list_options
        if "auth" in link.list_options and (is_own or (old.has_login and not new.has_login)):
            new = new.model_copy(update={"auth": None})  # meant for the login in its URL
        chosen = {name for name, value in new if value not in (None, ())}
        by_list = chosen.intersection(link.list_options)
        if ListedOptions.of(new, by_list).has_listed_route:
            old = old.without_stored_secrets()
        request = new.over(old)
        kept = (name for name in self.list_options if name not in chosen)
        own, given = (filter(None, [each.hash_config]) for each in (self, link))
        update = {
            "headers": request.headers,
            "request": request.model_copy(update={"headers": ()}),
            "list_options": (*kept, *(name for name in link.list_options if name in by_list)),
            "hash_config": join_hashes(given, own=own).used,
        }
        renewed = self.model_copy(update=update)
        return (renewed._fetched_from if link.has_listed_route else renewed.with_link)(link.url)

    def without_options(self) -> Self:
        """Return a copy of this download without headers, logins and cookies.

        Options of the route stay, so that a later download cannot bypass its proxy.
        """
        by_list = tuple(name for name in self.list_options if name in PROTECTING)
        route = self.request.route_only()
        return self.model_copy(update={"headers": (), "request": route, "list_options": by_list})

    def without_secrets(self) -> Self:
        """Return a copy of this download for the history, without secrets, even in its URLs.

        It omits the hashes of pieces too, because there may be very many.
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
        """Return the requested name, or else the name in the URL, safe as a path component.

        If no name was requested, Content-Disposition may change it later.
        """
        if self.filename:
            return sanitise_filename(self.filename, may_begin_with_dash=True)
        return filename_from_url(self.url)

    def get_destination_path(self, base_dir: Path) -> Path:
        """Return the expected path of the file, before the first response.

        Args:
            base_dir: download folder of the manager, unless the file has its own.
        """
        return self.folder_below(base_dir) / self.get_destination_filename()

    def folder_below(self, base_dir: Path) -> Path:
        """Return the requested folder of the file; see `get_destination_path`."""
        base = self.download_dir or base_dir
        return base / self.destination_subdir if self.destination_subdir else base

    def strategy_at(self, path: Path, default: FileExistsStrategy) -> FileExistsStrategy:
        """Return the action if a file exists at `path`.

        A choice to overwrite one file is none for the file of another folder or name, which the
        download may get after a restart, an edit or other settings.

        Args:
            path: path of the file, without a number.
            default: action of the manager.
        """
        own = self.file_exists_strategy
        if own is FileExistsStrategy.OVERWRITE and self.overwrite_only not in (None, path):
            own = None
        return own or default

    @property
    def has_folder(self) -> bool:
        """True if a folder was requested."""
        return self.destination_subdir is not None or self.download_dir is not None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed, and with a new id if necessary."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("id", None)
        return copy

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def id(self) -> str:
        """Id of the download, 16 hexadecimal characters: a hash of URL and destination.

        The fragment of the URL is ignored, because servers do not see it.
        """
        relative = self.get_destination_filename()
        if self.destination_subdir is not None:
            relative = str(PurePosixPath(self.destination_subdir) / relative)
        if self.download_dir is not None:
            relative = str(self.download_dir / relative)
        identity = f"{self.url.partition('#')[0]}::{relative}".encode(errors="surrogateescape")
        return hashlib.sha256(identity).digest()[: self.DOWNLOAD_ID_LENGTH // 2].hex()


def _shared_fields() -> dict[str, Any]:
    """Return a dictionary of all fields whose copies share its keys.

    Python makes such a dictionary only if the attributes of an instance are set one by one, and
    only for the first instances of a class.
    """
    blank = FileConfig.__new__(FileConfig)
    for name in FileConfig.model_fields:
        object.__setattr__(blank, name, None)
    return blank.__dict__


_FIELDS = _shared_fields()
