"""Failure: the kind of an error that ended an attempt, and a short message."""

from enum import StrEnum
from typing import NamedTuple, Self


class FailureKind(StrEnum):
    """Kind of an error. Sessions and events contain the values, so a value never changes."""

    LOGIN_MISSING = "login_missing"  # 401
    LOGIN_REFUSED = "login_refused"  # 401 although a login was sent
    PROXY_LOGIN_MISSING = "proxy_login_missing"  # 407 of a proxy
    PROXY_LOGIN_REFUSED = "proxy_login_refused"  # 407 although a login was sent
    LINK_REFUSED = "link_refused"  # 403, 404 or 410
    HTTP_STATUS = "http_status"  # any other status that reports an error
    PROTOCOL = "protocol"
    REDIRECTS = "redirects"
    WEB_PAGE = "web_page"
    TOO_LARGE = "too_large"
    ROBOTS_TAG = "robots_tag"
    REQUEST_OPTIONS = "request_options"
    CONNECTION = "connection"
    DNS = "dns"
    NO_NETWORK = "no_network"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    INCOMPLETE = "incomplete"
    HOST_FULL = "host_full"
    SHORTAGE = "shortage"
    DESTINATION = "destination"  # it cannot be written
    FILE_IN_USE = "file_in_use"  # by another process
    FILE_EXISTS = "file_exists"  # and the strategy is `error`
    EXISTING_DIFFERS = "existing_differs"  # an existing file is not the requested one
    HASH = "hash"
    PROMISED_HASH = "promised_hash"  # the expected one is from the server's headers
    PIECES = "pieces"  # pieces have wrong checksums at every source
    FILE = "file"  # any other problem while a file is checked
    FILE_ACCESS = "file_access"
    OTHER = "other"


_HTTP_KINDS = frozenset(
    {
        FailureKind.LOGIN_MISSING,
        FailureKind.LOGIN_REFUSED,
        FailureKind.PROXY_LOGIN_MISSING,
        FailureKind.PROXY_LOGIN_REFUSED,
        FailureKind.LINK_REFUSED,
        FailureKind.HTTP_STATUS,
    }
)
_CAUSES = {
    FailureKind.LOGIN_REFUSED: "401 wrong login",
    FailureKind.LOGIN_MISSING: "401 needs a login",
    FailureKind.PROXY_LOGIN_MISSING: "407 the proxy needs a login",
    FailureKind.PROXY_LOGIN_REFUSED: "407 wrong proxy login",
    FailureKind.WEB_PAGE: "web page, not a file",
    FailureKind.EXISTING_DIFFERS: "a different file exists",
    FailureKind.FILE_EXISTS: "file already exists",
    FailureKind.PIECES: "damaged at every source",
    FailureKind.INCOMPLETE: "connection ended early",
}
LOGIN_KINDS = frozenset({FailureKind.LOGIN_MISSING, FailureKind.LOGIN_REFUSED})
"""Failures caused by a missing or wrong name or password."""
EXISTING_KINDS = frozenset({FailureKind.FILE_EXISTS, FailureKind.EXISTING_DIFFERS})
"""Failures caused by an existing file."""


class Failure(NamedTuple):
    """Failure of an attempt.

    Attributes:
        kind: the kind of its error.
        brief: the message without host and path, for readers who see them anyway; "" if it cannot
            be shortened.
    """

    kind: FailureKind
    brief: str = ""

    @property
    def cause(self) -> str:
        """Cause in a few words, such as `401 needs a login`; "" if only the message says it."""
        return _CAUSES.get(self.kind) or self.brief

    @property
    def http_status(self) -> str:
        """HTTP status of the refused request, such as "404"; "" if the server did not refuse it."""
        return self.brief.partition(" ")[0] if self.kind in _HTTP_KINDS else ""

    def to_text(self) -> str:
        """Return the text to store: the kind, a space, and the short message."""
        return f"{self.kind.value} {self.brief}"

    @classmethod
    def of_text(cls, text: str) -> Self | None:
        """Return the failure of a stored text; None if its kind is unknown to this version."""
        kind, _, brief = text.partition(" ")
        return cls(FailureKind(kind), brief) if kind in _KINDS else None


_KINDS = frozenset(kind.value for kind in FailureKind)
