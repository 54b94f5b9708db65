"""Causes: the reason of a failure in a few words, and advice against it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot, DownloadStatus, HashAlgorithm


class Cause(NamedTuple):
    """A failure, short enough for the table."""

    text: str  # such as `404 Not Found`
    advice: str = ""  # one sentence; `{key}` stands for the key of `action`
    action: str = ""  # id of the action that helps


class _Rule(NamedTuple):
    """Recognises an error message of the engine; groups of `pattern` fill `text`."""

    pattern: re.Pattern[str]
    text: str
    advice: str = ""
    action: str = ""


_HOST = r"(?:\[[^\]]+\]|[\w.-]+)(?::\d+)?"
_LOGIN = "Press {key} and enter a login; saving it retries."
_WRONG_LOGIN = "Press {key} and correct the login; saving it retries."
_PROXY_LOGIN = "Set proxy to http://name:password@host:port in the settings, then press {key}."
_NEW_LINK = "The link may have expired; press {key} to replace it."
_EXISTING = "Press {key} to open the file, save under another name, or overwrite it."
_RETRY = "Press {key} to retry."
_RULES = tuple(
    _Rule(re.compile(pattern), *rest)
    for pattern, *rest in (
        (r"HTTP 401\b.*; the login was refused", "401 wrong login", _WRONG_LOGIN, "link"),
        (r"HTTP 401\b.*", "401 needs a login", _LOGIN, "link"),
        (r"HTTP 407\b.*", "407 the proxy needs a login", _PROXY_LOGIN, "retry"),
        (r"HTTP ((?:403|404|410)\b.*)", r"\1", _NEW_LINK, "link"),
        (r"HTTP (\d{3}.*)", r"\1", _RETRY, "retry"),
        (r"the server sent .* instead of the file.*", "web page, not a file",
         "Sign in and replace the URL, or press {key} to save the page.", "keep"),
        (r"hash mismatch for the existing .*", "a different file exists", _EXISTING, "existing"),
        (r"the existing .*; the file was not changed", "a different file exists", _EXISTING,
         "existing"),
        (r"hash mismatch for .*? pieces are bad.*", "damaged at every source", _RETRY, "retry"),
        (r"hash mismatch for .*", "wrong checksum",
         "Check the expected hash; press {key} to keep the data as NAME.unverified.", "keep"),
        (r"cannot write .*: (disk full.*|[^:]+)", r"\1",
         "Free some space or choose another folder, then press {key} to retry.", "retry"),
        (r"file already exists: .*", "file already exists", _EXISTING, "existing"),
        (rf"{_HOST}: (certificate refused.*)", r"\1",
         "The server's certificate is not trusted; press {key} to replace the URL.", "link"),
        (rf"{_HOST}: (.+)", r"\1", "Check the network and the host; press {key} to retry.",
         "retry"),
        (r"connection ended at .*", "connection ended early", _RETRY, "retry"),
        (r"no complete reply from \S+( for .*)", r"no reply\1", _RETRY, "retry"),
        (r"no data from \S+( for .*)", r"no data\1", _RETRY, "retry"),
    )
)  # fmt: skip
_ALGORITHM_NAMES = {
    HashAlgorithm.MD5: "MD5",
    HashAlgorithm.SHA1: "SHA-1",
    HashAlgorithm.SHA256: "SHA-256",
    HashAlgorithm.SHA384: "SHA-384",
    HashAlgorithm.SHA512: "SHA-512",
    HashAlgorithm.BLAKE2B: "BLAKE2b",
}


def algorithm_text(algorithm: HashAlgorithm) -> str:
    """Return the name of an algorithm as people write it: `SHA-256`."""
    return _ALGORITHM_NAMES[algorithm]


def cause_of(row: DownloadSnapshot) -> Cause:
    """Return the cause of the last failure of `row`; its text is "" if there is none."""
    error = row.error or ""
    if row.status is DownloadStatus.SKIPPED:
        return Cause("", _EXISTING, "existing")
    cause = next(_matches(error), Cause(error))
    check = row.validation
    if cause.text == "wrong checksum" and check is not None and not check.is_valid:
        return cause._replace(text=f"wrong {algorithm_text(check.algorithm)}")
    return cause


def _matches(error: str) -> Iterator[Cause]:
    for rule in _RULES:
        if match := rule.pattern.fullmatch(error):
            yield Cause(match.expand(rule.text), rule.advice, rule.action)
