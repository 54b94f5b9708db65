"""Convert the options of a pasted command to downloads."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from rheo_core.domain.filenames import folder_path
from rheo_core.domain.references import split_authority
from rheo_core.domain.text import printable, redact_unreadable, redact_url
from rheo_core.domain.untrusted import Untrusted

from .reader_api import Candidate, destination_fields, problem_of
from .shell_words import REPLACED

_HOST = re.compile(r"[\w.-]+(:\d+)?(?=[/?#]|$)|\[[\dA-Fa-f:.]+\]")
_ODATA = re.compile(r"(?<=[?&])\$[a-z]+(?==)|(?<=/)\$(?:metadata|value|count|batch|ref)\b")
"""Words of OData in a URL. On Windows they also occur in double quotes, and are not variables."""
_HTTPS = re.compile(r"https://", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"#\d")


@dataclass(slots=True)
class CommandRequest:
    """The downloads of a command, or of a part of it.

    Attributes:
        program: name of the program, for messages.
        name_option: its option for the name of a file, for messages.
        folder_option: its option for a folder, for messages.
        outputs: names in the order of the URLs; None: the URL names the file.
        login: `NAME:PASSWORD` for the server.
        schemes: `basic`, `digest` or both, for sending the login. Without digest, it is sent at
            once; otherwise the server has to ask for it.
        scheme: of URLs without one.
        wishes: fields of `RequestOptions`.
        check_existing: compare an existing file with the size on the server.
        is_literal: True if its URLs contain no patterns.
        https_option: an option that allows https only, for messages; "" for none.
        replaced: starts of the parts that a shell would have replaced in its words.
        ignored: names of options that have no effect.
        problem: the reason for downloading nothing; "" for none.
    """

    program: str
    name_option: str = "-o"
    folder_option: str = "--output-dir"
    urls: list[str] = field(default_factory=list)
    outputs: list[str | None] = field(default_factory=list)
    folder: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    option_headers: dict[str, str] = field(default_factory=dict)  # from options such as `-A`
    unsent: set[str] = field(default_factory=set)  # names of headers, in lower case
    cookies: list[str] = field(default_factory=list)  # they share one header field
    query: list[str] = field(default_factory=list)  # parameters added to each URL
    wishes: dict[str, Any] = field(default_factory=dict)
    login: str | None = None
    schemes: set[str] = field(default_factory=set)
    scheme: str = "http"
    check_existing: bool = False
    is_literal: bool = False
    https_option: str = ""
    replaced: frozenset[str] = frozenset()
    ignored: list[str] = field(default_factory=list)
    problem: str = ""

    def refuse(self, problem: str) -> None:
        """Set the problem unless there is one already."""
        self.problem = self.problem or problem

    def refuse_without(self, name: str) -> None:
        """Set the problem: an option that protects the user is not supported."""
        self.refuse(f"--{name} is not supported; rheo sends no request without it")

    def allow_https_only(self, option: str) -> None:
        """Refuse URLs and redirects of other schemes, because an option asks for it."""
        self.https_option = option
        self.wishes["allow_downgrade"] = False

    def ignore(self, name: str, value: str = "", *, is_unknown: bool = False) -> None:
        """Note an option that has no effect."""
        shown = name.partition("=")[0]  # a value after `=` may be secret
        label = f"{'--' if len(name) > 1 else '-'}{printable(shown[:40])}"
        self.ignored.append(f"{label} and the word after it" if value and is_unknown else label)

    def add_header(self, option: str, text: str) -> None:
        """Add a header line; one without a value removes the header of an option or the URL."""
        name, colon, value = text.partition(":")
        name = name.strip()
        if not colon and name:
            self.refuse(f"a header ({option}) does not have the form 'Name: value'")
        elif value.strip():
            self.headers.append((name, value.strip()))
        else:
            self.unsent.add(name.lower())

    def downloads(self, line: int) -> Iterator[Candidate]:
        """Yield the downloads. Their texts do not contain the headers."""
        form = f"{self.program} command"
        candidate = Candidate(line, form, form=form, ignored=self.ignored)
        try:
            if not self.urls:
                raise ValueError(self.problem or f"the {self.program} command has no URL")
            self.refuse(self._problem_of_replaced())
            if self.schemes and "Authorization" in self.option_headers:  # waits to be asked for it
                self.refuse("--oauth2-bearer cannot be combined with another login method")
            login = self._own_login()
            headers = tuple(self._all_headers(login))
            with_login = self.wishes | self._login_wishes(login)
            folder = self._safe_folder()
        except ValueError as error:
            yield candidate._replace(problem=problem_of(error))
            return
        for url, output in zip_longest(self.urls, self.outputs[: len(self.urls)]):
            problem, show = self.problem, redact_url
            if "://" not in url:
                if not _HOST.match(url):
                    problem = (
                        problem or f"{redact_unreadable(url)[:80]!r} in the command is not a URL"
                    )
                    show = redact_unreadable
                url = f"{self.scheme}://{url}"
            if self.https_option and not _HTTPS.match(url):
                problem = problem or f"{self.https_option} allows https only"
            candidate = candidate._replace(text=f"{self.program} {show(url)}", problem=problem)
            try:
                place = self._place(output, folder)
            except ValueError as error:
                yield candidate._replace(problem=candidate.problem or problem_of(error))
                continue
            if login is not None or "authorization" in self.unsent:
                url = _without_login(url)
            has_login = login is not None or self.wishes.get("netrc") or _has_login(url)
            wishes = with_login if has_login else self.wishes
            url = _with_query(url, self.query)
            outside = Untrusted(
                url,
                headers=headers or None,
                wishes=wishes or None,
                check_existing=self.check_existing or None,
                **place,
            )
            yield candidate._replace(
                outside=outside,
                may_be_pattern=not self.is_literal,
                has_placeholders=not self.is_literal and bool(_PLACEHOLDER.search(output or "")),
            )
            candidate = candidate._replace(is_copy=True)

    def _problem_of_replaced(self) -> str:
        """Return a sentence if a sent value, a place or a route is unknown."""
        sent = (*(value for _, value in self.headers), *self.option_headers.values())
        places = (self.folder, *(name or "" for name in self.outputs))
        wishes = map(str, self.wishes.values())
        values = (self.login or "", *sent, *self.cookies, *self.query, *places, *wishes)
        return problem_of_replaced((*self.urls, *values), self.replaced)

    def _own_login(self) -> str | None:
        """Return the login, unless a header replaces it."""
        names = (*(name for name, _ in self.headers), *self.option_headers, *self.unsent)
        if self.login is None or any(name.lower() == "authorization" for name in names):
            return None
        if ":" not in self.login:
            raise ValueError("-u has no password; write -u NAME:PASSWORD")
        return self.login

    def _all_headers(self, login: str | None) -> list[tuple[str, str]]:
        """Return all headers, including those for cookies and a login that is sent at once."""
        options = dict(self.option_headers)
        if self.cookies:
            options["Cookie"] = "; ".join(self.cookies)
        if login is not None and "digest" not in self.schemes:
            encoded = b64encode(login.encode(errors="surrogateescape")).decode()
            options["Authorization"] = f"Basic {encoded}"
        named = {name.lower() for name, _ in self.headers}  # they replace headers of options
        left = ((n, v) for n, v in options.items() if n.lower() not in named | self.unsent)
        return [*self.headers, *left]

    def _login_wishes(self, login: str | None) -> dict[str, Any]:
        """Return the options for a login that waits until the server asks for it."""
        if "digest" not in self.schemes:
            return {}
        auth = "any" if "basic" in self.schemes else "digest"
        return {"auth": auth} if login is None else {"auth": auth, "user": login}

    def _safe_folder(self) -> str:
        """Return the folder in a safe form."""
        if self.folder:
            destination_fields(f"{self.folder}/file", self.folder_option)
        return folder_path(self.folder)

    def _place(self, output: str | None, folder: str) -> dict[str, Any]:
        """Return the destination of a download with the name `output`, below the folder."""
        fields: dict[str, Any] = {}
        if output is not None and output != "-":
            fields = destination_fields(output, self.name_option)
        if folders := "/".join(filter(None, (folder, fields.get("destination_subdir", "")))):
            fields["destination_subdir"] = folders
        return fields


def problem_of_replaced(values: Iterable[str], replaced: frozenset[str]) -> str:
    """Return a sentence if a shell would have replaced a part of a value."""
    if replaced and any(
        match[0] in replaced
        for value in values
        for match in REPLACED.finditer(_ODATA.sub("", value) if "://" in value else value)
    ):
        return "the command contains a shell variable or backticks, whose value is unknown"
    return ""


def _has_login(url: str) -> bool:
    return "@" in split_authority(url)[1]


def _without_login(url: str) -> str:
    """Return `url` without its login, because the login of the command replaces it."""
    scheme, authority, rest = split_authority(url)
    host = authority.rpartition("@")[2]
    return url if "\\" in authority else f"{scheme}://{host}{rest}"  # such a URL is refused


def _with_query(url: str, parameters: list[str]) -> str:
    """Return `url` with parameters added to its query."""
    if not parameters:
        return url
    url, mark, fragment = url.partition("#")
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{joint}{'&'.join(parameters)}{mark}{fragment}"
