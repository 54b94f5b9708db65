"""RecentExchanges: the latest request and response heads, for the inspector."""

import base64
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from multidict import CIMultiDict

from rheo_core.domain.hash_algorithms import HashAlgorithm
from rheo_core.domain.inspector_details import Hop
from rheo_core.domain.redaction import HIDDEN
from rheo_core.domain.secret_shapes import sounds_secret
from rheo_core.domain.text import printable, quoted, redact, redact_url, shorten

from .base import Response

_MAX_EXCHANGES = 256
_MAX_FIELDS = 100
_MAX_TEXT_LENGTH = 8 << 10
"""Limit for a head, and for a redirected URL, because 20 hops of 256 downloads are kept."""
_SHOWN_IN_REQUESTS = frozenset(
    {"accept", "accept-encoding", "accept-language", "if-range", "range", "referer", "user-agent"}
)
"""Every other field of a request may be a secret of the user."""
_HIDDEN_IN_RESPONSES = frozenset({"authentication-info", "proxy-authenticate", "set-cookie2"})
"""Hidden with the fields whose names sound like secrets, such as Set-Cookie."""
_DIGESTS = re.compile(
    r"(?:(?:content|repr|unencoded)-)?digest|content-md5"
    r"|x-(?:goog-|xet-)?hash|x-(?:amz-)?checksum-[a-z0-9]+"
)
"""Fields for checksums of files (RFC 9530, RFC 3230, object stores, package repositories)."""
_SHOWN_IN_RESPONSES = re.compile(
    rf"{_DIGESTS.pattern}|access-control-[a-z-]+|[a-z-]+-policy(?:-report-only)?|refresh"
    "|surrogate-key"
)
"""Shown although their names sound like secrets, such as `policy` in signed URLs."""
_DIGEST = re.compile(
    r"(?:[A-Za-z][\w-]{1,15}=)?:?(?:(?P<hex>(?:[0-9a-f]{2})+)|(?P<base64>[A-Za-z0-9+/]+={0,2})):?",
    re.ASCII,
)
_DIGEST_SIZES = {4, 8} | {algorithm.hex_length // 2 for algorithm in HashAlgorithm}
"""Bytes; the first two are those of CRC."""


class SentHop(NamedTuple):
    """A sent request, and the head of its response; None if there was none."""

    url: str
    request: Mapping[str, str]
    status: int = 0
    reason: str = ""
    response: Mapping[str, str] | None = None

    @classmethod
    def of(cls, url: str, request: Mapping[str, str], response: Response) -> "SentHop":
        """Return the hop of a response, with only the useful part of its head."""
        reason = (response.reason or "")[:_MAX_TEXT_LENGTH]
        return cls(url, request, response.status, reason, _kept(response.headers))

    def redirected(self) -> "SentHop":
        """Shorten the URL of this hop, for when it is no longer the last one."""
        return self._replace(url=shorten(self.url, _MAX_TEXT_LENGTH))


def _kept(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Return the first fields of a head, and a last one with the number of omitted ones."""
    length = sum(map(len, fields)) + sum(map(len, fields.values()))
    if len(fields) <= _MAX_FIELDS and length <= _MAX_TEXT_LENGTH:
        return fields
    kept: CIMultiDict[str] = CIMultiDict()
    room = _MAX_TEXT_LENGTH
    for name, value in fields.items():
        room -= len(name) + len(value)
        if room < 0 or len(kept) == _MAX_FIELDS:
            break
        kept.add(name, value)
    kept["…"] = f"{len(fields) - len(kept):,} more"
    return kept


class RecentExchanges:
    """Keeps the hops of the latest exchange of each of the latest downloads.

    Recording one costs O(1), so that it does not delay transfers. Texts are built on demand.
    """

    def __init__(self) -> None:
        # By download, latest last. A plain dict would be slow to find its first entry.
        self._hops: OrderedDict[str, list[SentHop]] = OrderedDict()

    def note(self, download_id: str, hops: list[SentHop]) -> None:
        """Keep the hops of an exchange, to which more may be added."""
        self._hops.pop(download_id, None)
        self._hops[download_id] = hops
        if len(self._hops) > _MAX_EXCHANGES:
            self._hops.popitem(last=False)

    def sent_login(self, download_id: str) -> bool:
        """Return True if the latest request of a download had a login."""
        latest = self._hops.get(download_id, [])[-1:]
        return any(name.lower() == "authorization" for hop in latest for name in hop.request)

    def of(self, download_id: str) -> tuple[Hop, ...]:
        """Return the hops of the latest exchange of a download, without secrets."""
        return tuple(map(_shown, self._hops.get(download_id, ())))


def _shown(hop: SentHop) -> Hop:
    return Hop(
        redact_url(hop.url),
        hop.status,
        quoted(hop.reason),
        tuple(_fields(hop.request.items(), is_response=False)),
        tuple(_fields(hop.response.items() if hop.response else (), is_response=True)),
    )


def _fields(fields: Iterable[tuple[str, str]], *, is_response: bool) -> Iterable[tuple[str, str]]:
    for name, value in fields:
        known = name.lower()
        is_shown = _may_show(known) if is_response else known in _SHOWN_IN_REQUESTS
        yield printable(name), printable(_redacted(known, value)) if is_shown else HIDDEN


def _redacted(name: str, value: str) -> str:
    """Return the value of a field without secrets; the checksums of a file are none."""
    is_list = _DIGESTS.fullmatch(name) is not None and all(map(_is_digest, value.split(",")))
    return value if is_list else redact(value)


def _is_digest(item: str) -> bool:
    """Return True for `sha-256=:BASE64:`, `md5=BASE64`, and for base64 or digits alone."""
    match = _DIGEST.fullmatch(item.strip())
    if match is None:
        return False
    if match["hex"]:
        return len(match["hex"]) // 2 in _DIGEST_SIZES
    with suppress(ValueError):
        return len(base64.b64decode(match["base64"])) in _DIGEST_SIZES
    return False


def _may_show(name: str) -> bool:
    """Return True if a field of a response, with its name in lower case, contains no secret."""
    sounds_harmless = not sounds_secret(name) and name not in _HIDDEN_IN_RESPONSES
    return sounds_harmless or _SHOWN_IN_RESPONSES.fullmatch(name) is not None
