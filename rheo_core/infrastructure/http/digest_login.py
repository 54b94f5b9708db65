"""DigestLogin: answer digest and basic challenges. Imported on first use."""

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
import yarl
from aiohttp.client_middleware_digest_auth import (
    SUPPORTED_ALGORITHMS,
    escape_quotes,
    parse_header_pairs,
)

from .auth import Login

_DIGEST = re.compile(r"(?i)(?:^|,)\s*(?=digest\s)")
_BASIC = re.compile(r"(?i)(?:^|,)\s*basic(?=\s|,|$)")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*+(?:\"|\\?$)")  # the last one may have no end


class _Received(str):
    """Text of a response as the received bytes; surrogates stand for bytes that are not UTF-8.

    The hash covers these bytes. A server that names no `charset` may send a realm in Latin-1.
    """

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode(encoding, "surrogateescape")


class DigestLogin(aiohttp.DigestAuthMiddleware):
    """Digest authentication with the first usable challenge that a server offers (RFC 7616 3.7).

    aiohttp reads only the first challenge, which may have another scheme (RFC 9110 11.6.1).
    """

    def __init__(self, login: Login) -> None:
        super().__init__(login.name, login.password or "")

    def _authenticate(self, response: aiohttp.ClientResponse) -> bool:
        if response.status != 401:
            return False
        for field in _challenges(response):
            for challenge in _DIGEST.split(field)[1:]:
                parameters = _parameters(challenge)
                if _can_answer(parameters):
                    headers = {"www-authenticate": _written(parameters)}
                    single: Any = SimpleNamespace(status=401, url=response.url, headers=headers)
                    try:
                        super()._authenticate(single)
                    except ValueError:  # of an address in `domain`; no other origin gets the login
                        self._protection_space = [str(response.url.origin())]
                    for name, value in self._challenge.items():
                        self._challenge[name] = _Received(value)  # type: ignore[literal-required]
                    return True
        return False

    async def _encode(self, method: str, url: yarl.URL, body: Any) -> str:
        """Return the answer, with the target as a quoted string (RFC 7616 3.4)."""
        answer = await super()._encode(method, url, body)
        target = yarl.URL(url).raw_path_qs
        return answer.replace(f'uri="{target}"', f'uri="{escape_quotes(target)}"', 1)


class AnyLogin(DigestLogin):
    """Login for a server that asks for it: by digest if it offers that, otherwise basic."""

    def __init__(self, login: Login) -> None:
        super().__init__(login)
        self._basic = login.basic
        self._is_basic = False

    def _authenticate(self, response: aiohttp.ClientResponse) -> bool:
        if super()._authenticate(response):
            self._is_basic = False
            return True
        if response.status != 401 or not _offers_basic(response):
            return False
        self._is_basic = True
        self._challenge = {"realm": ""}  # the next requests to this origin send the login at once
        self._protection_space = [str(response.url.origin())]
        return True

    async def _encode(self, method: str, url: yarl.URL, body: Any) -> str:
        return self._basic if self._is_basic else await super()._encode(method, url, body)


def _challenges(response: aiohttp.ClientResponse) -> list[str]:
    return response.headers.getall("WWW-Authenticate", [])


def _offers_basic(response: aiohttp.ClientResponse) -> bool:
    return any(_BASIC.search(_QUOTED.sub("", field)) for field in _challenges(response))


def _parameters(challenge: str) -> dict[str, str]:
    """Return the parameters of a challenge in the case that aiohttp expects.

    Their names (RFC 9110 11.2) and the values of `qop` have no case.
    """
    found = parse_header_pairs(challenge.partition(" ")[2])
    parameters = {name.lower(): value for name, value in found.items()}
    return {name: value.lower() if name == "qop" else value for name, value in parameters.items()}


def _written(parameters: Mapping[str, str]) -> str:
    pairs = (f'{name}="{escape_quotes(value)}"' for name, value in parameters.items())
    return f"Digest {', '.join(pairs)}"


def _can_answer(parameters: Mapping[str, str]) -> bool:
    qop_values = {value.strip() for value in parameters.get("qop", "auth").split(",")}
    return (
        "realm" in parameters
        and bool(parameters.get("nonce"))
        and parameters.get("algorithm", "MD5").upper() in SUPPORTED_ALGORITHMS
        and not qop_values.isdisjoint({"auth", "auth-int"})
    )
