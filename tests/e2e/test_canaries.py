"""Secrets planted in every field, and all that is written searched for them."""

import json
import os
import sqlite3
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.core.engine import serving
from tests.e2e.terminal import APP, Terminal
from tests.programs import COMMAND, needs_app, start_program
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

ENTER = "\r"
BODY = body_of(200_000)
FIELDS = (
    "userinfo", "token", "sig", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
    "authorization", "cookie", "custom", "referer", "bearer", "login", "proxy", "netrc", "jar",
    "key", "answered", "location", "hdnea", "hm", "SAMLResponse", "frob",
)  # fmt: skip
NAMED = ("sig", "hdnea", "hm", "SAMLResponse", "frob")
CANARY = {field: f"c4nary{number:02}x" for number, field in enumerate(FIELDS)}

pytestmark = needs_app


def planted_url(url: str) -> str:
    """A URL with a login and tokens."""
    query = "&".join(
        f"{name}={CANARY[name]}" for name in FIELDS if name.startswith("X-") or name in NAMED
    )
    login = f"me:{CANARY['userinfo']}@"
    return f"{url.replace('://', f'://{login}')}?a=1&token={CANARY['token']}&{query}"


def settings(folder: Path, **more: str) -> str:
    """A settings file with a secret in each field."""
    values = {
        "headers": (
            f'{{ X-Custom = "{CANARY["custom"]}", Cookie = "id={CANARY["cookie"]}", '
            f'X-Api-Key = "{CANARY["authorization"]}" }}'
        ),
        "referer": f'"http://example.org/?{CANARY["referer"]}"',
        "netrc": "true",
        **more,
    }
    return "[request]\n" + "\n".join(f"{name} = {value}" for name, value in values.items())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with secrets in it; `found_in` leaves these files out."""
    home = tmp_path / "home"
    (home / "config" / "rheo").mkdir(parents=True)
    netrc = home / ".netrc"
    netrc.write_text(f"machine localhost login me password {CANARY['netrc']}\n")
    netrc.chmod(0o600)
    cookies = home / "cookies.txt"
    cookies.write_text(
        f"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tjar\t{CANARY['jar']}\n"
    )
    cookies.chmod(0o600)
    key = home / "client.key"
    key.write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARY['key']}\n-----END PRIVATE KEY-----\n")
    key.chmod(0o600)
    return home


def forms(secret: str) -> Iterator[bytes]:
    """Yield the forms that a secret may have in a file."""
    yield secret.encode()
    for shift in range(3):  # base64 of it, whatever comes before
        yield b64encode(b"x" * shift + secret.encode())[2 * bool(shift) + 2 : -4]


def check(text: bytes, where: object) -> None:
    for field, secret in CANARY.items():
        for form in forms(secret):
            at = text.find(form)
            assert at < 0, (where, field, text[max(at - 200, 0) : at + 60])


def check_files(folder: Path, home: Path) -> None:
    """Everything below `folder` but what the test itself put there."""
    given = {home / ".netrc", home / "cookies.txt", home / "client.key"}
    given |= {home / "config" / "rheo" / "settings.toml", home / "list.txt"}
    searched = [path for path in folder.rglob("*") if path.is_file() and path not in given]
    for path in searched:
        check(path.read_bytes(), path)
        check(os.fsencode(path.name), "a name")
    assert searched or not (folder / "out").exists()


async def redirecting(exchange: Exchange) -> None:
    """Redirect to an address that is not valid, and set a cookie."""
    place = f"http://me:{CANARY['location']}@[::1/?token={CANARY['location']}"
    await exchange.head(
        "302 Found",
        Location=place,
        Set_Cookie=f"id={CANARY['answered']}",
        Content_Length=0,
    )


@pytest.mark.parametrize("flags", [[], ["-v"], ["--json"], ["--json", "-q"], ["--dry-run"]])
async def test_the_command(
    tmp_path: Path, home: Path, server: MisbehavingServer, flags: list[str]
) -> None:
    good = planted_url(server.on("/good.bin", serving(BODY)))
    server.on(good.partition("127.0.0.1")[2].partition("/")[2].join(["/", ""]), serving(BODY))
    lost = planted_url(server.url("/lost.bin"))
    astray_path = "/" + planted_url(server.url("/astray.bin")).rpartition("/")[2]
    server.on(astray_path, redirecting)
    astray = planted_url(server.url("/astray.bin"))
    (home / "config" / "rheo" / "settings.toml").write_text(settings(home))
    urls = [good, lost, astray, good, planted_url("http://127.0.0.1:9/refused"),
            planted_url("ftp://127.0.0.1/x"), planted_url("http://127.0.0.1:99999/x")]  # fmt: skip
    (home / "list.txt").write_text("\n".join(urls))
    secure = planted_url("https://127.0.0.1:9/key")
    bad_flags = (
        ["-H", f"no colon {CANARY['custom']}"],
        ["-H", f"Range: {CANARY['custom']}"],
        ["--bearer", f"{CANARY['bearer']}\n"],
        ["-u", f"me:{CANARY['login']}\n"],
        ["--proxy", f"ftp://me:{CANARY['proxy']}@h"],
        ["--proxy", f"http://me:{CANARY['proxy']}@127.0.0.1:9"],
        ["--cert", str(home / "client.key"), secure],
        ["-b", str(home / "cookies.txt"), "-u", f"me:{CANARY['login']}"],
        ["--bearer", CANARY["bearer"], "--cookies", str(home / ".netrc")],
    )
    verbose = flags if flags == ["-v"] else []
    shared = [*verbose, "-d", str(tmp_path / "out"), "download", "--retries", "0"]
    rest = [flag for flag in flags if flag != "-v"]
    for more in ([], *bad_flags):
        run = await start_program(
            COMMAND,
            [*shared, *rest, *more, "-i", home / "list.txt"],
            {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
        )
        out, err = await run.communicate()
        check(out, (more, "standard output"))
        check(err, (more, "standard error"))
        assert out or err
        if "--json" in flags and not more:
            events = [json.loads(line) for line in out.splitlines()]
            assert any("token=***" in event["url"] for event in events)
        check_files(tmp_path, home)
    if "--dry-run" not in flags:
        assert (tmp_path / "out" / "good.bin").read_bytes() == BODY


async def test_the_app(tmp_path: Path, home: Path, server: MisbehavingServer) -> None:
    good = planted_url(server.url("/good.bin"))
    server.on("/" + good.rpartition("/")[2], serving(BODY))
    lost = planted_url(server.url("/lost.bin"))
    (home / "list.txt").write_text(f"{good}\n{lost}\n")
    file = home / "config" / "rheo" / "settings.toml"
    file.write_text(settings(home, cookies=f'"{home / "cookies.txt"}"', bearer='"c4nary10x"'))
    file.chmod(0o600)
    folder = tmp_path / "files"
    session = home / "state" / "rheo" / "session.db"
    command = [APP, "-d", str(folder), "-i", str(home / "list.txt")]
    async with Terminal(command, home) as terminal:
        await terminal.shows("▸ 1 done")
        await terminal.until(lambda: "✗" in terminal.line_with("lost.bin"), "the failure")
        assert session_holds(session)  # the one place: it may have to go on after a restart
        await terminal.type(ENTER)
        await terminal.shows("Retries")  # the details
        for arguments in children():
            if b"rheo" not in arguments:
                check(arguments, "arguments of a child")
        await terminal.type(ENTER)
        await terminal.until(lambda: "Retries" not in terminal.text, "the list")
        await terminal.type(",")
        await terminal.shows("Parallel downloads")
        await terminal.type("\x1b")
        await terminal.until(lambda: "Parallel downloads" not in terminal.text, "the list")
        for count in ("1 All 2", "1 All 1"):  # whichever the cursor is on, then the other
            await terminal.type("x")
            await terminal.until(partial(is_gone, terminal, count), "removal")
        await terminal.type("h")
        await terminal.shows("History", "good.bin", "lost.bin")
        if terminal.text.index("good.bin") < terminal.text.index("lost.bin"):  # it ended later
            await terminal.type("\x1b[B")
        await terminal.until(lambda: "✗" in terminal.line_with("lost.bin"), "the failure")
        await terminal.type("\x1b")
        await terminal.until(lambda: "History" not in terminal.text, "the list")
        await terminal.type("q")
        assert await terminal.exit_code() == 0
    check(bytes(terminal.painted), "the terminal, with its titles")
    check_files(folder, home)
    settings_now = file.read_text()
    assert settings_now == settings(home, cookies=f'"{home / "cookies.txt"}"', bearer='"c4nary10x"')


def is_gone(terminal: Terminal, text: str) -> bool:
    return text not in terminal.text


def session_holds(session: Path) -> bool:
    """Return True if a private session has the whole URL of a download that may continue."""
    assert session.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(f"file:{session}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT config FROM downloads").fetchall()
    return any(CANARY["token"] in config for (config,) in rows)


def children() -> Iterator[bytes]:
    """The arguments of every process below this one."""
    if not sys.platform.startswith("linux"):
        return
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    for process in parents:
        above, steps = process, 0
        while above in parents and above != os.getpid() and steps < 50:
            above, steps = parents[above], steps + 1
        if above == os.getpid() and process != above:
            try:
                yield Path(f"/proc/{process}/cmdline").read_bytes()
            except OSError:
                continue


async def test_a_session_that_is_over_holds_none(tmp_path: Path, server: MisbehavingServer) -> None:
    """Off the list nothing of them is left in the file, nor in what SQLite keeps beside it."""
    from rheo_core import DownloadManager, FileConfig
    from rheo_core.domain.request_options import RequestOptions

    session = tmp_path / "session" / "session.db"
    options = RequestOptions(bearer=CANARY["bearer"], referer=CANARY["referer"])
    configs = [
        FileConfig(
            url=planted_url(server.url(f"/{name}")),
            filename=name,
            request=options,
            headers={"Cookie": CANARY["cookie"]},
        )
        for name in ("good.bin", "lost.bin")
    ]
    server.on("/" + configs[0].url.rpartition("/")[2], serving(BODY))
    seen: list[str] = []
    async with DownloadManager(download_dir=tmp_path / "out", session_path=session) as manager:
        manager.on("*", lambda event: seen.append(event.model_dump_json()))
        await manager.add(configs)
        await manager.wait_until_complete(timeout=120)
        infos = [repr(manager.get_download_info(config.id)) for config in configs]
        for config in configs:
            assert await manager.remove(config.id)
        rows = [repr(row) for row in await manager.history()]
    check("\n".join(seen + infos + rows).encode(), "events, infos and history")
    assert len(rows) == 2 and seen
    for path in session.parent.iterdir():
        check(path.read_bytes(), path)
    async with DownloadManager(download_dir=tmp_path / "out", session_path=session) as manager:
        assert len(await manager.history()) == 2
        (row,) = await manager.history("good")
        assert row.url.count("***") == 9
        assert await manager.forget() == 2


def test_the_canaries_can_be_found() -> None:
    """A test that cannot fail would be none."""
    for secret in CANARY.values():
        for text in (secret, b64encode(f"me:{secret}".encode()).decode()):
            with pytest.raises(AssertionError):
                check(f"x {text} y".encode(), "")
