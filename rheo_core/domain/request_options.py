"""RequestOptions: proxy, login, TLS, timeouts and other options of requests.

`config/host_settings.py` adds the limits of a host, and `request_rules.py` combines all of them.
"""

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

from .hosts import ascii_host, check_brackets, check_labels
from .paths import absolute_path
from .redaction import without_login
from .request_headers import (
    Headers,
    as_servers_compare,
    check_value,
    for_any_origin,
    read_headers,
    referring_origin,
)
from .text import redact_unreadable

REVEAL = {"reveal": True}
"""Context for `model_dump_json` to write secrets, as in the session and the settings."""
DIRECT = "off"
"""Value of `proxy` for direct connections, even if the environment names a proxy."""
_SOCKS = "socks"
"""Scheme of the desktops' settings, without a version."""
_PROXY_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})


def _reveal(value: Any, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
    if isinstance(value, SecretStr) and isinstance(info.context, dict) and "reveal" in info.context:
        return value.get_secret_value()
    return handler(value)


def _header_text(value: object) -> object:
    """Return text that is valid in a header."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise ValueError("should be text")
    if not value.strip():
        raise ValueError("should not be empty")
    return check_value(value, "the value")


def _referer(value: object) -> object:
    """Return a valid referer, without login and fragment (RFC 9110 10.1.3)."""
    text = _header_text(value)
    return without_login(text).partition("#")[0] if isinstance(text, str) else text


def _absolute_path(value: object) -> str:
    """Return an absolute path with `~` expanded; as text, because JSON has no `Path`."""
    return str(absolute_path(value, "file"))


def read_proxy(value: object) -> str:
    """Return the URL of a proxy with its scheme in lower case, or `off`.

    The default scheme is http.

    Raises:
        ValueError: the value is neither. The message contains no login.
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
    scheme = scheme.lower() or "http"
    url = f"{'socks5h' if scheme == _SOCKS else scheme}://{place}"
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0 and len(url.split()) == 1
        if "@" in url[url.index(parts.netloc) + len(parts.netloc) :]:
            has_place = False  # in a password, `/`, `?` or `#` would end the host early
        if "[" in (place := parts.netloc.rpartition("@")[2]):
            check_brackets(place)
        if ":" not in (host := parts.hostname or ""):  # an IPv6 address has no labels
            check_labels(ascii_host(host))
    except ValueError:  # its message may contain a part of the password
        has_place = False
    if not has_place or parts.scheme not in _PROXY_SCHEMES:
        raise ValueError(
            "should be the URL of a proxy (http, https, socks5 or socks5h); "
            f"{redact_unreadable(url)!r} is not valid"
        )
    return url


def _interface(value: object) -> str:
    """Return an address of this machine, or the name of one of its interfaces."""
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
    """Headers, logins and routes of requests. Immutable; None leaves an option open.

    The `repr` contains no secret. The JSON contains logins and the proxy only with `REVEAL` as the
    context, but always headers and referer, because lists contain them too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    headers: Annotated[
        Headers,
        BeforeValidator(read_headers, json_schema_input_type=dict[str, str] | list[list[str]]),
    ] = Field(default=(), repr=False, description="Header fields: a table of names and values")
    user_agent: HeaderText | None = Field(default=None, description="User-Agent header")
    referer: Annotated[str, BeforeValidator(_referer)] | None = Field(
        default=None, repr=False, description="Referer header"
    )
    cookies: AbsolutePath | None = Field(
        default=None,
        description="File of cookies to send, in Netscape's cookies.txt format; rheo never "
        "changes it",
    )
    user: Secret | None = Field(
        default=None,
        description="Login as name:password; with a name alone, netrc supplies the password",
    )
    auth: Literal["basic", "digest", "any"] | None = Field(
        default=None,
        description="Authentication scheme: basic (sent at once), digest (hashed, sent on "
        "request), or any (sent on request: digest if the server offers it, otherwise basic)",
    )
    bearer: Secret | None = Field(default=None, description="Bearer token, instead of a login")
    netrc: bool | None = Field(
        default=None, description="Read logins from ~/.netrc, or from the file $NETRC"
    )
    proxy: Proxy | None = Field(
        default=None,
        description="Proxy, such as http://name:password@host:3128 or socks5://host:1080; "
        "off: none, even if *_PROXY variables are set",
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="CA certificates (PEM) to trust instead of the system's",
    )
    client_cert: AbsolutePath | None = Field(
        default=None, description="Client certificate (PEM) for servers that request one"
    )
    client_key: AbsolutePath | None = Field(
        default=None, description="Private key (PEM), unless client_cert contains it"
    )
    ip_version: Literal[4, 6] | None = Field(default=None, description="IP version to use: 4 or 6")
    interface: Annotated[str, BeforeValidator(_interface)] | None = Field(
        default=None, description="Network interface to use, by name or address"
    )
    allow_downgrade: bool | None = Field(
        default=None, description="Follow redirects from https to http"
    )

    @property
    def proxy_url(self) -> str | None:
        """Proxy with its login; `DIRECT` for none, None if the option is open."""
        return self.proxy.get_secret_value() if self.proxy else None

    @property
    def has_login(self) -> bool:
        """True if these options identify the user."""
        named = any(name.lower() == "authorization" for name, _ in self.headers)
        return named or self.user is not None or self.bearer is not None

    @property
    def holds_secrets(self) -> bool:
        """True if these options contain secrets themselves. Paths of files do not count."""
        in_headers = self.headers != for_any_origin(self.headers)
        return self.has_login or in_headers or "@" in (self.proxy_url or "")

    def decide(self, option: str) -> bool:
        """Return True if these options determine `option`, so that no others can change it.

        Headers never do, because headers of several places are combined.
        """
        if option in _LOGINS:
            return self.has_login
        if option == "client_key" and self.client_cert is not None:
            return True
        return option not in ("", "headers") and getattr(self, option) is not None

    def over(self, base: Self) -> Self:
        """Return these options, completed by those of `base`.

        A login replaces the whole login of `base`. A header replaces every header of the same name,
        and so do `user_agent` and `referer`.
        """
        if base is NO_OPTIONS or self is NO_OPTIONS:
            return self if base is NO_OPTIONS else base
        values = {name: value for name, value in base if value is not None}
        if self.has_login:
            values = {name: value for name, value in values.items() if name not in _LOGINS}
        if self.client_cert is not None:
            values.pop("client_key", None)
        values |= {name: value for name, value in self if value is not None}
        made = self.model_construct(
            **values | {"headers": self.not_replaced(base.headers) + self.headers}
        )
        return cast(Self, made)  # the mypy plugin infers the base class

    def not_replaced(self, headers: Headers) -> Headers:
        """Return those of other headers that these options leave as they are."""
        own = {as_servers_compare(name) for name, _ in self.headers}
        if self.has_login:
            own.add("authorization")
        if self.user_agent is not None:
            own.add("user-agent")
        if self.referer is not None:
            own.add("referer")
        if own.isdisjoint(as_servers_compare(name) for name, _ in headers):
            return headers  # downloads share them
        return tuple(pair for pair in headers if as_servers_compare(pair[0]) not in own)

    def without_stored_secrets(self) -> "RequestOptions":
        """Return these options without all secrets, including files and the login of the proxy."""
        if self is NO_OPTIONS:
            return self
        without: dict[str, object] = {"cookies": None, "netrc": None, "referer": None}
        if self.proxy is not None:
            without["proxy"] = SecretStr(without_login(self.proxy.get_secret_value()))
        return self.without_secrets().model_copy(update=without)

    def route_only(self) -> "RequestOptions":
        """Return only the route, the trusted authorities and the scheme, without logins."""
        options = self.without_stored_secrets()
        route = {name: value for name, value in options if name in PROTECTING and value is not None}
        return RequestOptions.model_construct(**route) if route else NO_OPTIONS

    def without_secrets(self) -> "RequestOptions":
        """Return the options for requests to an origin that the user did not name.

        Cookies and netrc stay, because their entries name their hosts. The origin of the referer
        stays, because other servers may require it. `auth` is dropped together with its login
        unless it is digest, because another login may require digest.
        """
        if self is NO_OPTIONS:
            return self
        without = dict.fromkeys(_SECRETS if self.auth == "digest" else (*_SECRETS, "auth"))
        referer = referring_origin(self.referer or "") or None
        return self.model_copy(
            update={**without, "referer": referer, "headers": for_any_origin(self.headers)}
        )


class ListedOptions(RequestOptions):
    """Options of one download, some of which its list chose and the user allowed.

    Attributes:
        by_list: names of the options that the list chose.
    """

    model_config = ConfigDict(defer_build=True)

    by_list: frozenset[str]

    @classmethod
    def of(cls, options: RequestOptions, by_list: Iterable[str]) -> "ListedOptions":
        """Mark `options` with the names of those that a list chose."""
        return cls.model_construct(**dict(options), by_list=frozenset(by_list))

    @property
    def has_listed_route(self) -> bool:
        """True if the list chose the route of the requests or whom they trust."""
        return not self.by_list.isdisjoint(ROUTE | CERTIFICATE)

    def decide(self, option: str) -> bool:
        """Combine as other options do, but never replace a setting of the user."""
        return option not in self.by_list and super().decide(option)

    def yielding_to(self, stored: RequestOptions) -> Self:
        """Return these options without a scheme of the list where the settings have one.

        Otherwise, a list could have a login sent in clear that the user wants hashed.
        """
        is_chosen = "auth" in self.by_list and stored.auth is not None
        return self.model_copy(update={"auth": None}) if is_chosen else self

    def without_stored_files(self) -> RequestOptions:
        """Return these options without files of the user's secrets that the list names."""
        files = (SECRET_FILES | CERTIFICATE) & self.by_list
        return self.model_copy(update=dict.fromkeys(files))

    def without_secrets(self) -> RequestOptions:
        """Return these options without secrets, including those in files that a list names."""
        files = SECRET_FILES & self.by_list
        return super().without_secrets().model_copy(update=dict.fromkeys(files))


ROUTE = frozenset({"allow_downgrade", "ca_file", "interface", "ip_version", "proxy"})
"""Options for the route of a request and whom it trusts."""
PROTECTING = (ROUTE | {"auth"}) - {"allow_downgrade"}
"""Options that a request must not lack: for the route, for trusted authorities, and for how a login
is sent."""
CERTIFICATE = frozenset({"client_cert", "client_key"})
SECRET_FILES = frozenset({"cookies", "netrc"})
"""Options that read secrets from the user's files."""
_LOGINS = frozenset({"user", "bearer"})
_SECRETS = ("user", "bearer", "client_cert", "client_key")
NO_OPTIONS = RequestOptions()
