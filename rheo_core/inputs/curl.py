"""curl commands, as browsers copy them and people write them."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from rheo_core.domain.filenames import folder_path
from rheo_core.domain.outside import Outside
from rheo_core.domain.request_headers import is_of_engine
from rheo_core.domain.request_options import DIRECT
from rheo_core.domain.text import printable, redact, redact_url

from .curl_options import LETTERS, NEEDLESS, SENDS, WITH_VALUE
from .found import Found, Lines, ReadOptions, place_fields, problem_of
from .shell_words import read_words

_FORM = "curl command"
_HOST = re.compile(r"[\w.-]+(:\d+)?(?=[/?#]|$)|\[[\dA-Fa-f:.]+\]")
_FILES = {"cacert": "ca_file", "cookie": "cookies", "interface": "interface", "key": "client_key"}
_UP_TO_COLON = re.compile(r"(?:[A-Za-z]:(?=[\\/]))?(?:\\:|[^:])*")  # a drive has one too
_CURL = re.compile(r"(?:[$>%] )?curl(?:\.exe)?(?=\s|$)")


@dataclass(slots=True)
class _Request:
    """What one command, or a part of it before `--next`, asks for."""

    urls: list[str] = field(default_factory=list)
    outputs: list[str | None] = field(default_factory=list)  # None: the URL names it (-O)
    folder: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)  # of `-b`; one field has them all
    wishes: dict[str, Any] = field(default_factory=dict)  # of RequestOptions
    user: str | None = None
    is_literal: bool = False  # no patterns in its URLs
    ignored: list[str] = field(default_factory=list)
    problem: str = ""


def begins(text: str) -> bool:
    """Whether a line begins with `curl`."""
    return _CURL.match(text) is not None


def read(lines: Lines, options: ReadOptions) -> Iterator[Found]:
    """The downloads of one command. Nothing of its headers is in their texts."""
    first = lines.number + 1
    try:
        words, has_more = read_words(lines)
    except ValueError as error:
        yield Found(first, _FORM, problem=str(error), form=_FORM)
        return
    while words and not _CURL.fullmatch(words[0]):  # a prompt
        del words[0]
    request = _Request()
    requests = [request]
    values = iter(words[1:])
    for word in values:
        if word in ("--next", "-:"):
            request = _Request()
            requests.append(request)
        elif word.startswith("-") and word != "-":
            for name, value in _options(word, values):
                _take(request, name, value)
        else:
            request.urls.append(word)
    if has_more:
        request.ignored.append("what follows the command")
    for request in requests:
        yield from _downloads(first, request)


def _options(word: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The options that a word holds, by their long names, each with its value or ""."""
    if word.startswith("--"):
        name = word[2:]
        yield name, next(values, "") if name in WITH_VALUE else ""
        return
    for at, letter in enumerate(word[1:], 2):
        name = LETTERS.get(letter, letter)
        if name in WITH_VALUE:
            yield name, word[at:] or next(values, "")
            return
        yield name, ""


def _take(request: _Request, name: str, value: str) -> None:
    match name:
        case "url":
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
            request.headers.append(("User-Agent", value))
        case "referer":
            request.headers.append(("Referer", value.removesuffix(";auto")))
        case "oauth2-bearer":
            request.headers.append(("Authorization", f"Bearer {value}"))
        case "user":
            request.user = value
        case "head":
            request.problem = "-I asks for the headers only; nothing would be downloaded"
        case "request" if value.upper() != "GET":
            request.problem = f"-X asks with {printable(value[:20])}; only GET is downloaded"
        case _ if name in SENDS:
            request.problem = f"--{name} sends data; only GET is downloaded"
        case "globoff":
            request.is_literal = True
        case _ if name not in NEEDLESS and name != "request":
            shown = name.partition("=")[0]  # what follows, if it is meant as a value, may be secret
            request.ignored.append(f"{'--' if len(name) > 1 else '-'}{printable(shown[:40])}")


def _wish(name: str, value: str) -> dict[str, Any]:
    """Return the request options that a curl option asks for; empty for other options."""
    match name:
        case "proxy" | "proxy1.0":
            return {"proxy": value or DIRECT}  # as curl: an empty one switches it off
        case "socks5" | "socks5-hostname":
            return {"proxy": f"{'socks5h' if name.endswith('hostname') else 'socks5'}://{value}"}
        case "noproxy" if value == "*":
            return {"proxy": DIRECT}
        case "ipv4" | "ipv6":
            return {"ip_version": int(name[-1])}
        case "netrc" | "netrc-optional":
            return {"netrc": True}
        case _ if name in _FILES and value:
            return {_FILES[name]: value}
    return {}


def _take_certificate(request: _Request, value: str) -> None:
    """A file, with a password behind a colon; one with a backslash before it is of the name."""
    file = _UP_TO_COLON.match(value)
    name = file[0] if file else value
    if len(name) < len(value):
        request.ignored.append("the password of --cert")
    if name:
        request.wishes["client_cert"] = name.replace("\\:", ":")


def _take_header(request: _Request, text: str) -> None:
    name, colon, value = text.partition(":")
    name = name.strip()
    if name.startswith("@"):
        request.ignored.append("-H @file")
    elif not colon and name.endswith(";"):  # curl's way to send a header without a value
        request.headers.append((name[:-1], ""))
    elif not colon and name:
        request.problem = "a header (-H) is not of the form 'Name: value'"
    elif is_of_engine(name):
        request.ignored.append(f"header {printable(name)}")
    elif value.strip():
        request.headers.append((name, value.strip()))


def _downloads(line: int, request: _Request) -> Iterator[Found]:
    found = Found(line, _FORM, form=_FORM, ignored=request.ignored)
    try:
        if not request.urls:
            raise ValueError("the curl command has no URL")
        headers = tuple(_headers(request))
    except ValueError as error:
        yield found._replace(problem=str(error))
        return
    for url, output in zip_longest(request.urls, request.outputs[: len(request.urls)]):
        problem = request.problem
        if "://" not in url:
            if not _HOST.match(url):
                problem = problem or f"{printable(redact(url)[:80])!r} in the command is no URL"
            url = f"http://{url}"  # as curl guesses
        found = found._replace(text=f"curl {redact_url(url)}", problem=problem)
        try:
            place = _place(output, request.folder)
        except ValueError as error:
            yield found._replace(problem=found.problem or problem_of(error))
            continue
        outside = Outside(url, headers=headers or None, wishes=request.wishes or None, **place)
        yield found._replace(outside=outside, may_be_pattern=not request.is_literal)


def _headers(request: _Request) -> list[tuple[str, str]]:
    """Those that are given, with what the options for cookies and the login become."""
    headers = request.headers
    if request.cookies:
        headers = [*headers, ("Cookie", "; ".join(request.cookies))]
    if request.user is None or any(n.lower() == "authorization" for n, _ in headers):
        return headers
    if ":" not in request.user:
        raise ValueError("-u names no password; write -u NAME:PASSWORD")
    login = b64encode(request.user.encode(errors="surrogateescape")).decode()
    return [*headers, ("Authorization", f"Basic {login}")]


def _place(output: str | None, folder: str) -> dict[str, Any]:
    """Where `-o` and `--output-dir` put the file."""
    fields: dict[str, Any] = {}
    if output is not None and output != "-":
        fields = place_fields(output, "-o")
    if folder:
        place_fields(f"{folder}/file", "--output-dir")
        inner = fields.get("destination_subdir", "")
        fields["destination_subdir"] = "/".join(filter(None, (folder_path(folder), inner)))
        if not fields["destination_subdir"]:
            del fields["destination_subdir"]
    return fields
