"""Flags for HTTP requests: headers, logins, proxies and certificates."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import typer
from pydantic import ValidationError

from rheo_core.domain.hosts import normalise_host
from rheo_core.domain.request_headers import read_headers
from rheo_core.domain.request_options import NO_OPTIONS, RequestOptions
from rheo_core.domain.text import printable, redact_unreadable

from .exit import ExitCode, fail

_FLAGS = {"client_cert": "--cert", "client_key": "--key", "ip_version": "-4 and -6"}
_ASK = "-"


class RequestFlags(NamedTuple):
    """Values of the flags; missing flags are None, False or empty."""

    headers: list[str] | None
    user_agent: str | None
    referer: str | None
    cookies: Path | None
    user: str | None
    auth: str | None
    bearer: str | None
    netrc: bool
    proxy: str | None
    ca_file: Path | None
    client_cert: Path | None
    client_key: Path | None
    ipv4: bool
    ipv6: bool
    interface: str | None
    allow_downgrade: bool

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Take the flags from the parameters of the command, which have the same names."""
        return cls(**{name: parameters[name] for name in cls._fields})

    def read(self) -> RequestOptions:
        """Return the options of every download of the command; end it if one is not valid."""
        if self.ipv4 and self.ipv6:
            fail("-4 and -6 cannot be used together.", ExitCode.USAGE)
        _check_file("--cookies", self.cookies)
        _check_file("--cert", self.client_cert)
        if self.client_key is not None and self.client_cert is None:
            fail("--key needs --cert.", ExitCode.USAGE)
        logins = self._logins()
        if len(logins) > 1:
            fail(f"{' and '.join(logins)} cannot be used together.", ExitCode.USAGE)
        values: dict[str, Any] = {
            name: getattr(self, name)
            for name in RequestOptions.model_fields
            # An empty value, such as a variable that a script did not set, is not a missing flag.
            if name not in ("headers", "ip_version") and getattr(self, name) not in (None, False)
        }
        if self.headers:
            values["headers"] = _headers(self.headers)
        if self.ipv4 or self.ipv6:
            values["ip_version"] = 4 if self.ipv4 else 6
        if self.user and ":" not in self.user and not self.netrc:
            values["user"] = f"{self.user}:{_prompt(f'Password of {self.user}', '--user')}"
        if self.bearer == _ASK:
            values["bearer"] = _prompt("Token", "--bearer")
        try:
            return RequestOptions(**values) if values else NO_OPTIONS
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)[0]
            name = str(details["loc"][0])
            flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
            message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
            subject = "it " if message.startswith("should") else ""
            fail(f"{flag}: {subject}{message}.", ExitCode.USAGE)

    def _logins(self) -> list[str]:
        """Return the flags that set the Authorization header, each of which excludes the others."""
        names = {text.partition(":")[0].strip().lower() for text in self.headers or ()}
        flags = {
            "--user": self.user is not None,
            "--bearer": self.bearer is not None,
            "--header Authorization": "authorization" in names,
        }
        return [flag for flag, is_given in flags.items() if is_given]


def _check_file(flag: str, file: Path | None) -> None:
    """End the command if the file does not exist.

    The message omits the name, because in curl it may be a cookie, or end with a password.
    """
    if file is not None and (not os.path.exists(file) or os.path.isdir(file)):
        hint = " To send a cookie itself, use --header." if "=" in str(file) else ""
        fail(f"{flag}: the value is not a file path.{hint}", ExitCode.USAGE)


def _headers(texts: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            fail("--header: write each header as 'Name: value'.", ExitCode.USAGE)
        pairs.append((name.strip(), value))
    try:
        read_headers(pairs)
    except ValueError as error:
        fail(f"--header: {error}.", ExitCode.USAGE)
    return pairs


def _prompt(what: str, flag: str) -> str:
    """Return a secret that the user types unseen; Ctrl+C ends the command."""
    if not sys.stdin.isatty():
        fail(f"{flag}: cannot prompt for the secret without a terminal.", ExitCode.USAGE)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # so that the terminal echoes again
    try:
        answer: str = typer.prompt(what, hide_input=True, err=True)
    except typer.Abort:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)
    return answer


def _host(text: str) -> str:
    try:
        return normalise_host(text)
    except ValueError as error:
        fail(f"--insecure {redact_unreadable(text)!r} {error}.", ExitCode.USAGE)


def insecure_hosts(hosts: list[str]) -> frozenset[str]:
    """Return the hosts whose certificates are not checked. Warn even if the command is quiet."""
    names = frozenset(map(_host, hosts))
    for name in sorted(names):
        warning = "anyone on the network path can read and change the data"
        typer.echo(printable(f"rheo: CERTIFICATES OF {name} ARE NOT CHECKED: {warning}."), err=True)
    return names
