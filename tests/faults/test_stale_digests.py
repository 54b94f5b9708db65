"""Servers whose headers promise the checksum of an older version of the file."""

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.core.engine import names_in, serving
from tests.faults.program import Home
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.scenarios import cut

SMALL, LARGE = body_of(1_000), body_of(700_000)
STALE = b"the file of last year"
SAYS = "the expected hash is from the server's headers; --ignore-digest saves the file"


def stale(form: str) -> dict[str, Any]:
    """Return the field in one form."""
    if form == "Content-MD5":  # Azure lets the owner of a blob set it
        return {"Content_MD5": b64encode(hashlib.md5(STALE).digest()).decode()}
    digest = b64encode(hashlib.sha256(STALE).digest()).decode()
    return {"Repr_Digest": f"sha-256=:{digest}:"}


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("form", ["Content-MD5", "Repr-Digest"])
async def test_a_stale_checksum_of_the_server_can_be_ignored(
    server: MisbehavingServer, home: Home, tmp_path: Path, form: str, body: bytes
) -> None:
    folder = tmp_path / "files"
    line = ("download", server.on("/f.bin", serving(body, **stale(form))), "-o", folder)
    result = await home.rheo(*line)
    assert result.code == 1 and result.told_once(SAYS), result.err
    assert names_in(folder) == []
    result = await home.rheo(*line, "--ignore-digest")
    assert result.code == 0 and "verified" not in result.err, result.err
    assert (folder / "f.bin").read_bytes() == body


async def test_it_is_ignored_after_an_interruption_too(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    fields: dict[str, Any] = {"ETag": '"1"', **stale("Repr-Digest")}
    url = server.on("/f.bin", cut(LARGE, 300_000, **fields))
    line = ("download", url, "-o", tmp_path, "--ignore-digest", "--retries", 0)
    assert (await home.rheo(*line)).code == 1
    server.on("/f.bin", serving(LARGE, **fields))
    result = await home.rheo(*line)
    assert result.code == 0, result.err
    assert server.requests[-1].headers["range"] == "bytes=300000-"
    assert (tmp_path / "f.bin").read_bytes() == LARGE


async def test_the_checksum_of_the_user_still_counts(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    url = server.on("/f.bin", serving(SMALL, **stale("Content-MD5")))
    wrong = f"sha256:{hashlib.sha256(STALE).hexdigest()}"
    line = ("download", url, "-o", tmp_path / "files", "--ignore-digest")
    result = await home.rheo(*line, "--hash", wrong)
    assert result.code == 1 and "--ignore-digest" not in result.err, result.err
    right = f"sha256:{hashlib.sha256(SMALL).hexdigest()}"
    assert (await home.rheo(*line, "--hash", right)).code == 0


async def test_a_list_cannot_have_it_ignored(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    url = server.on("/f.bin", serving(SMALL, **stale("Content-MD5")))
    items = tmp_path / "list.jsonl"
    items.write_text(f'{{"url": "{url}", "ignore_digest": true}}\n')
    result = await home.rheo("download", "-i", items, "-o", tmp_path / "files")
    assert result.code == 1 and result.told_once(SAYS), result.err
