"""Proxies from the `*_PROXY` environment variables.

`requester.py` prefers the proxy of the settings, and `wire/dialer.py` connects through it.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from rheo_core.domain.exceptions import RequestOptionsError
from rheo_core.domain.request_options import read_proxy

_KEYS = ("http", "https", "all")
_PORTS = {"http": 80, "https": 443}
_SEPARATORS = re.compile(r"[,\s]+")
_NO_BRACKETS = str.maketrans("", "", "[]")


def environment_proxies() -> dict[str, str]:
    """Return the proxies of the *_PROXY variables, by scheme."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies_environment  # imports http.client and email

    return getproxies_environment()


def usual_proxy(proxies: Mapping[str, str], scheme: str, place: str) -> str | None:
    """Return the proxy of a request; None for a direct one.

    Args:
        proxies: by scheme, as `environment_proxies` returns them.
        scheme: scheme of the URL.
        place: host of the URL, with the port if it has one.

    Raises:
        RequestOptionsError: the variable is not valid. A direct request must not replace it.
    """
    key = scheme if proxies.get(scheme) else "all"
    proxy = proxies.get(key)
    if not proxy or _is_exempt(place, scheme, proxies):
        return None
    try:
        return read_proxy(proxy)
    except ValueError as error:
        raise RequestOptionsError(_problem(key, proxy, error)) from None


def _is_exempt(place: str, scheme: str, proxies: Mapping[str, str]) -> bool:
    """Check whether `no_proxy` names a host. Ignore a dot at the end, as curl does.

    Its entries are names of hosts and domains, with a port or without, addresses, networks
    (`10.0.0.0/8`), and patterns (`*.example.org`), separated by commas or blanks.
    """
    url = urlsplit(f"//{place}")
    host = (url.hostname or "").partition("%")[0].rstrip(".")
    port = url.port or _PORTS.get(scheme)
    entries = [entry.rstrip(".").lower() for entry in _SEPARATORS.split(proxies.get("no", ""))]
    if any("*" in entry and fnmatchcase(host, entry) for entry in entries):
        return True
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    shown = f"[{host}]" if ":" in host else host
    named = {"no": ",".join(entries)}
    return bool(proxy_bypass_environment(f"{shown}:{port}", named)) or _is_within(host, entries)


def _is_within(host: str, entries: Iterable[str]) -> bool:
    """Check whether an address is one of the entries, or in a network among them."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in entries:
        with suppress(ValueError):
            if address in ipaddress.ip_network(entry.translate(_NO_BRACKETS), strict=False):
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
