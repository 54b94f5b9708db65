"""Logins from URLs and netrc files, and answers to digest challenges."""

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
from urllib.parse import unquote

import aiohttp
from aiohttp.client_middleware_digest_auth import SUPPORTED_ALGORITHMS, parse_header_pairs

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.references import split_authority
from rheo_core.domain.text import printable
from rheo_core.user_files import read_secret, read_secret_async


class Login(NamedTuple):
    """User name and password. Its repr shows neither."""

    name: str
    password: str | None

    def __repr__(self) -> str:
        return "Login(***)"

    @property
    def basic(self) -> str:
        """Value of the Authorization field (RFC 7617)."""
        pair = f"{self.name}:{self.password or ''}"
        return f"Basic {b64encode(pair.encode(errors='surrogateescape')).decode()}"


def login_of(text: str) -> Login:
    """Parse `name:password`, or a name alone."""
    name, colon, password = text.partition(":")
    return Login(name, password if colon else None)


def split_login(url: str) -> tuple[str, Login | None]:
    """Return the URL without its login, and the login; None if the URL has none."""
    if "@" not in url:
        return url, None
    scheme, authority, rest = split_authority(url)
    userinfo, at, host = authority.rpartition("@")
    if not at:
        return url, None
    name, colon, password = userinfo.partition(":")
    login = Login(unquote(name), unquote(password) if colon else None)
    return f"{scheme}://{host}{rest}", login if userinfo else None


_DIGEST = re.compile(r"(?i)(?:^|,)\s*(?=digest\s)")


class DigestLogin(aiohttp.DigestAuthMiddleware):
    """Digest authentication with the first usable challenge that a server offers (RFC 7616 3.7).

    aiohttp reads the first challenge only, which may be of another scheme (RFC 9110 11.6.1).
    """

    def _authenticate(self, response: aiohttp.ClientResponse) -> bool:
        if response.status != 401:
            return False
        for field in response.headers.getall("WWW-Authenticate", ()):
            for challenge in _DIGEST.split(field)[1:]:
                if _can_answer(challenge):
                    headers = {"www-authenticate": challenge}
                    single: Any = SimpleNamespace(status=401, url=response.url, headers=headers)
                    return super()._authenticate(single)
        return False


def _can_answer(challenge: str) -> bool:
    parameters = parse_header_pairs(challenge.partition(" ")[2])
    qop_values = {value.strip() for value in parameters.get("qop", "auth").split(",")}
    return (
        "realm" in parameters
        and bool(parameters.get("nonce"))
        and parameters.get("algorithm", "MD5").upper() in SUPPORTED_ALGORITHMS
        and not qop_values.isdisjoint({"auth", "auth-int"})
    )


class _Entries(dict[str, Any]):
    """All entries by machine, in lower case. The standard library keeps the last one only."""

    def __setitem__(self, machine: str, entry: Any) -> None:
        if entry:  # the parser sets an empty one before each
            self.setdefault(machine.lower(), []).append(entry)

    def __getitem__(self, machine: str) -> Any:
        return super().__getitem__(machine.lower())


class _Netrc(netrc.netrc):
    """Entries of a text. The parser of the standard library reads them from files only."""

    def __init__(self, text: str) -> None:
        self.hosts, self.macros = {}, {}
        self._parse("netrc", io.StringIO(text), False)  # type: ignore[attr-defined]

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, _Entries() if name == "hosts" else value)


class NetrcFile:
    """Logins of ~/.netrc, or of the file that $NETRC names; read on first use."""

    def __init__(self) -> None:
        self._entries: _Entries | None = None

    async def find(self, host: str, name: str | None = None) -> Login | None:
        """Return the login of a host; None if there is none.

        The `default` entry, which is for any host, is ignored.

        Args:
            host: matched as a whole.
            name: user name, matched as a whole; an entry without a name matches any. None: any.

        Raises:
            RequestOptionsError: the file cannot be read, or users other than its owner can read
                or change it.
        """
        if self._entries is None:
            self._entries = await _load()
        if host == "default":  # the standard library's name of the entry for any host
            return None
        logins = [
            Login(login or name or "", password)
            for login, _, password in self._entries.get(host, ())
            if name in (None, login) or not login
        ]
        # As in curl, an entry without a password does not hide a later one with a password.
        return next((login for login in logins if login.password), logins[0] if logins else None)


def check_netrc() -> None:
    """Check that the netrc file can be used, if it exists. Blocks.

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
    with suppress(RuntimeError):  # the user does not exist
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
        # The parser needs an empty line after a macro, which may be the last thing in the file.
        text = data.decode("utf-8-sig") + "\n\n"
        return _Netrc(text).hosts  # type: ignore[return-value]
    except UnicodeError:
        raise _problem(path, "it is not text in UTF-8") from None
    except netrc.NetrcParseError as error:
        raise _problem(path, f"line {error.lineno} cannot be understood") from None
