"""DigestLogin: answers to digest challenges, by aiohttp. Imported on first use."""

import re
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.client_middleware_digest_auth import SUPPORTED_ALGORITHMS, parse_header_pairs

_DIGEST = re.compile(r"(?i)(?:^|,)\s*(?=digest\s)")


class _Received(str):
    """Text of a reply as the bytes that came, of which surrogates stand for those not in UTF-8.

    The hash is of these bytes. A server that names no `charset` may send a realm in Latin-1.
    """

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode(encoding, "surrogateescape")


class DigestLogin(aiohttp.DigestAuthMiddleware):
    """Digest authentication with the first usable challenge that a server offers (RFC 7616 3.7).

    aiohttp reads the first challenge only, which may be of another scheme (RFC 9110 11.6.1).
    """

    def _authenticate(self, response: aiohttp.ClientResponse) -> bool:
        if response.status != 401:
            return False
        for field in response.headers.getall("WWW-Authenticate", ()):
            for challenge in _DIGEST.split(field)[1:]:
                if _can_answer(challenge):
                    headers = {"www-authenticate": challenge}
                    single: Any = SimpleNamespace(status=401, url=response.url, headers=headers)
                    try:
                        super()._authenticate(single)
                    except ValueError:  # of an address in `domain`; no other origin gets the login
                        self._protection_space = [str(response.url.origin())]
                    for name, value in self._challenge.items():
                        self._challenge[name] = _Received(value)  # type: ignore[literal-required]
                    return True
        return False


def _can_answer(challenge: str) -> bool:
    parameters = parse_header_pairs(challenge.partition(" ")[2])
    qop_values = {value.strip() for value in parameters.get("qop", "auth").split(",")}
    return (
        "realm" in parameters
        and bool(parameters.get("nonce"))
        and parameters.get("algorithm", "MD5").upper() in SUPPORTED_ALGORITHMS
        and not qop_values.isdisjoint({"auth", "auth-int"})
    )
