"""Mistakes that must not be guessed away: options of requests, and names that may mean one.

A proxy, a certificate, a login or a bound that cannot be understood is no licence to go without
it. If such a setting is wrong, the requests that it would apply to are closed (`Unclear`).
"""

import os
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import Unclear
from rheo_core.domain.text import printable

from .hosts import HostSettings, pattern_of

_OPTIONS = frozenset(RequestOptions.model_fields)
Place = tuple[str, ...]
"""The names that lead to a value: `("timeout",)`, `("hosts", "example.org", "proxy")`."""

TABLES = ("request", "hosts")
BOUNDS = frozenset({"max_size"})
"""Settings that only a user who wants to be safe gives: the default is to go without."""
_STRAYING = _OPTIONS.union(TABLES)
_PREFIX = "rheo_"
_OTHER_WORDS = {
    **dict.fromkeys(("ca", "cacert", "cacerts"), "ca_file"),
    **dict.fromkeys(("cert", "certs"), "client_cert"),
    **dict.fromkeys(("login", "logins"), "user"),
    **dict.fromkeys(("proxies", "socks", "socks5", "tor", "vpn"), "proxy"),
    **dict.fromkeys(("bind", "iface", "nic"), "interface"),
    **dict.fromkeys(("ip", "ipv4", "ipv6"), "ip_version"),
}
"""What options of requests are called too."""
_OF_OTHERS = frozenset({"id", "url", "status", "path", "size", "hash", "error", "version"})
"""Names of variables that are of no concern: rheo sets them for the commands that it runs, which
may run rheo; images of containers and scripts call the version to install like the last."""
_ALIKE = 0.75
"""How much a name must look like a setting to be a slip of the pen; `connect_via` is none."""


def unclear_at(place: Place, sentence: str, settings: Collection[str]) -> Unclear | None:
    """Return what a mistake at this place closes; None for one that closes nothing.

    A whole file (`()`), a table and an unknown name may be about anything. A host that cannot be
    understood may be any host. `settings` are the names at the top of the file.
    """
    match place:
        case ():
            return Unclear(sentence)
        case ("request", *rest):
            return Unclear(sentence, _option(rest))
        case (name, *_) if name in BOUNDS:
            return Unclear(sentence)
        case ("hosts", host, name):
            if name in HostSettings.model_fields.keys() - RequestOptions.model_fields:
                return None
            return Unclear(sentence, _option([name]), pattern_of(host))
        case (name, *_):
            return Unclear(sentence) if _may_protect(name, settings) else None
    return None


def _option(names: list[str]) -> str:
    return names[0] if names and names[0] in RequestOptions.model_fields else ""


def _may_protect(name: str, settings: Collection[str]) -> bool:
    """Tell whether a name at the top of the file may be meant for a setting of requests.

    Only one that looks like another setting is not.
    """
    if name in settings:
        return name in TABLES
    known = [*settings, *RequestOptions.model_fields]
    if (_OTHER_WORDS.keys() | _OPTIONS).intersection(name.lower().split("_")):
        return True
    close = nearest(name.lower(), known)
    return close is None or close in _OPTIONS.union(TABLES, BOUNDS)


def misplaced(values: Mapping[str, Any]) -> Iterator[Place]:
    """Yield where options of requests or their tables are in tables for other things.

    In TOML what is written below `[keys]` belongs to that table, `request.proxy = …` too.
    """
    for table, value in values.items():
        if table not in TABLES:
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    yield from ((table, name) for name in inner.keys() & _STRAYING)


def unclear_variables(settings: Collection[str]) -> Iterator[Unclear]:
    """Yield what is closed by RHEO_* variables that look like a setting of requests and are none.

    Other names may belong to anybody: to the commands that rheo runs, to scripts.
    """
    for variable, name in unknown_variables(settings):
        if (sentence := closing_sentence(variable, name, settings)) is not None:
            yield Unclear(f"Environment: {sentence}")


def unknown_variables(settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each RHEO_* variable that is no setting, and the rest of its name in lower case."""
    for variable in os.environ:
        prefix, name = variable[: len(_PREFIX)].lower(), variable[len(_PREFIX) :].lower()
        if prefix == _PREFIX and name not in settings and name not in _OF_OTHERS:
            yield variable, name


def closing_sentence(variable: str, name: str, settings: Collection[str]) -> str | None:
    """Return a sentence on an unknown variable that looks like a setting of requests."""
    # A table as JSON has one purpose, so that a slip in the name does not hide it.
    if os.environ[variable].lstrip().startswith("{") and (table := nearest(name, TABLES)):
        return f"{printable(variable)} is not a setting; did you mean RHEO_{table.upper()}?"
    if option := _option_meant(name, settings):
        advice = f"""if you mean {option}, write RHEO_REQUEST='{{"{option}": …}}'."""
        return f"{printable(variable)} is not a setting; {advice}"
    return None


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that another one is a slip of the pen for."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=_ALIKE)), None)


def _option_meant(name: str, settings: Collection[str]) -> str:
    """Return the option of requests that the name of a variable looks like; "" if none."""
    for option in RequestOptions.model_fields:
        if f"_{option}_" in f"_{name}_":
            return option
    for word in name.split("_"):
        if word in _OTHER_WORDS:
            return _OTHER_WORDS[word]
    known = [*settings, *RequestOptions.model_fields]
    close = get_close_matches(name, known, n=1)
    return close[0] if close and close[0] in RequestOptions.model_fields else ""
