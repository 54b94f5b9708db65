"""Logins: those of a URL, those of a netrc file; the answers to digest challenges."""

import io
import netrc
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
from aiohttp.client_middleware_digest_auth import SUPPORTED_ALGORITHMS, parse_header_pairs

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.text import printable
from rheo_core.user_files import read_secret, read_secret_async


class Login(NamedTuple):
    """Who asks. Its text is of no use: no secret is in it."""

    name: str
    password: str | None

    def __repr__(self) -> str:
        return "Login(***)"

    @property
    def basic(self) -> str:
        """The Authorization field (RFC 7617)."""
        pair = f"{self.name}:{self.password or ''}"
        return f"Basic {b64encode(pair.encode(errors='surrogateescape')).decode()}"


def login_of(text: str) -> Login:
    """That of `name:password`, or of a name alone."""
    name, colon, password = text.partition(":")
    return Login(name, password if colon else None)


def split_login(url: str) -> tuple[str, Login | None]:
    """The URL without its login, and that."""
    if "@" not in url:
        return url, None
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, colon, password = userinfo.partition(":")
    login = Login(unquote(name), unquote(password) if colon else None)
    return urlunsplit(parts._replace(netloc=host)), login if userinfo else None


_DIGEST = re.compile(r"(?i)(?:^|,)\s*(?=digest\s)")


class DigestLogin(aiohttp.DigestAuthMiddleware):
    """Answers the first challenge that it can (RFC 7616 3.7) among those that a server offers.

    That of aiohttp looks at the first one only, which may be of another scheme (RFC 9110 11.6.1).
    """

    def _authenticate(self, response: aiohttp.ClientResponse) -> bool:
        if response.status != 401:
            return False
        for field in response.headers.getall("WWW-Authenticate", ()):
            for challenge in _DIGEST.split(field)[1:]:
                if _can_answer(challenge):
                    headers = {"www-authenticate": challenge}
                    alone: Any = SimpleNamespace(status=401, url=response.url, headers=headers)
                    return super()._authenticate(alone)
        return False


def _can_answer(challenge: str) -> bool:
    told = parse_header_pairs(challenge.partition(" ")[2])
    ways = {way.strip() for way in told.get("qop", "auth").split(",")}
    return (
        "realm" in told
        and bool(told.get("nonce"))
        and told.get("algorithm", "MD5").upper() in SUPPORTED_ALGORITHMS
        and not ways.isdisjoint({"auth", "auth-int"})
    )


class _Entries(dict[str, Any]):
    """Every entry of a machine in lower case, where the standard library keeps the last."""

    def __setitem__(self, machine: str, entry: Any) -> None:
        if entry:  # an empty one comes before each
            self.setdefault(machine.lower(), []).append(entry)

    def __getitem__(self, machine: str) -> Any:
        return super().__getitem__(machine.lower())


class _Netrc(netrc.netrc):
    """The entries of a text, by the parser of the standard library, which reads files alone."""

    def __init__(self, text: str) -> None:
        self.hosts, self.macros = {}, {}
        self._parse("netrc", io.StringIO(text), False)  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, _Entries() if name == "hosts" else value)


class NetrcFile:
    """The logins of ~/.netrc, or of the file that $NETRC names; read when first asked."""

    def __init__(self) -> None:
        self._entries: _Entries | None = None

    async def find(self, host: str, name: str | None = None) -> Login | None:
        """The login for exactly this host, and exactly this name if one is given.

        An entry without a name goes with any. The `default` entry, which is for any host, is
        passed over.

        Raises:
            RequestOptionsError: the file cannot be read, or others than its owner may read or
                change it.
        """
        if self._entries is None:
            self._entries = await _load()
        if host == "default":  # what the standard library calls the entry for any host
            return None
        found = [
            Login(login or name or "", password)
            for login, _, password in self._entries.get(host, ())
            if name in (None, login) or not login
        ]
        # An entry without a password must not hide a later one that has it, as in curl.
        return next((login for login in found if login.password), found[0] if found else None)


def check_netrc() -> None:
    """Check that the netrc file, if there is one, can be used. Blocks.

    Raises:
        RequestOptionsError: as for `NetrcFile.find`.
    """
    path = _netrc_path()
    with _explained(path):
        _parse(read_secret(_expanded(path)), path)


async def _load() -> _Entries:
    path = _netrc_path()
    with _explained(path):
        return _parse(await read_secret_async(_expanded(path)), path)
    return _Entries()


def _netrc_path() -> Path:
    return Path(os.environ.get("NETRC") or "~/.netrc")


def _expanded(path: Path) -> Path:
    with suppress(RuntimeError):  # there is no such user
        return path.expanduser()
    return path


def _may_be_missing(path: Path) -> bool:
    """Return whether the user need not have the file: nobody named it, and no link leads to it."""
    return not os.environ.get("NETRC") and not _expanded(path).is_symlink()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Explain an error in reading the netrc file; a file that may be missing is not one."""
    try:
        yield
    except OSError as error:
        if not (isinstance(error, FileNotFoundError) and _may_be_missing(path)):
            raise _problem(path, str(error.strerror)) from None


def _problem(path: Path, problem: str) -> RequestOptionsError:
    return RequestOptionsError(f"netrc {printable(str(path))}: {problem}")


def _parse(data: bytes, path: Path) -> _Entries:
    try:
        # A macro may be the last thing in a file; the parser wants an empty line behind it.
        text = data.decode("utf-8-sig") + "\n\n"
        return _Netrc(text).hosts  # type: ignore[return-value]
    except UnicodeError:
        raise _problem(path, "it is not text in UTF-8") from None
    except netrc.NetrcParseError as error:
        raise _problem(path, f"line {error.lineno} cannot be understood") from None
