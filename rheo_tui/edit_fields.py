"""Convert a download to the fields of the edit dialog, and back."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from rheo_core.domain import FileConfig, HashConfig
from rheo_core.domain.file_config import MAX_CONNECTIONS, NOT_BY_LISTED_ROUTE
from rheo_core.domain.filenames import sanitise_filename
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.text import printable
from rheo_core.domain.units import parse_rate
from rheo_core.domain.untrusted import MAX_PRIORITY
from rheo_core.domain.urls import host_of, origin_of

from .entry_defaults import parse_folder
from .formatting import rate_input, short_path

Update = dict[str, Any]


class Field(NamedTuple):
    """One field: its text for a config, and the update of the config for a text.

    `update` raises ValueError with a sentence if the text is not valid.
    """

    label: str
    text: Callable[[FileConfig], str]
    update: Callable[[str, FileConfig], Update]
    example: str = ""
    is_secret: bool = False
    is_long: bool = False  # has several lines
    note: Callable[[str], str] = lambda _: ""  # effect of a valid text, if that may surprise


def _link(text: str, config: FileConfig) -> Update:
    linked = config.with_link(text)
    return {"fetch_url": linked.fetch_url, "hash_config": linked.hash_config}


def _name(text: str, _: FileConfig) -> Update:
    safe = sanitise_filename(text, may_begin_with_dash=True) if text else text
    if safe != text:
        raise ValueError(f"{printable(text)!r} is not a valid file name; {printable(safe)!r} is")
    return {"filename": text or None}


def _folder(text: str, _: FileConfig) -> Update:
    chosen = parse_folder(text, None)
    return {"destination_subdir": chosen.subfolder, "download_dir": chosen.elsewhere}


def _folder_of(config: FileConfig) -> str:
    if config.download_dir is not None:
        return short_path(config.folder_below(config.download_dir))
    return config.destination_subdir or ""


def _hash(text: str, _: FileConfig) -> Update:
    return {"hash_config": HashConfig.from_checksum_string(text) if text else None}


def _priority(text: str, _: FileConfig) -> Update:
    return {"priority": _number(text, MAX_PRIORITY)}


def _headers(text: str, config: FileConfig) -> Update:
    pairs = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("Write each header as Name: value, on a line of its own")
        pairs.append((name.strip(), value.strip()))
    return {"headers": _validated(config, headers=tuple(pairs))}


def _login(text: str, config: FileConfig) -> Update:
    update: Update = {"user": RequestOptions(user=text).user if text else None, "bearer": None}
    if "auth" in config.list_options:
        update["auth"] = None  # the list chose it for its own login
    return {"request": config.request.model_copy(update=update)}


def _login_note(text: str) -> str:
    if not text or ":" in text:
        return ""
    return "Enter name:password, or turn on netrc to look up the password."


def _connections(text: str, _: FileConfig) -> Update:
    return {"connections": _number(text, MAX_CONNECTIONS) if text else None}


def _limit(text: str, _: FileConfig) -> Update:
    try:
        return {"speed_limit": parse_rate(text) if text else None}
    except ValueError as error:
        raise ValueError(f"{printable(text)!r} is not valid: it {error}") from None


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"{printable(text)!r} should be a number from 1 to {most:,}")
    return int(text)


def _validated(config: FileConfig, **value: object) -> object:
    """Return the value of a field as `FileConfig` validates it."""
    checked = FileConfig(url=config.url, **value)
    return getattr(checked, next(iter(value)))


def _hash_of(config: FileConfig) -> str:
    expected = config.hash_config
    return f"{expected.algorithm}:{expected.expected_hash}" if expected else ""


def _login_of(config: FileConfig) -> str:
    user = config.request.user
    return user.get_secret_value() if user else ""


FIELDS: Mapping[str, Field] = {
    "link": Field("Link", lambda config: config.source, _link),
    "name": Field("Name", lambda config: config.filename or "", _name, "name from the server"),
    "folder": Field(
        "Folder", _folder_of, _folder,
        "such as isos/linux in the download folder, or ~/isos",
    ),
    "hash": Field(
        "Hash", _hash_of, _hash, "such as sha256:…",
    ),
    "priority": Field("Priority", lambda config: str(config.priority), _priority, "1 or higher"),
    "connections": Field(
        "Connections", lambda config: str(config.connections or ""), _connections,
        "as in the settings",
    ),
    "limit": Field(
        "Speed limit",
        lambda config: rate_input(config.speed_limit) if config.speed_limit else "",
        _limit,
        "none, or a rate such as 2M",
    ),
    "login": Field(
        "Login", _login_of, _login, "name:password", is_secret=True, note=_login_note
    ),
    "headers": Field(
        "Headers",
        lambda config: "\n".join(f"{name}: {value}" for name, value in config.headers),
        _headers,
        is_long=True,
    ),
}  # fmt: skip
SENT_FIELDS = ("login", "headers")
"""Fields that requests send."""
SHARED_FIELDS = ("priority", "connections", "limit", "login", "headers")
"""Fields that several downloads can have in common."""


def texts_of(config: FileConfig) -> dict[str, str]:
    """Return the text of each field."""
    return {name: field.text(config) for name, field in FIELDS.items()}


def problem_of(name: str, text: str, config: FileConfig) -> str:
    """Return a sentence if a text is not valid in a field; otherwise "".

    This does not compare the checksum in a link with the one in the field Hash, which may change
    too.
    """
    try:
        _update(name, text, config, config.model_copy(update={"hash_config": None}))
    except ValueError as error:
        return f"{error}."
    return ""


def edited(config: FileConfig, texts: Mapping[str, str]) -> FileConfig:
    """Return the config with the fields whose texts have changed.

    Raises:
        ValueError: a text is not valid, the checksum in the link contradicts that of the download,
            or no request may send the login or the headers.
    """
    changed = config
    for name in sorted(texts, key="link".__eq__):  # at the end, after a change of the checksum
        changed = changed.model_copy(update=_update(name, texts[name], config, changed))
    if origin_of(changed.source) != origin_of(config.url):  # see `FileConfig.options_for`
        for name in SENT_FIELDS:
            if texts.get(name) and texts[name] != FIELDS[name].text(config):
                host = printable(host_of(config.url).removesuffix(":443").removesuffix(":80"))
                raise ValueError(
                    f"{FIELDS[name].label} would be sent to {host} only; to use it for another "
                    "host, add its link as a separate download"
                )
    if config.has_listed_route and _secrets_of(changed) - _secrets_of(config):
        raise ValueError(NOT_BY_LISTED_ROUTE)
    return changed


def _secrets_of(config: FileConfig) -> set[object]:
    """Return the logins and headers of a download that a route chosen by a list may not see."""
    request = RequestOptions(headers=config.headers).over(config.request)
    harmless = request.without_stored_secrets()
    secrets: set[object] = {request.user, *request.headers}
    return secrets - {harmless.user, *harmless.headers}


def _update(name: str, text: str, config: FileConfig, changed: FileConfig) -> Update:
    """Return the update of `changed` if the text is not the one of `config`."""
    field = FIELDS[name]
    if text == field.text(config):
        return {}
    try:
        return field.update(text.strip(), changed)
    except ValidationError as error:
        (details, *_) = error.errors(include_url=False, include_input=False)
        raise ValueError(details["msg"].removeprefix("Value error, ")) from None
