"""aria2c commands, whose options are named like those in aria2 input files."""

from collections.abc import Iterator
from pathlib import Path

from rheo_core.domain.redaction import without_login
from rheo_core.domain.text import redact_url

from .command_options import getopt_syntax, read_options
from .reader_api import Candidate
from .url_list import aria2_entry, sniff

_FORM = "aria2c command"
_LETTERS = {
    "D": "daemon", "M": "metalink-file", "O": "index-out", "P": "parameterized-uri", "R":
    "remote-time", "S": "show-files", "T": "torrent-file", "U": "user-agent", "V":
    "check-integrity", "Z": "force-sequential", "c": "continue", "d": "dir", "h": "help", "i":
    "input-file", "j": "max-concurrent-downloads", "k": "min-split-size", "l": "log", "m":
    "max-tries", "n": "no-netrc", "o": "out", "p": "ftp-pasv", "q": "quiet", "s": "split", "t":
    "timeout", "u": "max-upload-limit", "v": "version", "x": "max-connection-per-server",
}  # fmt: skip
_FLAGS = frozenset(
    {
        "allow-overwrite", "allow-piece-length-change", "always-resume", "async-dns",
        "auto-file-renaming", "check-certificate", "check-integrity", "conditional-get",
        "content-disposition-default-utf8", "continue", "daemon", "deferred-input", "disable-ipv6",
        "dry-run", "enable-color", "enable-http-keep-alive", "enable-http-pipelining",
        "enable-mmap", "enable-rpc", "force-save", "force-sequential", "ftp-pasv",
        "hash-check-only", "help", "http-accept-gzip", "http-auth-challenge", "http-no-cache",
        "human-readable", "keep-unfinished-download-result", "no-conf", "no-netrc",
        "optimize-concurrent-downloads", "parameterized-uri", "pause", "quiet",
        "realtime-chunk-checksum", "remote-time", "remove-control-file", "reuse-uri",
        "save-not-found", "show-console-readout", "show-files", "stderr",
        "truncate-console-readout", "use-head", "version",
    }
)  # fmt: skip
"""Options with an optional value."""
_WITH_VALUE = frozenset(
    {
        "all-proxy", "all-proxy-passwd", "all-proxy-user", "async-dns-server",
        "auto-save-interval", "ca-certificate", "certificate", "checksum", "conf-path",
        "connect-timeout", "console-log-level", "dir", "disk-cache", "download-result",
        "event-poll", "file-allocation", "follow-metalink", "follow-torrent", "header",
        "http-passwd", "http-proxy", "http-proxy-passwd", "http-proxy-user", "http-user",
        "https-proxy", "https-proxy-passwd", "https-proxy-user", "index-out", "input-file",
        "interface", "load-cookies", "log", "log-level", "lowest-speed-limit",
        "max-concurrent-downloads", "max-connection-per-server", "max-download-limit",
        "max-download-result", "max-file-not-found", "max-mmap-limit",
        "max-overall-download-limit", "max-overall-upload-limit", "max-resume-failure-tries",
        "max-tries", "max-upload-limit", "metalink-file", "min-split-size", "min-tls-version",
        "multiple-interface", "netrc-path", "no-file-allocation-limit", "no-proxy",
        "on-download-complete", "on-download-error", "on-download-pause", "on-download-start",
        "on-download-stop", "out", "piece-length", "private-key", "proxy-method", "referer",
        "retry-wait", "rlimit-nofile", "save-cookies", "save-session", "save-session-interval",
        "seed-ratio", "seed-time", "select-file", "server-stat-if", "server-stat-of",
        "server-stat-timeout", "socket-recv-buffer-size", "split", "stop", "stop-with-process",
        "stream-piece-selector", "summary-interval", "timeout", "torrent-file", "uri-selector",
        "user-agent",
    }
)  # fmt: skip
_NEEDLESS = frozenset(
    {
        "auto-file-renaming", "console-log-level", "file-allocation", "max-connection-per-server",
        "min-split-size", "quiet", "remote-time", "split", "summary-interval",
    }
)  # fmt: skip
"""Options for less output, for speed, or for something that happens anyway."""
_REFUSED = {
    "conf-path": "reads options from a file",
    "dry-run": "downloads nothing",
    "input-file": "reads URLs from a file (load that file instead)",
    "metalink-file": "reads URLs from a file (load that file instead)",
    "parameterized-uri": "expands patterns in URLs",
    "torrent-file": "reads a torrent",
}
"""Options that change what is fetched."""
_SYNTAX = getopt_syntax(_LETTERS, _WITH_VALUE, _FLAGS)


def downloads(
    line: int, words: list[str], ignored: list[str], folder: Path | None
) -> Iterator[Candidate]:
    """Yield the downloads of a command. Its URLs are mirrors of one file, unless `-Z` is given.

    Args:
        line: number of its first line.
        words: the words after `aria2c`.
        ignored: notes on other words, to be shown with the download.
        folder: download folder; None if it is unknown.
    """
    urls: list[str] = []
    pairs: list[tuple[str, str]] = []
    problem, is_sequence = "", False
    for name, value in read_options(words, _SYNTAX):
        if not name:
            urls.append(value)
        elif name in _REFUSED and value != "false":
            problem = problem or f"--{name} {_REFUSED[name]}, which is not supported"
        elif name == "force-sequential":
            is_sequence = value != "false"
        elif name not in _NEEDLESS:
            pairs.append((name, value if name in _WITH_VALUE else value or "true"))
    if not urls:
        problem = problem or "the aria2c command has no URL"
    sequence = _sequence(line, urls, pairs, folder) if is_sequence and urls else None
    for candidate in sequence or [aria2_entry(line, urls, pairs, folder, _FORM)]:
        notes = [*candidate.ignored, *ignored] if ignored else candidate.ignored
        yield candidate._replace(problem=problem or candidate.problem, ignored=notes)


def _sequence(
    line: int, urls: list[str], pairs: list[tuple[str, str]], folder: Path | None
) -> Iterator[Candidate]:
    """Yield one download for each URL. They share their options, which may be many."""
    own_referer = ("referer", "*")  # the URL itself
    has_own_referer = own_referer in pairs
    shared = [pair for pair in pairs if pair != own_referer]
    first: dict[bool, Candidate] = {}  # for http and for https, whose proxies may differ
    for at, url in enumerate(urls):
        if not sniff(url):
            yield aria2_entry(line, [url], [], folder, _FORM)
            continue
        is_https = url[:5].lower() == "https"
        if is_https not in first:
            first[is_https] = aria2_entry(line, [url], shared, folder, _FORM)
        candidate = first[is_https]
        outside = candidate.outside._replace(url=url)
        if has_own_referer:
            headers = (*(outside.headers or ()), ("Referer", without_login(url)))
            outside = outside._replace(headers=headers)
        yield candidate._replace(text=redact_url(url), outside=outside, is_copy=at > 0)
