"""Mistakes that must not be guessed away: options of requests, and names that may mean one.

A proxy, a certificate or a login that cannot be understood is no licence to go without it. Where
such a setting is wrong, the requests that it would apply to are closed (`Unclear`).
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

_TABLES = ("request", "hosts")
_STRAYING = _OPTIONS.union(_TABLES)
_PREFIX = "rheo_"
_OTHER_WORDS = frozenset({"cert", "login", "logins", "socks", "socks5", "tor", "vpn"})
"""What options of requests are called too."""
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
        return name in _TABLES
    known = [*settings, *RequestOptions.model_fields]
    if _OTHER_WORDS.union(RequestOptions.model_fields).intersection(name.lower().split("_")):
        return True
    close = get_close_matches(name.lower(), known, n=1, cutoff=_ALIKE)
    return not close or close[0] in _TABLES or close[0] in RequestOptions.model_fields


def misplaced(values: Mapping[str, Any]) -> Iterator[Place]:
    """Yield where options of requests or their tables are in tables for other things.

    In TOML what is written below `[keys]` belongs to that table, `request.proxy = …` too.
    """
    for table, value in values.items():
        if table not in _TABLES:
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    yield from ((table, name) for name in inner.keys() & _STRAYING)


def unclear_variables(settings: Collection[str]) -> Iterator[Unclear]:
    """Yield what is closed by RHEO_* variables that look like a setting of requests and are none.

    Other names may belong to anybody: to the commands that rheo runs, to scripts.
    """
    for variable, value in os.environ.items():
        prefix, name = variable[: len(_PREFIX)].lower(), variable[len(_PREFIX) :].lower()
        if prefix == _PREFIX and name not in settings:
            known = (*_TABLES, *RequestOptions.model_fields)
            # A table as JSON has one purpose, so that a slip in the name does not hide it.
            is_table = value.lstrip().startswith("{")
            is_meant = is_table and bool(get_close_matches(name, _TABLES, cutoff=_ALIKE))
            if is_meant or any(f"_{each}_" in f"_{name}_" for each in known):
                yield Unclear(
                    f"Environment: {printable(variable)} is not a setting; write it as in "
                    """RHEO_REQUEST='{"proxy": "off"}'."""
                )
