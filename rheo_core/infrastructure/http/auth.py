"""Credentials from URLs and netrc files.

`requester.py` chooses the login of a request, and `digest_login.py` answers challenges.
"""

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.references import split_authority
from rheo_core.domain.text import is_unicode, printable
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

    @property
    def digest_problem(self) -> str | None:
        """Reason why digest authentication cannot use it (RFC 7616 3.4); None if it can."""
        if ":" in self.name:
            return "does not allow a colon in the name"
        if not is_unicode(f"{self.name}{self.password}"):
            return "needs a name and a password in UTF-8"
        return None


def login_of(text: str) -> Login:
    """Parse `name:password`, or a name alone."""
    name, colon, password = text.partition(":")
    return Login(name, password if colon else None)


def decode_login(text: str) -> str:
    """Decode %XX in a name or password of a URL. Bytes that are not UTF-8 stay as they are."""
    return unquote(text, errors="surrogateescape")


def split_login(url: str) -> tuple[str, Login | None]:
    """Return the URL without its login, and the login; None if the URL has none."""
    if "@" not in url:
        return url, None
    scheme, authority, rest = split_authority(url)
    userinfo, at, host = authority.rpartition("@")
    if not at:
        return url, None
    name, colon, password = userinfo.partition(":")
    login = Login(decode_login(name), decode_login(password) if colon else None)
    return f"{scheme}://{host}{rest}", login if userinfo else None


_Entries = dict[str, list[tuple[str | None, str | None]]]
"""User names and passwords by machine, in lower case."""
_TOKEN = re.compile(r"\"((?:[^\"\\\n]|\\.)*+)(\")?|(\S+)")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_MACRO = re.compile(r"(?m)^[ \t]*macdef\b.*(?:\n.*\S.*)*")
_COMMENT = re.compile(r"(?m)^[ \t]*#.*")


def parse_netrc(text: str) -> _Entries:
    """Parse the entries of a netrc file, as curl does.

    A backslash is an escape only in quotes. Macros, comments and unknown words are skipped. An
    entry for any host (`default`) ends the last one and is ignored.

    Raises:
        ValueError: a quote is not closed on its line, so the next secrets would become part of this
            one. The message is a phrase without secrets.
    """
    tokens = iter(_tokens(_COMMENT.sub("", _MACRO.sub(_only_lines, text))))
    entries: _Entries = {}
    entry: list[str | None] | None = None
    machine = ""
    for token in tokens:
        match token.lower():
            case "machine" | "default" as word:
                _keep(entries, machine, entry)
                machine = next(tokens, "").lower() if word == "machine" else ""
                entry = [None, None] if machine else None
            case "login" | "password" as word:
                value = next(tokens, None)
                if entry is not None:
                    entry[word == "password"] = value
    _keep(entries, machine, entry)
    return entries


def _only_lines(match: re.Match[str]) -> str:
    """Return the line ends of a match, so that the following lines keep their numbers."""
    return "\n" * match[0].count("\n")


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        if match[3] is not None:
            yield match[3]
        elif match[2] is None:
            line = text.count("\n", 0, match.start()) + 1
            raise ValueError(f"line {line}: a quote is not closed")
        else:
            yield _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])


def _keep(entries: _Entries, machine: str, entry: list[str | None] | None) -> None:
    if entry is not None and entry != [None, None]:
        entries.setdefault(machine, []).append((entry[0], entry[1]))


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
        logins = [
            Login(login or name or "", password or "")
            for login, password in self._entries.get(host.lower(), ())
            if name in (None, login) or not login
        ]
        # As in curl, an entry without a password does not hide a later one with a password.
        return next((login for login in logins if login.password), logins[0] if logins else None)


def check_netrc() -> None:
    """Check that the netrc file is usable, if it exists. Blocks.

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
    return {}


def _netrc_path() -> Path:
    return Path(os.environ.get("NETRC") or "~/.netrc")


def _expanded(path: Path) -> Path:
    with suppress(RuntimeError):  # the user does not exist
        return path.expanduser()
    return path


def _may_be_missing(path: Path) -> bool:
    """Return True if the file is optional: nobody named it, and no link leads to it."""
    return not os.environ.get("NETRC") and not os.path.islink(_expanded(path))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Explain an error in reading the netrc file. A missing optional file is not an error."""
    try:
        yield
    except OSError as error:
        if not (isinstance(error, FileNotFoundError) and _may_be_missing(path)):
            raise _problem(path, str(error.strerror)) from None


def _problem(path: Path, problem: str) -> RequestOptionsError:
    return RequestOptionsError(f"netrc {printable(str(path))}: {problem}")


def _parse(data: bytes, path: Path) -> _Entries:
    try:
        return parse_netrc(data.decode("utf-8-sig", "surrogateescape"))
    except ValueError as error:
        raise _problem(path, str(error)) from None
