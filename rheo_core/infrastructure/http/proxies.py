"""Proxies from the *_PROXY environment variables."""

import os
from collections.abc import Mapping
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
    if not proxy or proxy_bypass_environment(place, proxies):
        return None
    try:
        return read_proxy(proxy)
    except ValueError as error:
        raise RequestOptionsError(_problem(key, proxy, error)) from None


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
    return f"Environment: {name} is not valid: it {error}."
