"""Failure advice: the cause of a failure in a few words, and what to do about it."""

from typing import NamedTuple

from rheo_core.domain import DownloadSnapshot, DownloadStatus, HashAlgorithm
from rheo_core.domain.failures import FailureKind


class Cause(NamedTuple):
    """A failure, short enough for the table."""

    text: str  # such as `404 Not Found`
    advice: str = ""  # one sentence; `{key}` stands for the key of `action`
    action: str = ""  # id of the action that helps


_LOGIN = "Press {key} and enter a login; saving starts it again."
_WRONG_LOGIN = "Press {key} and correct the login; saving starts it again."
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
_NETWORK = "Check the network and the host; press {key} to retry."
_RETRY = "Press {key} to retry."
_CAUSES = {
    FailureKind.LOGIN_REFUSED: Cause("401 wrong login", _WRONG_LOGIN, "link"),
    FailureKind.LOGIN_MISSING: Cause("401 needs a login", _LOGIN, "link"),
    FailureKind.PROXY_LOGIN_MISSING: Cause("407 the proxy needs a login", _PROXY_LOGIN, "retry"),
    FailureKind.PROXY_LOGIN_REFUSED: Cause("407 wrong proxy login", _PROXY_LOGIN, "retry"),
    FailureKind.LINK_REFUSED: Cause("", _NEW_LINK, "link"),
    FailureKind.HTTP_STATUS: Cause("", _RETRY, "retry"),
    FailureKind.WEB_PAGE: Cause("web page, not a file", _PAGE, "keep"),
    FailureKind.EXISTING_DIFFERS: Cause("a different file exists", _EXISTING, "existing"),
    FailureKind.FILE_EXISTS: Cause("file already exists", _EXISTING, "existing"),
    FailureKind.PIECES: Cause("damaged at every source", _RETRY, "retry"),
    FailureKind.HASH: Cause("wrong checksum", _OWN_HASH, "keep"),
    FailureKind.PROMISED_HASH: Cause("wrong checksum", _HASH_OF_SERVER, "retry"),
    FailureKind.DESTINATION: Cause("", _NO_ROOM, "retry"),
    FailureKind.FILE_IN_USE: Cause("", _RETRY, "retry"),
    FailureKind.CERTIFICATE: Cause("", _CERTIFICATE, "link"),
    FailureKind.CONNECTION: Cause("", _NETWORK, "retry"),
    FailureKind.DNS: Cause("", _NETWORK, "retry"),
    FailureKind.NO_NETWORK: Cause("", _NETWORK, "retry"),
    FailureKind.INCOMPLETE: Cause("connection ended early", _RETRY, "retry"),
    FailureKind.TIMEOUT: Cause("", _RETRY, "retry"),
}
"""Causes by kind. A cause without a text has the short message of the error."""
_ADVICE_FOR_MANY = {
    _LOGIN: (_LOGIN.replace(" it ", " them "), "link"),
    _WRONG_LOGIN: (_WRONG_LOGIN.replace(" it ", " them "), "link"),
    _NEW_LINK: (_NEW_LINKS, "replace_links"),
    _CERTIFICATE: (_CERTIFICATES, "replace_links"),
}
"""Advice and action for several downloads, by that for one."""
_WRONG_HASH_KINDS = (FailureKind.HASH, FailureKind.PROMISED_HASH)
_ALGORITHM_NAMES = {
    HashAlgorithm.MD5: "MD5",
    HashAlgorithm.SHA1: "SHA-1",
    HashAlgorithm.SHA256: "SHA-256",
    HashAlgorithm.SHA384: "SHA-384",
    HashAlgorithm.SHA512: "SHA-512",
    HashAlgorithm.BLAKE2B: "BLAKE2b",
}


def algorithm_text(algorithm: HashAlgorithm) -> str:
    """Return the usual name of an algorithm: `SHA-256`."""
    return _ALGORITHM_NAMES[algorithm]


def cause_of(row: DownloadSnapshot) -> Cause:
    """Return the cause of the last failure of `row`; its text is "" if there is none.

    A failure of unknown kind, stored by an earlier version, gives its whole message without advice.
    """
    if row.status is DownloadStatus.SKIPPED:
        return Cause("", _EXISTING, "existing")
    failure = row.failure
    if failure is None:
        return Cause(row.error or "")
    cause = _CAUSES.get(failure.kind, Cause(""))
    if row.reason.startswith(_KEPT):
        cause = Cause(cause.text, _DATA_KEPT, "retry")
    return cause._replace(
        text=_checksum_text(row) or cause.text or failure.brief or row.error or ""
    )


def shared_by_many(cause: Cause) -> Cause:
    """Return a cause with the advice for several downloads that have it."""
    advice, action = _ADVICE_FOR_MANY.get(cause.advice, (cause.advice, cause.action))
    return cause._replace(advice=advice, action=action)


def _checksum_text(row: DownloadSnapshot) -> str:
    """Return the cause of a checksum that is wrong, with its algorithm; "" for any other."""
    check, is_wrong = row.validation, row.failure_kind in _WRONG_HASH_KINDS
    if not is_wrong or check is None or check.is_valid:
        return ""
    return f"wrong {algorithm_text(check.algorithm)}"
