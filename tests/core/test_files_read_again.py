"""Files of request options that change while the engine runs: `:reload` reads them again."""

import os
from pathlib import Path

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.request_rules import RequestRules
from tests.core.engine import error_of, serving
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.tls import Authority

BODY = body_of(10_000)


async def error(manager: DownloadManager, url: str) -> str:
    """Download a URL; return the error, or "" for none."""
    config = FileConfig(url=url)
    await manager.add([config])
    await manager.wait_until_complete(timeout=30)
    return error_of(manager, config)


@pytest.mark.parametrize("change", ["written", "replaced"])
async def test_a_withdrawn_authority_is_not_trusted_after_a_reload(
    tmp_path: Path, change: str
) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(), Authority().file(tmp_path / "other")
    file = authority.file(tmp_path)
    rules = RequestRules(RequestOptions(ca_file=file))
    async with (
        MisbehavingServer(ssl=authority.serving("127.0.0.1")) as server,
        DownloadManager(
            download_dir=tmp_path / "out", request_rules=rules, retry_handler=None
        ) as manager,
    ):
        urls = [server.on(f"/{number}", serving(BODY)) for number in range(4)]
        good = file.read_bytes()
        assert await error(manager, urls[0]) == ""
        if change == "written":
            file.write_bytes(other.read_bytes())
        else:
            other.replace(file)
        manager.set_defaults(request_rules=rules)
        assert "certificate refused" in await error(manager, urls[1])
        file.write_bytes(good)
        manager.set_defaults(request_rules=rules)
        assert await error(manager, urls[2]) == ""
        file.unlink()
        manager.set_defaults(request_rules=rules)
        assert "No such file" in await error(manager, urls[3])


def write_cookie(file: Path, value: str) -> None:
    file.write_text(f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\t{value}\n")
    file.chmod(0o600)


@pytest.mark.parametrize("change", ["written", "replaced", "same size and time"])
async def test_a_new_export_of_cookies_is_sent_after_a_reload(
    tmp_path: Path, server: MisbehavingServer, change: str
) -> None:
    file, other = tmp_path / "cookies.txt", tmp_path / "other.txt"
    write_cookie(file, "old")
    rules = RequestRules(RequestOptions(cookies=file))

    async def rotate(exchange: Exchange) -> None:
        await exchange.serve(BODY, Set_Cookie="sid=rotated; Path=/")

    urls = [server.on(f"/{number}", rotate) for number in range(4)]
    async with DownloadManager(
        download_dir=tmp_path / "out", request_rules=rules, retry_handler=None
    ) as manager:
        for url in urls[:2]:  # a reload without a change does not forget what servers have set
            assert await error(manager, url) == ""
            manager.set_defaults(request_rules=rules)
        before = file.stat()
        write_cookie(other if change == "replaced" else file, "new")
        if change == "replaced":
            other.replace(file)
        elif change == "same size and time":
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        manager.set_defaults(request_rules=rules)
        assert await error(manager, urls[2]) == ""
        file.unlink()
        manager.set_defaults(request_rules=rules)
        assert "No such file" in await error(manager, urls[3])
    sent = [request.headers.get("cookie") for request in server.requests]
    assert sent[0] == "sid=old" and sent[2] == "sid=new" and len(sent) == 3
    assert sent[1] in ("sid=old", "sid=rotated")
