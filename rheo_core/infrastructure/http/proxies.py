"""Proxies from the *_PROXY environment variables."""

import ipaddress
import os
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.request_options import read_proxy

_KEYS = ("http", "https", "all")


def usual_proxy(proxies: Mapping[str, str], scheme: str, place: str) -> str | None:
    """Return the proxy of a request; None for a direct one.

    Args:
        proxies: by scheme, as `urllib.request.getproxies_environment` returns them.
        scheme: scheme of the URL.
        place: host of the URL, with the port if it has one.

    Raises:
        RequestOptionsError: the variable is not valid. A direct request must not replace it.
    """
    key = scheme if proxies.get(scheme) else "all"
    proxy = proxies.get(key)
    if not proxy or proxy_bypass_environment(place, proxies) or _is_within(place, proxies):
        return None
    try:
        return read_proxy(proxy)
    except ValueError as error:
        raise RequestOptionsError(_problem(key, proxy, error)) from None


def _is_within(place: str, proxies: Mapping[str, str]) -> bool:
    """Check whether an address is in a network of `no_proxy` (`10.0.0.0/8`), as in curl."""
    try:
        address = ipaddress.ip_address((urlsplit(f"//{place}").hostname or "").partition("%")[0])
    except ValueError:
        return False
    for entry in proxies.get("no", "").split(","):
        with suppress(ValueError):
            if "/" in entry and address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
    return False


def proxy_problems(proxies: Mapping[str, str]) -> list[str]:
    """Return a sentence on each variable that is not valid."""
    problems = []
    for key in _KEYS:
        if proxy := proxies.get(key):
            try:
                read_proxy(proxy)
            except ValueError as error:
                problems.append(_problem(key, proxy, error))
    return problems


def _problem(key: str, proxy: str, error: ValueError) -> str:
    """Return a sentence with the name of the variable; the error shows its value redacted."""
    names = (name for name, value in os.environ.items() if value == proxy)
    name = next((name for name in names if name.lower() == f"{key}_proxy"), f"{key}_proxy")
    subject = "it " if str(error).startswith("should") else ""
    return f"Environment: {name} is not valid: {subject}{error}."
