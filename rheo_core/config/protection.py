"""Refuse requests if a mistake in the settings could bypass a proxy, a login or a limit.

If the value of a proxy, certificate, login or size limit is not valid, or its name is misspelt,
rheo refuses the requests that the setting may apply to (`Unclear`).
"""

import os
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import Unclear
from rheo_core.domain.text import printable

from .host_settings import HostSettings, pattern_of

_OPTIONS = frozenset(RequestOptions.model_fields)
SettingPath = tuple[str, ...]
"""The names that lead to a value: `("timeout",)`, `("hosts", "example.org", "proxy")`."""

TABLES = ("request", "hosts")
BOUNDS = frozenset({"max_size"})
"""Settings that only careful users set, because the default does not protect."""
_STRAYING = _OPTIONS.union(TABLES, BOUNDS)
_PREFIX = "rheo_"
_OTHER_WORDS = {
    **dict.fromkeys(("ca", "cacert", "cacerts"), "ca_file"),
    **dict.fromkeys(("cert", "certs"), "client_cert"),
    **dict.fromkeys(("login", "logins"), "user"),
    **dict.fromkeys(("proxies", "socks", "socks5", "tor", "vpn"), "proxy"),
    **dict.fromkeys(("bind", "iface", "nic"), "interface"),
    **dict.fromkeys(("ip", "ipv4", "ipv6"), "ip_version"),
}
"""Other names for options of requests."""
_OF_OTHERS = frozenset({"id", "url", "status", "path", "size", "hash", "error", "version"})
"""Names of variables to ignore, because rheo sets them for its hooks, which may run rheo. The last
one is common in container images and scripts, for the version to install."""
_ALIKE = 0.75
"""Minimum similarity to a setting for a name to count as a typing mistake; `connect_via` does
not."""


def unclear_at(place: SettingPath, sentence: str, settings: Collection[str]) -> Unclear | None:
    """Return the requests that a mistake at this place blocks; None if it blocks none.

    A whole file (`()`), a table and an unknown name may concern any request. A host that is not
    valid may be any host.

    Args:
        place: names that lead to the value.
        sentence: the mistake in words.
        settings: names of all settings.
    """
    match place:
        case ():
            return Unclear(sentence)
        case ("request", *rest):
            return Unclear(sentence, _option(rest))
        case (name, *_) if name in BOUNDS or (name == "hosts" and place[-1] in BOUNDS):
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
    """Check whether a name at the top of the file may be meant as a request setting.

    A name is harmless only if it looks like another setting.
    """
    if name in settings:
        return name in TABLES
    known = [*settings, *RequestOptions.model_fields]
    if (_OTHER_WORDS.keys() | _OPTIONS).intersection(name.lower().split("_")):
        return True
    close = nearest(name.lower(), known)
    return close is None or close in _OPTIONS.union(TABLES, BOUNDS)


def misplaced(values: Mapping[str, Any]) -> Iterator[SettingPath]:
    """Yield the places of bounds, request options and their tables inside other tables.

    In TOML everything below `[keys]` belongs to that table, even `request.proxy = …`.
    """
    for table, value in values.items():
        if table not in TABLES:
            yield from _strays((table,), value)


def _strays(place: SettingPath, value: object) -> Iterator[SettingPath]:
    if isinstance(value, list):
        for each in value:
            yield from _strays(place, each)
    elif isinstance(value, dict):
        for name, inner in value.items():
            inner_place = (*place, name)
            if name in _STRAYING:
                yield inner_place
            else:
                yield from _strays(inner_place, inner)


def unclear_variables(settings: Collection[str]) -> Iterator[Unclear]:
    """Yield the requests that RHEO_* variables block because they look like a request option.

    Variables with other unknown names may belong to hooks and scripts.
    """
    for variable, name in unknown_variables(settings):
        if (sentence := closing_sentence(variable, name, settings)) is not None:
            yield Unclear(f"Environment: {sentence}")


def unknown_variables(settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each RHEO_* variable that is not a setting, and the rest of its name in lower case."""
    for variable in os.environ:
        prefix, name = variable[: len(_PREFIX)].lower(), variable[len(_PREFIX) :].lower()
        if prefix == _PREFIX and name not in settings and name not in _OF_OTHERS:
            yield variable, name


def variables_at_odds(settings: Collection[str]) -> dict[str, list[str]]:
    """Return variables with different values that mean one setting, by its name.

    The case of their names does not count, so either value might win.
    """
    spellings: dict[str, list[str]] = {}
    for variable in sorted(os.environ):
        if variable[: len(_PREFIX)].lower() == _PREFIX:
            spellings.setdefault(variable[len(_PREFIX) :].lower(), []).append(variable)
    return {
        name: variables
        for name, variables in spellings.items()
        if name in settings and len({os.environ[each] for each in variables}) > 1
    }


def closing_sentence(variable: str, name: str, settings: Collection[str]) -> str | None:
    """Return a sentence about an unknown variable if it looks like a request option."""
    # A table in JSON has only one purpose, even if its name is misspelt.
    if os.environ[variable].lstrip().startswith("{") and (table := nearest(name, TABLES)):
        return f"{printable(variable)} is not a setting; did you mean RHEO_{table.upper()}?"
    if option := _option_meant(name, settings):
        advice = f"""if you mean {option}, write RHEO_REQUEST='{{"{option}": …}}'."""
        return f"{printable(variable)} is not a setting; {advice}"
    return None


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that a misspelt one resembles; None if there is none."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=_ALIKE)), None)


def _option_meant(name: str, settings: Collection[str]) -> str:
    """Return the request option that the name of a variable resembles; "" if none."""
    for option in RequestOptions.model_fields:
        if f"_{option}_" in f"_{name}_":
            return option
    for word in name.split("_"):
        if word in _OTHER_WORDS:
            return _OTHER_WORDS[word]
    known = [*settings, *RequestOptions.model_fields]
    close = get_close_matches(name, known, n=1)
    return close[0] if close and close[0] in RequestOptions.model_fields else ""
