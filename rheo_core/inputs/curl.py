"""curl commands, including "Copy as cURL" of browsers: the meaning of each option."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

from rheo_core.domain.request_options import DIRECT
from rheo_core.domain.text import printable

from .command_options import Syntax, read_options
from .command_request import CommandRequest
from .curl_options import (
    CHANGES,
    DATA,
    FLAGS,
    LETTERS,
    NEEDLESS,
    PROTECTS,
    SENDS,
    WITH_VALUE,
    takes_value,
)

_FILES = {"cacert": "ca_file", "cookie": "cookies", "interface": "interface", "key": "client_key"}
_UP_TO_COLON = re.compile(r"(?:[A-Za-z]:(?=[\\/]))?(?:\\:|[^:])*")  # a drive letter has a colon too
_ENCODED = re.compile(r"([^=@]*)([=@]?)(.*)", re.DOTALL)
"""Name, sign and content. Without a sign, the name is the content."""
SYNTAX = Syntax(LETTERS, takes_value, WITH_VALUE | FLAGS, splits_at_equals=False)


def requests(words: list[str]) -> Iterator[CommandRequest]:
    """Yield the requests of a command: one for each part up to `--next`.

    Args:
        words: the words after `curl`.
    """
    request, data = CommandRequest("curl"), _Data()
    for name, value in read_options(words, SYNTAX):
        if name == "next":
            if request.urls:  # otherwise curl continues with the options
                yield data.applied(request)
                request, data = CommandRequest("curl"), _Data()
        elif name in DATA:
            data.add(name, value)
        elif name == "get":
            data.is_query = True
        else:
            _take(request, name, value)
    yield data.applied(request)


class _Data:
    """Data of a request (`-d`). With `-G` it is the query."""

    def __init__(self) -> None:
        self.is_query = False
        self._data: list[tuple[str, str]] = []
        self._query: list[tuple[str, str]] = []

    def add(self, name: str, value: str) -> None:
        """Add an option of `DATA`."""
        (self._query if name == "url-query" else self._data).append((name, value))

    def applied(self, request: CommandRequest) -> CommandRequest:
        """Return `request` with its query, or with the reason why it cannot be sent."""
        parameters = [*self._data, *self._query] if self.is_query else self._query
        try:
            request.query += [_parameter(name, value) for name, value in parameters]
        except ValueError as error:
            request.refuse(str(error))
        if self._data and not self.is_query:
            request.refuse(f"--{self._data[0][0]} sends data; only GET is supported")
        return request


def _parameter(name: str, value: str) -> str:
    """Return a query parameter in curl's form (`--data-urlencode` in its manual)."""
    if name == "data-raw" or (name == "url-query" and value.startswith("+")):
        return value.removeprefix("+") if name == "url-query" else value
    if name in ("data-urlencode", "url-query"):
        key, sign, content = _ENCODED.fullmatch(value).groups()  # type: ignore[union-attr]
        encoded = quote_plus(content if sign else key, errors="surrogateescape")
        if sign != "@":
            return f"{key}={encoded}" if sign and key else encoded
    if name in ("data-urlencode", "url-query") or value.startswith("@"):
        raise ValueError(f"--{name} reads a file, which is not supported")
    return value


