"""Flags and settings that say how requests are made, down to what the server sees."""

import shlex
import ssl
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rheo_core.cli.main import app
from rheo_core.cli.request_flags import insecure_hosts
from tests.cli.conftest import Run
from tests.core.engine import serving
from tests.e2e.terminal import Terminal
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of
from tests.servers.tls import Authority

BODY = body_of(20_000)


def settings_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config" / "rheo" / "settings.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(0o600)


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


async def test_headers_of_every_kind(
    rheo: Run, folder: Path, tmp_path: Path, server: MisbehavingServer
) -> None:
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\ta\tb\n")
    cookies.chmod(0o600)
    url = server.on("/a", serving(BODY))
    done = await rheo(
        "-d", folder, "download", url, "-H", "X-One: 1", "-H", "X-Two:2", "-A", "Me/1", "-4",
        "-e", "http://from/", "-b", cookies, "-u", "me:pw", "--interface", "127.0.0.1",
    )  # fmt: skip
    assert done.code == 0, done.err
    sent = server.requests[0].headers
    assert (
        sent.items()
        >= {
            "x-one": "1",
            "x-two": "2",
            "user-agent": "Me/1",
            "referer": "http://from/",
            "cookie": "a=b",
            "authorization": basic("me:pw"),
        }.items()
    )
    assert (folder / "a").read_bytes() == BODY


async def test_flag_over_host_over_default(
    rheo: Run, folder: Path, tmp_path: Path, server: MisbehavingServer
) -> None:
    settings_file(
        tmp_path,
        '[request]\nuser_agent = "All/1"\nreferer = "http://all/"\n'
        '[hosts."127.0.0.1"]\nreferer = "http://host/"\n'
        'user = "host:pw"\nheaders = { X = "host" }\n'
        '[hosts."*.example.org"]\nuser_agent = "No/1"\n',
    )
    url = server.on("/a", serving(BODY))
    assert (await rheo("-d", folder, "download", url, "--bearer", "tok")).code == 0
    sent = server.requests[0].headers
    assert (
        sent.items()
        >= {
            "user-agent": "All/1",
            "referer": "http://host/",
            "authorization": "Bearer tok",
            "x": "host",
        }.items()
    )


async def test_tls_by_flags(rheo: Run, folder: Path, tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.client(tmp_path)
    shown: list[bool] = []

    async def note(exchange: Exchange) -> None:
        tls: ssl.SSLObject = exchange.writer.get_extra_info("ssl_object")
        shown.append(bool(tls.getpeercert()))
        await exchange.serve(BODY)

    async with MisbehavingServer(ssl=authority.asking("127.0.0.1")) as server:
        url = server.on("/a", note)
        flags = ("--ca-file", authority.file(tmp_path), "--cert", certificate, "--key", key)
        assert (await rheo("-d", folder, "download", url, *flags)).code == 0
    assert shown == [True]


async def test_insecure_is_loud_and_not_remembered(rheo: Run, folder: Path) -> None:
    async with MisbehavingServer(ssl=Authority().serving("other.example")) as server:
        url = server.on("/a", serving(BODY))
        done = await rheo("-d", folder, "download", "-q", url, "--insecure", "127.0.0.1")
        assert done.code == 0
        assert "CERTIFICATES OF 127.0.0.1 ARE NOT CHECKED" in done.err
        (folder / "a").unlink()
        again = await rheo("-d", folder, "download", "-q", url)
        assert again.code == 1 and "certificate refused" in again.err


def test_insecure_names_hosts_as_requests_do(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["Bücher.example", "[::1]", "x.org."]
    assert insecure_hosts(given) == {"xn--bcher-kva.example", "::1", "x.org"}
    assert capsys.readouterr().err.count("ARE NOT CHECKED") == len(given)


async def test_the_password_is_asked_for(
    folder: Path, tmp_path: Path, command: tuple[str, ...], server: MisbehavingServer
) -> None:
    url = server.on("/a", serving(BODY))
    arguments = [*command, "-d", str(folder), "download", url, "-u", "me"]
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    async with Terminal(arguments, tmp_path / "home", environ=environ) as terminal:
        await terminal.shows("Password of me")
        await terminal.type("s3cret\r")
        assert await terminal.exit_code() == 0
    assert b"s3cret" not in terminal.painted
    assert server.requests[0].headers["authorization"] == basic("me:s3cret")


async def test_ctrl_c_at_the_password_gives_the_echo_back(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "rheo_core.cli",
    ]  # the whole program, because it handles Ctrl+C itself
    rheo = shlex.join([*command, "download", "http://x.test/a", "-u", "me"])
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    # A shell around it, because the test reads its terminal after its end.
    line = f"trap : INT; {rheo}; echo ended with $?; read -r answer"
    async with Terminal(["/bin/sh", "-c", line], tmp_path / "home", environ=environ) as terminal:
        await terminal.shows("Password of me")
        await terminal.type("\x03")
        await terminal.shows("ended with 130")
        assert terminal.is_restored
        assert terminal.line_with("Password of me").strip() == "Password of me:"


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-H", "c4nary"], "--header: write each header as 'Name: value'."),
        (["-H", "Range: c4nary"], "--header: header 'Range' is set by the engine."),
        (["--proxy", "ftp://c4nary@h"], "--proxy: it should be the URL of a proxy"),
        (["--proxy", ""], "--proxy: it should be the URL of a proxy, or off"),
        (["--proxy", "http://c4nary@a b:80"], "--proxy: it should be the URL of a proxy"),
        (["--interface", ""], "--interface: it should be an address or an interface"),
        (["--user", ""], "--user: it should not be empty"),
        (["--bearer", ""], "--bearer: it should not be empty"),
        (["--auth", "ntlm"], "--auth: it should be 'basic', 'digest' or 'any'."),
        (["-4", "-6"], "-4 and -6 cannot be used together."),
        (["-u", "me:c4nary", "--bearer", "T"], "--user and --bearer cannot be used together."),
        (["-u", "me", "-H", "authorization : T"], "--user and --header Authorization cannot be"),
        (["--bearer", "-", "-H", "Authorization: T"], "--bearer and --header Authorization cannot"),
        (
            ["--netrc", "-u", "me:c4nary", "--bearer", "T", "-H", "Authorization:"],
            "--user and --bearer and --header Authorization cannot be used together.",
        ),
        (["--interface", "a b"], "--interface: it should be an address or an interface"),
        (["-u", "me"], "--user: cannot prompt for the secret without a terminal."),
        (["--bearer", "-"], "--bearer: cannot prompt"),
        (["--insecure", "http://x/"], "--insecure 'http://x/' should be one host such as"),
        (["--insecure", "*.x.org"], "--insecure '*.x.org' should be one host such as"),
        (["--insecure", "me:c4nary@x"], "should be one host"),
        (["--key", __file__], "--key needs --cert."),
        (["--ca-file", "missing.pem"], "missing.pem"),
    ],
)
def test_one_sentence(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["download", "http://127.0.0.1:9/", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert "c4nary" not in result.output + result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("flag", "value"),
    [("-b", "id=c4nary"), ("-b", "c4nary" * 100), ("-b", "."), ("--cert", "me.pem:c4nary")],
)
async def test_what_curl_takes_for_a_secret_is_not_told_as_a_name(
    rheo: Run, server: MisbehavingServer, flag: str, value: str
) -> None:
    done = await rheo("download", server.url("/a"), flag, value)
    assert done.code == 2 and "is not a file path" in done.err
    assert "c4nary" not in done.out + done.err and not server.requests
