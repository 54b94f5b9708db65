"""How requests are made: what the settings, a host and a single download may choose."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    WrapSerializer,
)

from .hosts import ascii_host, check_labels
from .redaction import without_login
from .request_headers import Headers, check_value, for_any_origin, read_headers
from .text import redact_unreadable

REVEAL = {"reveal": True}
"""Context for `model_dump_json` where secrets are to be written: to the session, to settings."""
DIRECT = "off"
"""The proxy that stands for none, whatever the environment says."""
_PROXY_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})


def _reveal(value: Any, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
    if isinstance(value, SecretStr) and isinstance(info.context, dict) and "reveal" in info.context:
        return value.get_secret_value()
    return handler(value)


def _header_text(value: object) -> object:
    """Text that fits into a header."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise ValueError("should be text")
    if not value.strip():
        raise ValueError("should not be empty")
    return check_value(value, "the value")


def _referer(value: object) -> object:
    """Such text, without what no server may learn from it (RFC 9110 10.1.3)."""
    text = _header_text(value)
    return without_login(text).partition("#")[0] if isinstance(text, str) else text


def _absolute_path(value: object) -> str:
    """An absolute path, with `~` expanded; as text, because of JSON pydantic takes no `Path`."""
    text = str(value) if isinstance(value, str | Path) else ""
    if not text.strip() or "\x00" in text:
        raise ValueError("should be the path of a file")
    try:
        return str(Path(text).expanduser().absolute())
    except RuntimeError:
        raise ValueError("should be the path of a file; there is no such user") from None
    except FileNotFoundError:
        raise ValueError("should be an absolute path: the current folder is gone") from None


def read_proxy(value: object) -> str:
    """Return the URL of a proxy, with its scheme in lower case (http if it has none); or `off`.

    Raises:
        ValueError: it is neither. The sentence holds no login.
    """
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not isinstance(value, str) or not value.strip():
        raise ValueError("should be the URL of a proxy, or off")
    value = value.strip()
    if value.lower() in (DIRECT, "none"):
        return DIRECT
    check_value(value, "the proxy")
    scheme, _, place = value.rpartition("://")
    url = f"{scheme.lower() or 'http'}://{place}"
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0 and len(url.split()) == 1
        if "@" in url[url.index(parts.netloc) + len(parts.netloc) :]:
            has_place = False  # a password with `/`, `?` or `#` in it ends before its host
        if ":" not in (host := parts.hostname or ""):  # an address of IPv6 has no labels
            check_labels(ascii_host(host))
    except ValueError:  # its text may hold a part of the password
        has_place = False
    if not has_place or parts.scheme not in _PROXY_SCHEMES:
        raise ValueError(
            "should be the URL of a proxy (http, https, socks5 or socks5h), which "
            f"{redact_unreadable(url)!r} is not"
        )
    return url


def _interface(value: object) -> str:
    """An address of this machine, or the name of one of its interfaces."""
    name = value.strip() if isinstance(value, str) else ""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if not 0 < len(name.encode()) < 16 or not name.isprintable() or set(name) & set("/ "):
            raise ValueError("should be an address or an interface of this machine") from None
        return name


Secret = Annotated[SecretStr, BeforeValidator(_header_text), WrapSerializer(_reveal)]
HeaderText = Annotated[str, BeforeValidator(_header_text)]
Proxy = Annotated[SecretStr, BeforeValidator(read_proxy), WrapSerializer(_reveal)]
AbsolutePath = Annotated[Path, BeforeValidator(_absolute_path)]


