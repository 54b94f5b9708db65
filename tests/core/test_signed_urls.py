"""New signatures of one object: the bytes that are there count if the validators agree."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rheo_core import DownloadManager, DownloadStatus, FileConfig
from rheo_core.domain.signed_urls import unsigned
from tests.core.engine import Gate, fetch, names_in, serving, status_of
from tests.servers.misbehaving import Behaviour, Exchange, MisbehavingServer, body_of
from tests.waiting import Until

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
    "nginx 2": "md5=x{0}&expires={0}",
    "nginx 3": "md5=x{0}&e={0}",
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
        "https://h/a?md5=d41d8cd98f00b204e9800998ecf8427e",
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
    new = server.on(f"/f.bin?{form.format(2)}", serving(BODY, ETag='"v1"'))
    manager, _ = await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert manager.stats.completed == 1
    assert names_in(tmp_path) == ["f.bin"] and (tmp_path / "f.bin").read_bytes() == BODY
    (request,) = server.requests_for(f"/f.bin?{form.format(2)}")
    assert request.range_start == 1_000_000 and request.headers["if-range"] == '"v1"'


@pytest.mark.parametrize("form", [AWS, "token={0}"])
async def test_another_version_begins_again_beside_the_bytes(
    server: MisbehavingServer, tmp_path: Path, form: str
) -> None:
    """Another ETag may be that of another file, and the old link may go on later."""
    old = await interrupted(server, tmp_path, form)
    new = server.on(f"/f.bin?{form.format(2)}", serving(OTHER, ETag='"v2"'))
    await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert (tmp_path / "f (1).bin").read_bytes() == OTHER  # as for any other URL
    assert (tmp_path / "f.bin.part").stat().st_size == 1_000_000
    server.on(old, serving(BODY, ETag='"v1"'))
    await fetch(tmp_path, [FileConfig(url=server.url(old))], connections=1)
    assert server.requests[-1].range_start == 1_000_000
    assert names_in(tmp_path) == ["f (1).bin", "f.bin"]
    assert (tmp_path / "f.bin").read_bytes() == BODY


async def test_another_object_leaves_the_bytes_alone(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    await interrupted(server, tmp_path, "id={0}")
    new = server.on("/f.bin?id=2", serving(OTHER, ETag='"v1"'))
    await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert (tmp_path / "f (1).bin").read_bytes() == OTHER
    assert (tmp_path / "f.bin.part").stat().st_size == 1_000_000


async def test_a_finished_file_is_known_by_its_whole_link(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """Elsewhere a token may name the file."""
    urls = [server.on(f"/get?token={n}", serving(b"%d" % n, ETag='"v"')) for n in range(3)]
    configs = [FileConfig(url=url) for url in urls]
    for _ in range(2):
        await fetch(tmp_path, configs, max_concurrent=3)
        assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"0", b"1", b"2"]


DATED = {
    "Last_Modified": "Mon, 02 Nov 2020 08:00:00 GMT",
    "Date": "Mon, 30 Nov 2026 08:00:00 GMT",
}
VALIDATORS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "one date": (DATED, DATED),
    "one revision": ({"ETag": '"1"'}, {"ETag": '"1"'}),
    "their own": ({"ETag": '"a"'}, {"ETag": '"b"'}),
}


@pytest.mark.parametrize("validators", VALIDATORS.values(), ids=VALIDATORS)
@pytest.mark.parametrize(
    "links", [("?token=a", "?token=b"), ("a:x@", "b:x@"), ("", "b:x@"), ("b:x@", "")]
)
async def test_two_links_of_one_run_share_no_part_file(
    server: MisbehavingServer,
    tmp_path: Path,
    until: Until,
    links: tuple[str, str],
    validators: tuple[dict[str, str], dict[str, str]],
) -> None:
    """The token, or the user, may name the object; the first link is interrupted."""
    first, second = (_with(server.url("/get"), link) for link in links)
    gate = Gate(BODY, 1_000_000, **validators[0])
    whole = serving(OTHER, **validators[1])
    behaviours: Iterator[Behaviour] = iter([gate, whole, serving(BODY, **validators[0])])

    async def answer(exchange: Exchange) -> None:
        await next(behaviours)(exchange)

    for path in ("/get", "/get?token=a", "/get?token=b"):
        server.on(path, answer)
    a, b = FileConfig(url=first), FileConfig(url=second)
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add([a])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 1_000_000)
        await manager.pause(a.id)
        gate.opened.set()
        await manager.add([b])
        await manager.wait_until_complete(timeout=60)
        info = manager.get_download_info(a.id)
        assert info is not None and info.bytes_downloaded == 1_000_000
        assert (tmp_path / "get (1)").read_bytes() == OTHER
        await manager.resume(a.id)
        await manager.wait_until_complete(timeout=60)
    assert names_in(tmp_path) == ["get", "get (1)"]
    assert (tmp_path / "get").read_bytes() == BODY
    assert server.requests[-1].range_start == 1_000_000


def _with(url: str, link: str) -> str:
    return url + link if link.startswith("?") else url.replace("://", f"://{link}")


async def test_a_date_does_not_continue_from_the_bytes_of_another_link(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    """All files of a deployment have one date, and a token may name the file."""

    async def cut(exchange: Exchange) -> None:
        if len(server.requests) > 1:
            await exchange.head("403 Expired", Content_Length=0)
            return
        await exchange.head(Content_Length=len(BODY), **DATED, Accept_Ranges="bytes")
        await exchange.send(BODY[:1_000_000])
        await exchange.close()

    await fetch(tmp_path, [FileConfig(url=server.on("/f.bin?token=1", cut))], connections=1)
    new = server.on("/f.bin?token=2", refused)
    await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert names_in(tmp_path) == ["f.bin.part", "f.bin.part.state"]
    server.on("/f.bin?token=2", serving(OTHER, **DATED))
    await fetch(tmp_path, [FileConfig(url=new)], connections=1)
    assert server.requests[-1].range_start is None
    assert (tmp_path / "f (1).bin").read_bytes() == OTHER  # as for any other URL
    assert (tmp_path / "f.bin.part").stat().st_size == 1_000_000


async def test_the_name_of_a_link_that_is_fetched_by_another_program_stays_its_own(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1_000_000, **DATED)
    a = FileConfig(url=server.on("/get?token=a", gate))
    b = FileConfig(url=server.on("/get?token=b", serving(OTHER, **DATED)))
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add([a])
        await until(lambda: (tmp_path / "get.part").exists())
        await fetch(tmp_path, [b], connections=1)
        gate.opened.set()
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, a) is DownloadStatus.COMPLETED
    assert names_in(tmp_path) == ["get", "get (1)"]
    assert (tmp_path / "get").read_bytes() == BODY
    assert (tmp_path / "get (1)").read_bytes() == OTHER


async def refused(exchange: Exchange) -> None:
    await exchange.head("403 Forbidden", Content_Length=0)
    await exchange.close()


LINKS = {"A": ("/get?token=a", BODY), "B": ("/get?token=b", OTHER)}


def breaks(server: MisbehavingServer, etags: dict[str, str]) -> dict[str, FileConfig]:
    """Let both links break after 1,000,000 bytes, until `serves`."""

    def cutting(body: bytes, etag: str) -> Behaviour:
        async def cut(exchange: Exchange) -> None:
            if exchange.request.range_start is not None:
                await refused(exchange)
                return
            await exchange.head(Content_Length=len(body), ETag=etag, Accept_Ranges="bytes")
            await exchange.send(body[:1_000_000])
            await exchange.close()

        return cut

    return {
        name: FileConfig(url=server.on(path, cutting(body, etags[name])))
        for name, (path, body) in LINKS.items()
    }


def serves(server: MisbehavingServer, etags: dict[str, str]) -> None:
    for name, (path, body) in LINKS.items():
        server.on(path, serving(body, ETag=etags[name]))


ETAGS = [{"A": '"v-a"', "B": '"v-b"'}, {"A": '"12"', "B": '"12"'}]


@pytest.mark.parametrize("etags", ETAGS, ids=["their own", "one revision"])
@pytest.mark.parametrize(
    ("first", "second"), [("AB", "B"), ("AB", "BA"), ("AB", "AB"), ("B", "AB"), ("BA", "A")]
)
async def test_each_link_finds_its_own_bytes_in_a_changed_list(
    server: MisbehavingServer, tmp_path: Path, etags: dict[str, str], first: str, second: str
) -> None:
    configs = breaks(server, etags)
    await fetch(tmp_path, [configs[name] for name in first], connections=1)
    serves(server, etags)
    begun = len(server.requests)
    await fetch(tmp_path, [configs[name] for name in second], connections=1)
    resumed = {each.target for each in server.requests[begun:] if each.range_start == 1_000_000}
    assert resumed == {LINKS[name][0] for name in second if name in first}
    contents = [path.read_bytes() for path in tmp_path.glob("get*") if ".part" not in path.name]
    assert sorted(contents) == sorted(LINKS[name][1] for name in second)
    left = len(first) - len(resumed)
    assert len(list(tmp_path.glob("*.part"))) == left


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("etags", ETAGS, ids=["their own", "one revision"])
async def test_a_link_leaves_the_bytes_of_a_failed_download_alone(
    server: MisbehavingServer, tmp_path: Path, etags: dict[str, str], restarts: bool
) -> None:
    configs = breaks(server, etags)
    folder, session = tmp_path / "files", tmp_path / "session.db"

    def opened() -> DownloadManager:
        return DownloadManager(download_dir=folder, session_path=session, connections=1)

    async def finish(manager: DownloadManager) -> None:
        serves(server, etags)
        await manager.add([configs["B"]])
        await manager.wait_until_complete(timeout=60)
        assert await manager.retry(configs["A"].id)
        await manager.wait_until_complete(timeout=60)

    async with opened() as manager:
        await manager.add([configs["A"]])
        await manager.wait_until_complete(timeout=60)
        assert status_of(manager, configs["A"]) is DownloadStatus.FAILED
        if not restarts:
            await finish(manager)
    if restarts:
        async with opened() as manager:
            await finish(manager)
    assert server.requests[-1].range_start == 1_000_000
    assert names_in(folder) == ["get", "get (1)"]
    assert (folder / "get").read_bytes() == BODY
    assert (folder / "get (1)").read_bytes() == OTHER


@pytest.mark.parametrize("edited", ["A", "B", "AB"])
async def test_a_renewed_link_keeps_its_bytes_beside_another(
    server: MisbehavingServer, tmp_path: Path, until: Until, edited: str
) -> None:
    etags = ETAGS[0]
    gates = {name: Gate(body, 1_000_000, ETag=etags[name]) for name, (_, body) in LINKS.items()}
    configs = {
        name: FileConfig(url=server.on(path, gates[name])) for name, (path, _) in LINKS.items()
    }
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        for config in configs.values():
            await manager.add([config])
            await until(lambda: manager.snapshot().downloads[-1].bytes_downloaded == 1_000_000)
            await manager.pause(config.id)
        for gate in gates.values():
            gate.opened.set()
        serves(server, etags)
        ids = {name: config.id for name, config in configs.items()}
        for name in edited:
            path, body = LINKS[name]
            url = server.on(f"{path}2", serving(body, ETag=etags[name]))
            new = await manager.edit(ids[name], FileConfig(url=url))
            assert new is not None
            ids[name] = new
        begun = len(server.requests)
        for each in ids.values():
            await manager.resume(each)
        await manager.wait_until_complete(timeout=60)
    assert [each.range_start for each in server.requests[begun:]] == [1_000_000, 1_000_000]
    assert len(names_in(tmp_path)) == 2
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == sorted([BODY, OTHER])


async def test_a_login_in_an_edited_link_keeps_the_bytes(
    server: MisbehavingServer, tmp_path: Path, until: Until
) -> None:
    gate = Gate(BODY, 1_000_000, ETag='"v1"')
    url = server.on("/f.bin", gate)
    config = FileConfig(url=_with(url, "a:x@"))
    async with DownloadManager(download_dir=tmp_path, connections=1) as manager:
        await manager.add([config])
        await until(lambda: manager.snapshot().downloads[0].bytes_downloaded == 1_000_000)
        await manager.pause(config.id)
        gate.opened.set()
        server.on("/f.bin", serving(BODY, ETag='"v1"'))
        edited = await manager.edit(config.id, FileConfig(url=_with(url, "a:y@")))
        assert edited is not None
        await manager.resume(edited)
        await manager.wait_until_complete(timeout=60)
    assert names_in(tmp_path) == ["f.bin"] and (tmp_path / "f.bin").read_bytes() == BODY
    assert server.requests[-1].range_start == 1_000_000


async def test_fragments_make_no_second_download(server: MisbehavingServer, tmp_path: Path) -> None:
    url = server.on("/f.bin", serving(BODY, ETag='"v1"'))
    first, second = FileConfig(url=f"{url}#a"), FileConfig(url=f"{url}#b")
    assert first.id == second.id == FileConfig(url=url).id
    manager, _ = await fetch(tmp_path, [first, second])
    assert names_in(tmp_path) == ["f.bin"] and len(server.requests) >= 1
    assert status_of(manager, first) is DownloadStatus.COMPLETED


async def interrupted(server: MisbehavingServer, folder: Path, form: str) -> str:
    """Fetch a part of the file, until the signature expires; return the path of the link."""

    async def cut(exchange: Exchange) -> None:
        if len(server.requests) > 1:
            await exchange.head("403 Expired", Content_Length=0)
            return
        await exchange.head(Content_Length=len(BODY), ETag='"v1"', Accept_Ranges="bytes")
        await exchange.send(BODY[:1_000_000])
        await exchange.close()

    path = f"/f.bin?{form.format(1)}"
    await fetch(folder, [FileConfig(url=server.on(path, cut))], connections=1)
    assert (folder / "f.bin.part").exists()
    return path
