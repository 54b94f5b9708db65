"""Copy facts about downloads: link, name, hash, a curl command and more."""

import re
import shlex
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from rheo_core.domain import DownloadSnapshot, FileConfig
from rheo_core.domain.listing import ListedDownload
from rheo_core.domain.redaction import HIDDEN
from rheo_core.domain.request_options import DIRECT, RequestOptions
from rheo_core.domain.text import redact_url

from .menus import MenuItem

_NONE = "there is none"
Read = Callable[[DownloadSnapshot, FileConfig | None], str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact about a download.

    Attributes:
        id: its name in the code.
        key: key in the menu.
        title: its name in the menu.
        read: returns it as text; "" if it is not known.
        needs_config: True if it needs more than the row.
    """

    id: str
    key: str
    title: str
    read: Read
    needs_config: bool = False


def _link(row: DownloadSnapshot, config: FileConfig | None) -> str:
    return config.source if config else row.url


def _hash(row: DownloadSnapshot, config: FileConfig | None) -> str:
    if check := row.validation:
        return f"{check.algorithm}:{check.calculated_hash}"
    if config and (expected := config.hash_config):
        return f"{expected.algorithm}:{expected.expected_hash}"
    return ""


def _curl(row: DownloadSnapshot, config: FileConfig | None) -> str:
    """Return a curl command in which secrets are replaced."""
    words = ["curl", "--location", "--output", row.name]
    if any(sign in row.url for sign in "[]{}"):  # curl would read them as patterns
        words.append("--globoff")
    if config:
        options = RequestOptions(headers=config.headers).over(config.request)
        words += _curl_options(options, is_https=row.url.startswith("https:"))
    return shlex.join([*words, row.url])


def _curl_options(options: RequestOptions, *, is_https: bool) -> Iterator[str]:
    for name, _ in options.headers:  # any of them may be a secret
        yield from ("--header", f"{name}: {HIDDEN}")
    if options.bearer:
        yield from ("--header", f"Authorization: Bearer {HIDDEN}")
    if options.user:
        yield from ("--user", HIDDEN)
    if options.auth:
        yield "--anyauth" if options.auth == "any" else f"--{options.auth}"
    if options.user_agent:
        yield from ("--user-agent", redact_url(options.user_agent))
    if options.referer:
        yield from ("--referer", redact_url(options.referer))
    if proxy := options.proxy_url:
        yield from ("--noproxy", "*") if proxy == DIRECT else ("--proxy", redact_url(proxy))
    files = {
        "--cookie": options.cookies,
        "--cacert": options.ca_file,
        # curl takes what follows a colon as the password.
        "--cert": re.sub(r"([\\:])", r"\\\1", str(options.client_cert or "")),
        "--key": options.client_key,
    }
    for name, file in files.items():
        if file:
            yield from (name, str(file))
    if options.netrc:
        yield "--netrc"
    if options.ip_version:
        yield f"--ipv{options.ip_version}"
    if options.interface:
        yield from ("--interface", options.interface)
    if options.allow_downgrade is False and is_https:
        yield from ("--proto-redir", "=https")


def _json(row: DownloadSnapshot, _: FileConfig | None) -> str:
    return ListedDownload.of(row).to_line()


FACTS = (
    Fact("link", "l", "Link, including secrets", _link, needs_config=True),
    Fact("name", "n", "Name", lambda row, _: row.name),
    Fact("path", "p", "Path", lambda row, _: row.destination),
    Fact("hash", "h", "Hash", _hash, needs_config=True),
    Fact("error", "e", "Error", lambda row, _: row.error or ""),
    Fact("curl", "c", "curl command, without secrets", _curl, needs_config=True),
    Fact(
        "json", "j", "JSON line, without secrets", lambda row, _: ListedDownload.of(row).to_line()
    ),
    Fact("id", "i", "ID", lambda row, _: row.id),
)
PAGE, FIELD = "page", "field "
"""Items of the menu that copy the text of a page, and one field of it."""
BY_ID = {fact.id: fact for fact in FACTS}


def copy_items(
    rows: Sequence[DownloadSnapshot], page: str = "", fields: Sequence[tuple[str, str]] = ()
) -> list[MenuItem]:
    """Return the items of the menu; facts that no download has are disabled.

    Args:
        rows: the downloads.
        page: title of the page that the inspector shows of the download; "" for none.
        fields: names and values on that page. Their items have `FIELD` and their index as id.
    """
    items = [
        MenuItem(
            fact.id,
            f"{fact.key},y" if fact.id == "link" else fact.key,
            fact.key,
            fact.title,
            "" if fact.needs_config or any(fact.read(row, None) for row in rows) else _NONE,
        )
        for fact in FACTS
    ]
    if not page:
        return items
    items.append(MenuItem(PAGE, "a", "a", f"All of the page {page}"))
    shown = enumerate(f"{name}: {value}" for name, value in fields)
    return [*items, *(MenuItem(f"{FIELD}{at}", "", "", text) for at, text in shown)]


async def copied(
    fact: Fact,
    rows: Sequence[DownloadSnapshot],
    config_of: Callable[[str], Awaitable[FileConfig | None]],
) -> list[str]:
    """Return a fact about downloads, without downloads that do not have it."""
    if not fact.needs_config:
        return list(filter(None, (fact.read(row, None) for row in rows)))
    return list(filter(None, [fact.read(row, await config_of(row.id)) for row in rows]))
