"""URLs of stores with a signature: the part that names the object, and the part that expires."""

import re
from urllib.parse import unquote

_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-cos-", "q-")
_ALONE = {
    "awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "key-pair-id", "policy", "signature",
    "expires", "security-token", "token", "hdnea", "hdnts", "hdntl", "__gda__", "__token__",
    "verify",
}  # fmt: skip
_WITH_SIGNATURE = {
    # Shared access signatures of Azure, which all have `sig`. Elsewhere these names mean much else.
    "sig": {
        "sig", "se", "sp", "sv", "sr", "st", "ss", "srt", "sip", "spr", "skoid", "sktid", "skt",
        "ske", "sks", "skv", "saoid", "suoid", "scid", "sdd", "ses",
    },
    "hm": {"hm", "ex", "is"},  # Discord
    "md5": {"md5", "expires", "e", "st"},  # nginx: secure_link
}  # fmt: skip
_USERINFO = re.compile(r"(?<=://)[^/?#@]*@")


def unsigned(url: str) -> str:
    """Return a URL without login, fragment and the known parameters of signatures.

    A new signature of the same object gives the same text. Others stay as they are, because they
    may name the object.
    """
    url = url.partition("#")[0]
    if "@" in url:
        url = _USERINFO.sub("", url, count=1)
    address, mark, query = url.partition("?")
    if not mark:
        return url
    fields = query.split("&")
    names = [unquote(field.partition("=")[0]).lower() for field in fields]
    signing = _ALONE.union(*(more for one, more in _WITH_SIGNATURE.items() if one in names))
    kept = [
        field
        for field, name in zip(fields, names, strict=True)
        if name not in signing and not name.startswith(_PREFIXES)
    ]
    return f"{address}?{'&'.join(kept)}" if kept else address
