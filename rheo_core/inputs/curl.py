"""curl commands, copied from browsers or written by people."""

import re
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from rheo_core.domain.filenames import folder_path
from rheo_core.domain.outside import Outside
from rheo_core.domain.request_options import DIRECT
from rheo_core.domain.text import printable, redact_unreadable, redact_url

from .curl_options import LETTERS, NEEDLESS, SENDS, takes_value
from .reader_api import Candidate, Lines, ReadOptions, destination_fields, problem_of
from .shell_words import read_commands

_FORM = "curl command"
_HOST = re.compile(r"[\w.-]+(:\d+)?(?=[/?#]|$)|\[[\dA-Fa-f:.]+\]")
_FILES = {"cacert": "ca_file", "cookie": "cookies", "interface": "interface", "key": "client_key"}
_UP_TO_COLON = re.compile(r"(?:[A-Za-z]:(?=[\\/]))?(?:\\:|[^:])*")  # a drive letter has a colon too
_LIKE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w-]+(?:\.[\w-]+)+(?::\d+)?/")
_CURL = re.compile(r"(?:[$>%] )?curl(?:\.exe)?(?=\s|$)")


@dataclass(slots=True)
class _Request:
    """A command, or a part of it up to `--next`."""

    urls: list[str] = field(default_factory=list)
    outputs: list[str | None] = field(default_factory=list)  # None: named by the URL (-O)
    folder: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)  # of `-b`; they share one field
    wishes: dict[str, Any] = field(default_factory=dict)  # fields of RequestOptions
    user: str | None = None
    continues: bool = False  # -C: an existing file may be the beginning of this one
    is_literal: bool = False  # True if its URLs contain no patterns
    ignored: list[str] = field(default_factory=list)
    problem: str = ""


def sniff(text: str) -> bool:
    """Check whether a line begins with `curl`."""
    return _CURL.match(text) is not None


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield the downloads of the commands of a line. Their texts contain nothing of the headers."""
    line = lines.number + 1
    try:
        for words, has_more in read_commands(lines, lambda text, at: bool(_CURL.match(text, at))):
            for request in _requests(words, has_more=has_more):
                yield from _downloads(line, request)
            line = lines.number
    except ValueError as error:
        yield Candidate(line, _FORM, problem=str(error), form=_FORM)


def _requests(words: list[str], *, has_more: bool) -> list[_Request]:
    request = _Request()
    requests = [request]
    rest = deque(words)
    while rest and not _CURL.fullmatch(rest.popleft()):
        pass  # a prompt
    while rest:
        word = rest.popleft()
        if word in ("--next", "-:"):
            request = _Request()
            requests.append(request)
        elif word.startswith("-") and word != "-":
            for name, value in _options(word, rest):
                _take(request, name, value)
        else:
            request.urls.append(word)
    if has_more:
        request.ignored.append("the text after the command")
    return requests


def _options(word: str, words: deque[str]) -> Iterator[tuple[str, str]]:
    """Yield the options in a word: the long name of each, and its value or ""."""
    if word.startswith("--"):
        yield word[2:], _value(word[2:], words)
        return
    for at, letter in enumerate(word[1:], 2):
        name = LETTERS.get(letter, letter)
        if takes_value(name):
            yield name, word[at:] or _value(name, words)
            return
        yield name, _value(name, words) if at == len(word) else ""


def _value(name: str, words: deque[str]) -> str:
    """Take the value of an option from the next words; "" if it has none.

    The word after an unknown option may be its value, so it counts as a URL only if it looks like
    one. Otherwise `--frobnicate 5` would download from a host `5`.
    """
    has_value = takes_value(name)
    if has_value is None and "=" not in name and words:
        has_value = not (words[0].startswith("-") or _LIKE_URL.match(words[0]))
    return words.popleft() if has_value and words else ""


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
            request.problem = "-I requests headers only; there is nothing to download"
        case "request" if value.upper() != "GET":
            request.problem = f"-X sends a {printable(value[:20])} request; only GET is supported"
        case _ if name.removeprefix("expand-") in SENDS:
            request.problem = f"--{name} sends data; only GET is supported"
        case "globoff":
            request.is_literal = True
        case "continue-at":
            request.continues = True
        case _ if name not in NEEDLESS and name != "request":
            shown = name.partition("=")[0]  # a value after `=` may be secret
            label = f"{'--' if len(name) > 1 else '-'}{printable(shown[:40])}"
            is_unknown = value and takes_value(name) is None
            request.ignored.append(f"{label} and the word after it" if is_unknown else label)


def _wish(name: str, value: str) -> dict[str, Any]:
    """Return the request options that a curl option asks for; empty for other options."""
    match name:
        case "proxy" | "proxy1.0":
            return {"proxy": value or DIRECT}  # in curl an empty proxy means none
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
    """Take a file name; a password may follow after a colon that is not escaped."""
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
    elif not colon and name.endswith(";"):  # sends a header without a value in curl
        request.headers.append((name[:-1], ""))
    elif not colon and name:
        request.problem = "a header (-H) is not of the form 'Name: value'"
    elif value.strip():
        request.headers.append((name, value.strip()))


def _downloads(line: int, request: _Request) -> Iterator[Candidate]:
    candidate = Candidate(line, _FORM, form=_FORM, ignored=request.ignored)
    try:
        if not request.urls:
            raise ValueError("the curl command has no URL")
        headers = tuple(_headers(request))
        folder = _folder(request.folder)
    except ValueError as error:
        yield candidate._replace(problem=problem_of(error))
        return
    for url, output in zip_longest(request.urls, request.outputs[: len(request.urls)]):
        problem, show = request.problem, redact_url
        if "://" not in url:
            if not _HOST.match(url):
                problem = problem or f"{redact_unreadable(url)[:80]!r} in the command is not a URL"
                show = redact_unreadable
            url = f"http://{url}"  # the default of curl
        candidate = candidate._replace(text=f"curl {show(url)}", problem=problem)
        try:
            place = _place(output, folder)
        except ValueError as error:
            yield candidate._replace(problem=candidate.problem or problem_of(error))
            continue
        outside = Outside(
            url,
            headers=headers or None,
            wishes=request.wishes or None,
            check_existing=request.continues or None,
            **place,
        )
        yield candidate._replace(outside=outside, may_be_pattern=not request.is_literal)
        candidate = candidate._replace(is_copy=True)


def _headers(request: _Request) -> list[tuple[str, str]]:
    """Return all headers, including those for cookies and the login."""
    headers = request.headers
    if request.cookies:
        headers = [*headers, ("Cookie", "; ".join(request.cookies))]
    if request.user is None or any(n.lower() == "authorization" for n, _ in headers):
        return headers
    if ":" not in request.user:
        raise ValueError("-u has no password; write -u NAME:PASSWORD")
    login = b64encode(request.user.encode(errors="surrogateescape")).decode()
    return [*headers, ("Authorization", f"Basic {login}")]


def _folder(path: str) -> str:
    """Return the folder of `--output-dir` in a safe form."""
    if path:
        destination_fields(f"{path}/file", "--output-dir")
    return folder_path(path)


def _place(output: str | None, folder: str) -> dict[str, Any]:
    """Return the destination that `-o` gives, below the folder."""
    fields: dict[str, Any] = {}
    if output is not None and output != "-":
        fields = destination_fields(output, "-o")
    if folders := "/".join(filter(None, (folder, fields.get("destination_subdir", "")))):
        fields["destination_subdir"] = folders
    return fields
