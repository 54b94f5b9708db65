"""Recognise and refuse program code, request headers and commands of other programs.

rheo does not extract their URLs, because it would lose the file name, the login and the headers,
and because a Referer is not a download.
"""

import re
from collections.abc import Iterator

from rheo_core.domain.text import printable

from .reader_api import Candidate, Lines, ReadOptions
from .string_literals import without_strings

_MAX_LINES = 500
"""Lines of one statement, and statements of one session. An open bracket must not swallow a long
list."""
_MAX_CHARACTERS = 1 << 20
_MAX_STATEMENT_LENGTH = 20_000
"""Maximum characters of a line in which to count brackets. Longer lines are data."""
_POWERSHELL_DOWNLOAD = (
    r"(?:Invoke-(?:WebRequest|RestMethod)|iwr|irm|Start-BitsTransfer"
    r"|curl(?:\.exe)?\s+-Uri|wget\s+-Uri)\b"
)
_PROMPT = r"(?:PS(?:\s[^\n>]{0,200}+)?>\s*|[$>]\s+)?"
_POWERSHELL = re.compile(
    rf"{_PROMPT}(?:\$[\w:]+(?>(?:\.\w+)*)\s*(?:=[^=]|\()|{_POWERSHELL_DOWNLOAD}|New-Object\b|-Headers\b"
    r"|(?:\(?New-Object\s+)?(?:System\.)?Net\.WebClient)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r".{0,200}?(?<!(?<!\.)\burl)(?<=[\w$])\(\s*(?:[^()\n]{1,60},\s*)?(?:\w{1,20}\s*[=:]\s*)?"
    r"[urbf]?[\"'`]https?://"
    r"|.{0,200}?:@\"https?://"  # of Objective-C
    r"|\s*CURLOPT_URL\s*=>"
    r"|(?:\w+\s*=\s*)?[A-Z]\w*(?>(?:\.\w+)+)[!?]?\s+[\"']https?://"  # of Ruby and Elixir
    r"|\s*\([\w-]+/[\w-]+[!?]?\s+\"https?://"  # of Clojure
    r"|(?:\w+\s*:=|(?:const|let|var|val|final|my|auto|String)\s[^=\n]{1,80}=)\s*"
    r"(?:[\w.]{1,60}\s+)?[urbf]?[\"'`]https?://"
    r"|(?:.{0,200}?[\s=(])?fetch\w*\s*\{"  # of Nix
    r"|(?:.{0,200}?[\s=(])?(?:fetch|axios(?:\.\w+)?|urlopen|urlretrieve|requests\.\w+|\$\.\w+)"
    r"\(\s*[{\"'`]"
)
_HEADER = re.compile(
    r"[\s\"'{,@<>*]*(?:-H\s+[\"']?)?"
    r"(?P<name>:?authority|referr?er(?:-policy)?|origin|(?:set-)?cookie|user-agent"
    r"|accept(?:-[a-z]+)?|(?:proxy-)?authorization|host|connection|cache-control|pragma"
    r"|upgrade-insecure-requests|if-[a-z-]+|sec-[a-z-]+|access-control-[a-z-]+|content-[a-z-]+"
    r"|(?:content-)?location|x-[a-z-]+|report-to|reporting-endpoints|nel|expect-ct|p3p|sourcemap"
    r"|refresh|alt-svc|link(?=:\s*<))"
    r"(?:[\"']\s*[:=]|\s?:(?!//))",
    re.IGNORECASE,
)
_EMPTY_HEADER = re.compile(r"\s*(?:referr?er:?|origin:)\s*$", re.IGNORECASE)
"""A name as developer tools copy it; its value is on the next line."""
_REFERER = re.compile(  # a setting of another program, a row of a table
    r"\s*[\"']?referr?er(?:\s*=|[\"']?\s+[\"']?https?:)", re.IGNORECASE
)
_METHOD = (
    r"(?:HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|COPY|MOVE|LOCK|UNLOCK|MKCOL|PROPFIND"
    r"|PROPPATCH|REPORT|SEARCH|QUERY|PURGE)"
)
_REQUEST = re.compile(
    rf"(?:GET|{_METHOD})\s\S+\sHTTP/\d"
    rf"|[\s>*-]*{_METHOD}\s+[\"'<]?https?://"  # as files for REST clients have it
)
_FIELD = re.compile(r"[A-Za-z][\w-]*:(?:\s|$)")
_LOG = re.compile(rf"\"(?:GET|{_METHOD})\s\S+\sHTTP/\d")
_PROXY = re.compile(
    r"[\s\"'{,*-]*(?:(?:export|setx?|setenv|declare|ENV)\s+(?:-\w+\s+)*|\$env:)?"
    r"(?:[\w.:]*(?:_|::)proxy\b[\"']?(?:\s*[:=]|\s)|(?:[\w.]*\.)?proxy\b[\"']?\s*[:=])\s*"
    r"[\"']?https?://",
    re.IGNORECASE,
)
_PROXY_VARIABLE = re.compile(r"(?:^|[\s({`;&|\"'])\w*_proxy=", re.IGNORECASE)
_LOOP = re.compile(r"(?:for|while|until|if)\b.*(?:;\s*(?:do|then)\b|\bdo\b\s*$)")
_WITH_OPTION = re.compile(  # lines of pip have `--hash` too
    r"(?!https?:)(?:[^\s\"'<(]*/)?(?P<program>[a-z_][\w.+-]*|GET|HEAD|POST)(?=\s).*?\s-{1,2}(?!hash\b)[A-Za-z][\w-]*(?=[\s=]|$)"
    r"|.*\s--(?!hash\b)[a-z][\w-]*(?=[\s=]|$)"
    # the rest of a command whose lines were separated
    r"|(?:-[A-Za-z]|-[#gijkLNORsSv46]{2,9}|--(?!hash\b)[a-z][\w-]*)(?=[\s=])"
    r"|.*?\b(?P<named>(?i:curl|wget2?|aria2c))(?i:\.exe)?[\"']?\s+(?:\S+\s+){0,9}?[\"']?-{1,2}[A-Za-z]"
)
_PROGRAMS = re.compile(
    r"(?:sudo\s+)?(?P<program>(?:apt|apt-get|dnf|yum|zypper|pacman|apk|snap|flatpak|conda|mamba|micromamba|hf"
    r"|huggingface-cli|azcopy|nix|kaggle|oras|helm)(?=\s+[a-z][\w-]*\s)|(?<=sudo\s)[\w.-]+"
    r"|go(?=\s+(?:install|get|run)\s)|ip(?=\s+netns\s)|firejail|tsocks|scp|gdown|nix-[a-z-]+|https?|xhs?|axel|yt-dlp|youtube-dl"
    r"|gallery-dl|lftp|git|pip3?|npm|docker"
    r"|podman|curl|wget2?|aria2c|rclone|aws|gsutil|gcloud|s3cmd|rsync|certutil|bitsadmin|msiexec|winget|choco|brew"
    r"|cargo|ffmpeg|mpv|vlc|xdg-open|powershell|pwsh|lynx|w3m)(?:\.exe)?\s",
)
_HAS_URL = re.compile(r"https?:(?://|\\/)", re.IGNORECASE)
_OPENS = re.compile(r".{0,200}?(?:[\w$]\(|[\w$\])]\s*:?=\s*\{|\)\s*\{)")
"""First line of code over several lines: `fetch(`, `options = {`, `func main() {`."""
_CONTINUES = re.compile(r"(?:[\\^]|\s`)\s*$")  # a backtick after a letter is Markdown
_ADVICE = "copy as cURL instead"


def sniff(text: str) -> bool:
    """Check whether a line is a command, program code or a header."""
    return bool(_kind(text))


def sniff_powershell(text: str) -> bool:
    """Check whether a line is PowerShell, where `curl` and `wget` are names of a command."""
    return _POWERSHELL.match(text) is not None


def read(lines: Lines, options: ReadOptions) -> Iterator[Candidate]:
    """Yield one invalid candidate for a statement, or for headers that follow each other."""
    line = lines.number + 1
    text = next(lines)
    kind = _kind(text.strip())
    if kind == "header":
        yield _refused(line, f"request headers ({', '.join(_headers(text, lines))})")
        return
    if kind == "an HTTP request":
        _take_message(lines, may_have_body="GET" not in text.split(maxsplit=1)[0])
        yield _refused(line, kind)
        return
    statement = _whole_statement(text, lines)
    for _ in range(_MAX_LINES if kind == "PowerShell" else 0):
        if re.search(_POWERSHELL_DOWNLOAD, statement, re.IGNORECASE):
            break
        following = next(lines, None)
        if following is None or _kind(following.strip()) != kind:
            lines.give_back(*([] if following is None else [following]))
            break
        statement = _whole_statement(following, lines)  # the session that a request uses
    yield _refused(line, "a PowerShell command" if kind == "PowerShell" else kind)


def _refused(line: int, what: str) -> Candidate:
    verb = "are" if what.startswith("request headers") else "is"
    problem = f"{what} {verb} not supported; {_ADVICE}, or give only the URL"
    return Candidate(line, what, problem=problem, form=what.partition(" (")[0])


def _kind(text: str) -> str:
    """Return the kind of a line in words; "" for other text."""
    if _POWERSHELL.match(text):
        return "PowerShell"
    if _HEADER.match(text) or _REFERER.match(text) or _EMPTY_HEADER.match(text):
        return "header"
    if _REQUEST.match(text):
        return "an HTTP request"
    if _LOOP.match(text):
        return "a shell script"
    if not (_HAS_URL.search(text) or _CONTINUES.search(text)):
        is_code = ("fetch" in text and _CODE.match(text)) or _OPENS.fullmatch(text)
        return "program code" if is_code else ""
    if _LOG.search(text):
        return "a line of an access log"
    if _PROXY.match(text) or _PROXY_VARIABLE.search(text):
        return "a proxy setting"
    if _CODE.match(text):
        return "program code"
    known = _PROGRAMS.match(text) or _WITH_OPTION.match(text)
    if known is None:
        return ""
    name = known["program"] or known.groupdict().get("named")
    return f"a command of {printable(name[:40])}" if name else "a command"


def _headers(text: str, lines: Lines) -> list[str]:
    """Return the names of the header on a line and of those on the next ones."""
    names: dict[str, None] = {}
    while True:
        match = _HEADER.match(text.strip())
        names[match["name"].lower() if match else "referer"] = None
        if _EMPTY_HEADER.match(text):
            next(lines, None)
        following = next(lines, None)
        if following is None:
            break
        if not following.strip() or _kind(following.strip()) != "header":
            lines.give_back(following)
            break
        text = following
    return list(names)[:10]


def _take_message(lines: Lines, *, may_have_body: bool) -> None:
    """Take the header fields of a request, and the body after them, which ends at a blank line."""
    has_fields = is_body = False
    for _ in range(_MAX_LINES):
        line = next(lines, None)
        if line is None:
            return
        if not is_body and _FIELD.match(line):
            has_fields = True
        elif not is_body and has_fields and may_have_body and not line.strip():
            is_body = True
        elif not (is_body and line.strip()):
            lines.give_back(line)
            return


def _whole_statement(text: str, lines: Lines) -> str:
    """Take the other lines of a statement: after a continuation, or with open brackets.

    If the brackets do not close, give back all lines but the first.
    """
    taken: list[str] = []
    last, size = text, len(text)
    counts_brackets = lines.may_look_ahead
    depth = _depth(text) if counts_brackets else 0
    while (is_open := depth > 0) or _CONTINUES.search(last):
        line = next(lines, None)
        if line is not None:
            taken.append(line)
            last, size = line, size + len(line)
            depth += _depth(line) if counts_brackets else 0
        if line is None or len(taken) > _MAX_LINES or size > _MAX_CHARACTERS:
            lines.give_back(*(taken if is_open else []))
            break
    return "".join([text, *taken])


def _depth(text: str) -> int:
    """Return the number of brackets that a line opens and does not close."""
    if len(text) > _MAX_STATEMENT_LENGTH:
        return 0
    code = without_strings(text, "\"'")
    return sum(code.count(sign) for sign in "([{") - sum(code.count(sign) for sign in ")]}")