def _take(request: CommandRequest, name: str, value: str) -> None:
    match name:
        case "" | "url":
            request.urls.append(value)
        case "output":
            request.outputs.append(value)
        case "remote-name":
            request.outputs.append(None)
        case "output-dir":
            request.folder = value
        case "header":
            _take_header(request, value)
        case "cookie" if "=" in value:
            request.cookies.append(value)
        case _ if wish := _wish(name, value):
            request.wishes |= wish
        case "cert":
            _take_certificate(request, value)
        case "user-agent":
            request.option_headers["User-Agent"] = value
        case "referer" if value in ("", ";auto"):
            request.option_headers.pop("Referer", None)
        case "referer":
            request.option_headers["Referer"] = value.removesuffix(";auto")
        case "oauth2-bearer":
            request.option_headers["Authorization"] = f"Bearer {value}"
        case "user":
            request.login = value
        case "basic" | "digest":
            request.schemes.add(name)
        case "no-basic" | "no-digest":
            request.schemes.discard(name.removeprefix("no-"))
        case "anyauth":
            request.schemes |= {"basic", "digest"}
        case _ if reason := _refusal(name, value):
            request.refuse(reason)
        case _ if _protects(name, value):
            request.refuse_without(name)
        case _ if "=" in name and takes_value(name.partition("=")[0]) is not None:
            option = name.partition("=")[0]
            request.refuse(
                f"--{option}= is not an option of curl; write the value as the next word"
            )
        case "proto" | "proto-redir":
            _take_protocols(request, name, value)
        case "proto-default" if value.lower() in ("http", "https"):
            request.scheme = value.lower()
        case "proto-default":
            request.refuse_without(name)
        case "globoff":
            request.is_literal = True
        case "continue-at" if value.strip("0"):
            if value != "-":
                request.refuse("-C OFFSET downloads a part of the file, which is not supported")
            request.check_existing = True
        case _ if name not in NEEDLESS and name not in ("request", "continue-at"):
            request.ignore(name, value, is_unknown=takes_value(name) is None)


def _refusal(name: str, value: str) -> str:
    """Return the reason for refusing a request with this option; "" if it is supported."""
    match name:
        case "head":
            return "-I requests headers only; there is nothing to download"
        case "request" if value.upper() != "GET":
            return f"-X sends a {printable(value[:20])} request; only GET is supported"
        case _ if name in SENDS:
            return f"--{name} sends data; only GET is supported"
        case _ if name in CHANGES:
            return f"--{name} changes what is fetched, which is not supported"
    return ""


def _protects(name: str, value: str) -> bool:
    """Return True if a request without this option would lose a protection."""
    match name:
        case "noproxy":  # a list; for `*` see `_wish`
            return bool(value)
        case "max-redirs":
            return bool(value) and not value.strip("0")
    return name in PROTECTS or name.startswith("expand-")  # the value of those is unknown


def _wish(name: str, value: str) -> dict[str, Any]:
    """Return the request options that a curl option asks for; empty for other options."""
    match name:
        case "proxy" | "proxy1.0":
            return {"proxy": value or DIRECT}  # in curl an empty proxy means none
        case "socks5" | "socks5-hostname":
            return {"proxy": f"{'socks5h' if name.endswith('hostname') else 'socks5'}://{value}"}
        case "socks4" | "socks4a":  # refused as a proxy: rheo sends no request without it
            return {"proxy": f"{name}://{value}"}
        case "noproxy" if value == "*":
            return {"proxy": DIRECT}
        case "ipv4" | "ipv6":
            return {"ip_version": int(name[-1])}
        case "netrc" | "netrc-optional" | "no-netrc":
            return {"netrc": name != "no-netrc"}
        case _ if name in _FILES and value:
            return {_FILES[name]: value}
    return {}


def _take_protocols(request: CommandRequest, name: str, value: str) -> None:
    """Parse the protocols that a URL or a redirect may have, such as `=https` or `-all,https`."""
    both = {"http", "https"}
    allowed = set(both)
    for item in value.lower().replace(" ", "").split(","):
        protocols = both if item.lstrip("+-=") == "all" else both & {item.lstrip("+-=")}
        match item[:1]:
            case "=":
                allowed = set(protocols)
            case "-":
                allowed -= protocols
            case _:
                allowed |= protocols
    if allowed == {"https"}:
        request.allow_https_only(f"--{name}")
    elif allowed != both:
        request.refuse_without(name)


def _take_certificate(request: CommandRequest, value: str) -> None:
    """Parse a file name; a password may follow an unescaped colon."""
    file = _UP_TO_COLON.match(value)
    name = file[0] if file else value
    if len(name) < len(value):
        request.ignored.append("the password of --cert")
    if name:
        request.wishes["client_cert"] = name.replace("\\:", ":")


def _take_header(request: CommandRequest, text: str) -> None:
    name = text.strip()
    if name.startswith("@"):
        request.ignored.append("-H @file")
    elif ":" not in name and name.endswith(";"):  # sends a header without a value in curl
        request.headers.append((name[:-1], ""))
    else:
        request.add_header("-H", text)
