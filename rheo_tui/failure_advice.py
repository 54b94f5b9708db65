"""Failure advice: the cause of a failure in a few words, and what to do about it."""

from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot, DownloadStatus
from rheo_core.domain.failures import FailureKind


class Cause(NamedTuple):
    """A failure, short enough for the table."""

    text: str  # such as `404 Not Found`
    advice: str = ""  # one sentence; `{key}` stands for the key of `action`
    action: str = ""  # id of the action that helps


_LOGIN = "Press {key} and enter a login; the download restarts."
_WRONG_LOGIN = "Press {key} to correct the login; the download restarts."
_PROXY_LOGIN = "In the settings, set proxy to http://name:password@host:port. Then press {key}."
_NEW_LINK = "The link may have expired; press {key} to replace it."
_PAGE = "Sign in and replace the link, or press {key} to save the page."
_EXISTING = "Press {key} to open the file, save under another name, or overwrite it."
_OWN_HASH = "Check your hash, or press {key} to keep the data anyway."
_HASH_OF_SERVER = "The server's hash does not match; press {key} to retry."
_KEPT = "kept as "  # begins the reason of a download whose data the user has kept
_DATA_KEPT = "The data is kept; press {key} to retry."
_NO_ROOM = "Free some space or choose another folder, then press {key} to retry."
_UNTRUSTED = (
    "The server's certificate is not trusted. Check this computer's date and the ca_file setting, "
    "or press {key} "
)
_CERTIFICATE = f"{_UNTRUSTED}to use another link."
_CERTIFICATES = f"{_UNTRUSTED}to use other links."
_NEW_LINKS = "The links may have expired; press {key} to replace them."
_LARGE = "Raise max_size in the settings, then press {key} to retry."
_CIRCLE = "The server redirects in a circle; press {key} to replace the link."
_OPTIONS = "Correct the settings or the options of the download, then press {key} to retry."
_PERMISSIONS = "Check the permissions of the file and its folder, then press {key} to retry."
_NETWORK = "Check the network and the host; press {key} to retry."
_RETRY = "Press {key} to retry."
_ADVICE = {
    FailureKind.LOGIN_REFUSED: (_WRONG_LOGIN, "link"),
    FailureKind.LOGIN_MISSING: (_LOGIN, "link"),
    FailureKind.PROXY_LOGIN_MISSING: (_PROXY_LOGIN, "retry"),
    FailureKind.PROXY_LOGIN_REFUSED: (_PROXY_LOGIN, "retry"),
    FailureKind.LINK_REFUSED: (_NEW_LINK, "link"),
    FailureKind.REDIRECTS: (_CIRCLE, "link"),
    FailureKind.TOO_LARGE: (_LARGE, "retry"),
    FailureKind.REQUEST_OPTIONS: (_OPTIONS, "retry"),
    FailureKind.FILE_ACCESS: (_PERMISSIONS, "retry"),
    FailureKind.WEB_PAGE: (_PAGE, "keep"),
    FailureKind.EXISTING_DIFFERS: (_EXISTING, "existing"),
    FailureKind.FILE_EXISTS: (_EXISTING, "existing"),
    FailureKind.HASH: (_OWN_HASH, "keep"),
    FailureKind.PROMISED_HASH: (_HASH_OF_SERVER, "retry"),
    FailureKind.DESTINATION: (_NO_ROOM, "retry"),
    FailureKind.CERTIFICATE: (_CERTIFICATE, "link"),
    FailureKind.CONNECTION: (_NETWORK, "retry"),
    FailureKind.DNS: (_NETWORK, "retry"),
    FailureKind.NO_NETWORK: (_NETWORK, "retry"),
}
"""Advice and action by kind of failure; the others may be different next time."""
_ADVICE_FOR_MANY = {
    _LOGIN: (_LOGIN.replace("download restarts", "downloads restart"), "link"),
    _WRONG_LOGIN: (_WRONG_LOGIN.replace("download restarts", "downloads restart"), "link"),
    _NEW_LINK: (_NEW_LINKS, "replace_links"),
    _CERTIFICATE: (_CERTIFICATES, "replace_links"),
}
"""Advice and action for several downloads, by that for one."""


def cause_of(row: DownloadSnapshot) -> Cause:
    """Return the cause of the last failure of `row`; its text is "" if there is none.

    A failure of unknown kind, stored by an earlier version, has no advice.
    """
    if row.status is DownloadStatus.SKIPPED:
        return Cause("", _EXISTING, "existing")
    if row.failure is None:
        return Cause(row.cause)
    advice = _ADVICE.get(row.failure.kind, (_RETRY, "retry"))
    if row.reason.startswith(_KEPT):
        advice = _DATA_KEPT, "retry"
    return Cause(row.cause, *advice)


def shared_by_many(cause: Cause) -> Cause:
    """Return a cause with the advice for several downloads that have it."""
    advice, action = _ADVICE_FOR_MANY.get(cause.advice, (cause.advice, cause.action))
    return cause._replace(advice=advice, action=action)
