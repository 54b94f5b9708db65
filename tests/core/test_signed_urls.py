"""New signatures of one object: the bytes that are there count if the validators agree."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rheo_core import DownloadStatus, FileConfig
from rheo_core.domain.signed_urls import unsigned
from tests.core.engine import fetch, names_in, status_of
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

BODY, OTHER = body_of(1_500_000), body_of(1_500_000, "other")
AWS = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={0}&X-Amz-Expires=900&X-Amz-Signature={0}ab"
SIGNATURES = {
    "aws": AWS,
    "aws lower": AWS.lower(),
    "aws 2": "AWSAccessKeyId=AK&Expires={0}&Signature=x{0}%3D",
    "google": "X-Goog-Credential=a%2Fb&X-Goog-Date={0}&X-Goog-Signature={0}",
    "azure": "sv=2024-05-04&st=1&se={0}&sr=b&sp=r&sig=x{0}%3D",
    "cloudfront": "Expires={0}&Signature=a~{0}&Key-Pair-Id=K1",
    "akamai": "hdnea=st={0}~exp={0}~hmac={0}",
    "discord": "ex={0}&is={0}&hm={0}",
    "oss": "OSSAccessKeyId=a&Expires={0}&Signature={0}",
    "token": "token={0}",
    "github": "sp=r&sv=2018-11-09&sr=b&se={0}&rscd=a&skt={0}&ske={0}&sig={0}&jwt=x.{0}",
    "github 2": f"{AWS}&actor_id={{0}}&key_id=0",
    "hugging face": "X-Xet-Signed-Range=bytes%3D0-{0}&Policy={0}&Signature={0}&Key-Pair-Id=K",
    "dropbox": "_download_id={0}&_notify_domain=x",
    "google drive": "confirm=t&uuid={0}&at=x{0}",
    "obs": "X-Obs-Date={0}&X-Obs-Signature={0}",
    "nginx": "st=x{0}&e={0}",
    "limelight": "h=x{0}&e={0}",
    "qiniu": "e={0}&token=a:{0}",
    "alibaba": "auth_key={0}-0-0-x{0}",
    "sharepoint": "tempauth=v1.{0}",
    "sign": "sign=x{0}&timestamp={0}",
    "backblaze": "Authorization=3_{0}",
}


@pytest.mark.parametrize("form", SIGNATURES.values(), ids=SIGNATURES)
def test_a_new_signature_is_the_same_object(form: str) -> None:
    first, second = (f"https://h/a/b.bin?id=7&{form.format(n)}#part" for n in (1, 2))
    assert unsigned(first) == unsigned(second) == "https://h/a/b.bin?id=7"


@pytest.mark.parametrize(
    "url",
    [
        "https://h/a?id=1",
        "https://h/a?st=1&sp=2",  # of Azure only next to `sig`
        "https://h/a?e=1&ex=2&is=3",
        "https://h/a?h=1&confirm=t&timestamp=3&key_id=4",
        "https://h/a?rlkey=1&dl=1",
        "https://h/a%20b?x=%7E&&y",
        "https://h/a?versionId=1",
        "https://h/a?",
    ],
)
def test_other_parameters_name_the_object(url: str) -> None:
    assert unsigned(url).rstrip("?") == url.rstrip("?")


def test_login_and_fragment_are_no_part_of_it() -> None:
    assert unsigned("https://me:p%40w@h/a#x?y") == "https://h/a"
    assert unsigned("https://h/a@b") == "https://h/a@b"


@pytest.mark.parametrize("form", SIGNATURES.values(), ids=SIGNATURES)
async def test_a_renewed_link_continues_from_the_bytes_on_the_disk(
    server: MisbehavingServer, tmp_path: Path, form: str
) -> None:
    await interrupted(server, tmp_path, form)
    new = server.on(f"/f.bin?{form.format(2)}", serving(BODY, '"v1"'))
    manager, _ = await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert manager.stats.completed == 1
    assert names_in(tmp_path) == ["f.bin"] and (tmp_path / "f.bin").read_bytes() == BODY
    (request,) = server.requests_for(f"/f.bin?{form.format(2)}")
    assert request.range_start == 1_000_000 and request.headers["if-range"] == '"v1"'


async def test_another_version_begins_again(server: MisbehavingServer, tmp_path: Path) -> None:
    await interrupted(server, tmp_path, AWS)
    new = server.on(f"/f.bin?{AWS.format(2)}", serving(OTHER, '"v2"'))
    await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert names_in(tmp_path) == ["f.bin"] and (tmp_path / "f.bin").read_bytes() == OTHER


async def test_another_object_leaves_the_bytes_alone(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    await interrupted(server, tmp_path, "id={0}")
    new = server.on("/f.bin?id=2", serving(OTHER, '"v1"'))
    await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert (tmp_path / "f (1).bin").read_bytes() == OTHER
    assert (tmp_path / "f.bin.part").stat().st_size == 1_000_000


async def test_a_finished_file_is_known_by_its_whole_link(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Elsewhere a token may name the file."""
    urls = [server.on(f"/get?token={n}", serving(b"%d" % n, '"v"')) for n in range(3)]
    configs = [FileConfig(url=url) for url in urls]
    for _ in range(2):
        await fetch(tmp_path, configs, max_concurrent=3)
        assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"0", b"1", b"2"]


async def test_fragments_make_no_second_download(server: MisbehavingServer, tmp_path: Path) -> None:
    url = server.on("/f.bin", serving(BODY, '"v1"'))
    first, second = FileConfig(url=f"{url}#a"), FileConfig(url=f"{url}#b")
    assert first.id == second.id == FileConfig(url=url).id
    manager, _ = await fetch(tmp_path, [first, second])
    assert names_in(tmp_path) == ["f.bin"] and len(server.requests) >= 1
    assert status_of(manager, first) is DownloadStatus.COMPLETED


def serving(body: bytes, etag: str) -> Callable[[Exchange], Any]:
    return lambda exchange: exchange.serve(body, ETag=etag)


async def interrupted(server: MisbehavingServer, folder: Path, form: str) -> None:
    """Fetch a part of the file, until the signature expires."""

    async def cut(exchange: Exchange) -> None:
        if len(server.requests) > 1:
            await exchange.head("403 Expired", Content_Length=0)
            return
        await exchange.head(Content_Length=len(BODY), ETag='"v1"', Accept_Ranges="bytes")
        await exchange.send(BODY[:1_000_000])
        await exchange.close()

    url = server.on(f"/f.bin?{form.format(1)}", cut)
    await fetch(folder, [FileConfig(url=url)], connections=1)
    assert (folder / "f.bin.part").exists()