class RequestOptions(BaseModel):
    """What requests carry and how they travel. Immutable; None leaves it open.

    Its text holds no secret. Its JSON has logins and the proxy only where `REVEAL` is the context;
    headers and referer are in it always, as they are in the lists that it is written to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    headers: Annotated[
        Headers,
        BeforeValidator(read_headers, json_schema_input_type=dict[str, str] | list[list[str]]),
    ] = Field(default=(), repr=False, description="Header fields: a table of names and values")
    user_agent: HeaderText | None = Field(default=None, description="The User-Agent header")
    referer: Annotated[str, BeforeValidator(_referer)] | None = Field(
        default=None, repr=False, description="The Referer header"
    )
    cookies: AbsolutePath | None = Field(
        default=None,
        description="File with cookies to send, of Netscape's format (cookies.txt); only read",
    )
    user: Secret | None = Field(
        default=None, description="Login as name:password; a name alone goes with netrc"
    )
    auth: Literal["basic", "digest"] | None = Field(
        default=None,
        description="How a login is told: basic (at once) or digest (when asked, never in clear)",
    )
    bearer: Secret | None = Field(default=None, description="Bearer token, in the place of a login")
    netrc: bool | None = Field(
        default=None, description="Whether logins are looked up in ~/.netrc, or the file $NETRC"
    )
    proxy: Proxy | None = Field(
        default=None,
        description="Proxy, such as http://name:password@host:3128 or socks5://host:1080; "
        "off: none, whatever the *_PROXY variables say",
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="Certificates (PEM) of the authorities to believe, instead of the system's",
    )
    client_cert: AbsolutePath | None = Field(
        default=None, description="Certificate (PEM) to show to servers that ask for one"
    )
    client_key: AbsolutePath | None = Field(
        default=None, description="Its key (PEM), where client_cert does not hold it too"
    )
    ip_version: Literal[4, 6] | None = Field(
        default=None, description="4 or 6: connect by this version of IP only"
    )
    interface: Annotated[str, BeforeValidator(_interface)] | None = Field(
        default=None, description="Address or name of the network interface to connect from"
    )
    allow_downgrade: bool | None = Field(
        default=None, description="Whether a redirect may lead from https to http"
    )

    @property
    def proxy_url(self) -> str | None:
        """The proxy with its login; None where it is left open, `DIRECT` for none."""
        return self.proxy.get_secret_value() if self.proxy else None

    @property
    def has_login(self) -> bool:
        """Whether these say who asks."""
        named = any(name.lower() == "authorization" for name, _ in self.headers)
        return named or self.user is not None or self.bearer is not None

    @property
    def holds_secrets(self) -> bool:
        """Whether somebody who reads these could use them: files have readers of their own."""
        in_headers = self.headers != for_any_origin(self.headers)
        return self.has_login or in_headers or "@" in (self.proxy_url or "")

    def decide(self, option: str) -> bool:
        """Return whether no options behind these can change the value of `option`.

        Headers add up, so that they never decide.
        """
        if option in _LOGINS:
            return self.has_login
        if option == "client_key" and self.client_cert is not None:
            return True
        return option not in ("", "headers") and getattr(self, option) is not None

    def over(self, base: Self) -> Self:
        """These, and what they leave open as `base` has it; a login replaces the whole of another.

        Of headers of one name only these stay.
        """
        if base is NO_OPTIONS or self is NO_OPTIONS:
            return self if base is NO_OPTIONS else base
        values = {name: value for name, value in base if value is not None}
        if self.has_login:
            values = {name: value for name, value in values.items() if name not in _LOGINS}
        if self.client_cert is not None:
            values.pop("client_key", None)
        values |= {name: value for name, value in self if value is not None}
        own = {name.lower() for name, _ in self.headers}
        if self.has_login:
            own.add("authorization")
        inherited = tuple(pair for pair in base.headers if pair[0].lower() not in own)
        made = self.model_construct(**values | {"headers": inherited + self.headers})
        return cast(Self, made)  # the plugin of mypy takes it for the base class

    def without_stored_secrets(self) -> "RequestOptions":
        """These without anything that says who the user is, on whatever way: no file either."""
        if self is NO_OPTIONS:
            return self
        without: dict[str, object] = {"cookies": None, "netrc": None}
        if self.proxy is not None:
            without["proxy"] = SecretStr(without_login(self.proxy.get_secret_value()))
        return self.without_secrets().model_copy(update=without)

    def route_only(self) -> "RequestOptions":
        """How these requests travel and whom they trust, without the login of the proxy."""
        options = self.without_stored_secrets()
        route = {name: value for name, value in options if name in PROTECTING and value is not None}
        return RequestOptions.model_construct(**route) if route else NO_OPTIONS

    def without_secrets(self) -> "RequestOptions":
        """What may be told to a place that the user did not name, and how to get there.

        Cookies and netrc say themselves which host they are for. That a login may be told in clear
        is said of the one left out; another may have to be told by digest alone.
        """
        if self is NO_OPTIONS:
            return self
        without = dict.fromkeys(_SECRETS if self.auth != "basic" else (*_SECRETS, "auth"))
        return self.model_copy(update={**without, "headers": for_any_origin(self.headers)})


class ListedOptions(RequestOptions):
    """Options of one download, some of which its list chose and the user allowed.

    Args:
        by_list: names of the options that the list chose.
    """

    by_list: frozenset[str]

    @classmethod
    def of(cls, options: RequestOptions, by_list: Iterable[str]) -> "ListedOptions":
        """Mark `options` with the names of those that a list chose."""
        return cls.model_construct(**dict(options), by_list=frozenset(by_list))

    @property
    def has_listed_route(self) -> bool:
        """True if the list chose how the requests travel or whom they trust."""
        return not self.by_list.isdisjoint(ROUTE | CERTIFICATE)

    def decide(self, option: str) -> bool:
        """The same as for other options; a list cannot stand in for a setting of the user's."""
        return option not in self.by_list and super().decide(option)

    def without_stored_files(self) -> RequestOptions:
        """These without the user's files of secrets that the list names."""
        files = (SECRET_FILES | CERTIFICATE) & self.by_list
        return self.model_copy(update=dict.fromkeys(files))

    def without_secrets(self) -> RequestOptions:
        """The same as for other options; files that a list names are for its own origin alone."""
        files = SECRET_FILES & self.by_list
        return super().without_secrets().model_copy(update=dict.fromkeys(files))


ROUTE = frozenset({"allow_downgrade", "auth", "ca_file", "interface", "ip_version", "proxy"})
"""Options that decide how a request travels, whom it trusts, and how openly it tells a login."""
PROTECTING = ROUTE - {"allow_downgrade"}
"""Those without which a request could go a way that the user wanted to avoid."""
CERTIFICATE = frozenset({"client_cert", "client_key"})
SECRET_FILES = frozenset({"cookies", "netrc"})
"""Options that read secrets from files of the user."""
_LOGINS = frozenset({"user", "bearer"})
_SECRETS = ("referer", "user", "bearer", "client_cert", "client_key")
NO_OPTIONS = RequestOptions()
