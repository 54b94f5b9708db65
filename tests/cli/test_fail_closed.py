"""A protective setting that is not valid ends the command with 2 before any request."""

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of
from tests.servers.tls import Authority

BODY = body_of(20_000)

BROKEN_OPTIONS = [
    'proxy = "socks4://127.0.0.1:9050"',
    'proxy = "sock5://127.0.0.1:9050"',
    'proxy = "ftp://127.0.0.1:21"',
    'proxy = "127.0.0.1:abc"',
    'proxy = ""',
    "proxy = 5",
    'prxoy = "http://127.0.0.1:9"',
    'Proxy = "http://127.0.0.1:9"',
    'netrc = "perhaps"',
    'ca_file = ["a"]',
    'interface = "no such interface"',
    "ip_version = 5",
    'allow_downgrade = "sometimes"',
    "client_cert = 1",
    'user = ["me", "pw"]',
    'headers = "X: 1"',
]
BROKEN_FILES = {
    "syntax": b'theme = "x"\nmax_retries = \n[request]\nproxy = "http://127.0.0.1:9"\n',
    "duplicate key": b"[request]\nnetrc = true\nnetrc = false\n",
    "duplicate table": b"[request]\nnetrc = true\n[request]\n",
    "Latin-1": "# für mich\n[request]\n".encode("latin-1"),
    "UTF-16": "[request]\nnetrc = true\n".encode("utf-16"),
    "NUL": b"[request]\n\0\n",
    "too large": b"#" * (1 << 21),
    "table as text": b'request = "http://127.0.0.1:9"\n',
    "hosts as list": b'hosts = ["a.example"]\n',
    "[Request]": b'[Request]\nproxy = "http://127.0.0.1:9"\n',
    "[Request] beside [request]": b'[Request]\nproxy = "http://h"\n[request]\nnetrc = false\n',
    "broken [Request]": b'[Request]\nproxy = "socks4://127.0.0.1:9"\n',
    "[reqest]": b'[reqest]\nproxy = "http://127.0.0.1:9"\n',
    "[host.x]": b'[host."localhost"]\nproxy = "http://127.0.0.1:9"\n',
    "[network]": b'[network]\nway = "tor"\n',
    "key outside of its table": b'proxy = "http://127.0.0.1:9"\n',
    "unknown key": b'through = "http://127.0.0.1:9"\n',
    "host that is none": b'[hosts."http://localhost/"]\nproxy = "http://127.0.0.1:9"\n',
    "host without quotes": b'[hosts.files.example.org]\nproxy = "http://127.0.0.1:9"\n',
    "host with a port": b'[hosts."localhost:80"]\nproxy = "http://127.0.0.1:9"\n',
    "address with a port": b'[hosts."127.0.0.1:80"]\nproxy = "http://127.0.0.1:9"\n',
    "letters with a port": b'[hosts."deaf:80"]\nproxy = "http://127.0.0.1:9"\n',
    "address twice": b'[hosts."::1"]\nproxy = "off"\n[hosts."0::1"]\nnetrc = true\n',
    "below the keys": b'[keys]\nquit = "x"\nproxy = "http://127.0.0.1:9"\n',
    "table below the keys": b'[keys]\nquit = "x"\nrequest.proxy = "http://127.0.0.1:9"\n',
    "below a rule": b'[[rules]]\nfolder = "x"\n\ninterface = "tun0"\n',
    "a name with an option in it": b'connection_proxy = "http://127.0.0.1:9"\n',
    "another word for an option": b'login = "me:pw"\n',
    "a name that begins like another": b'connect_via = "http://127.0.0.1:9"\n',
    "host in the middle": b'[hosts."a.*.org"]\nproxy = "http://127.0.0.1:9"\n',
    "option in the place of a host": b'[hosts]\nproxy = "http://127.0.0.1:9"\n',
    "list of tables": b'[[request]]\nproxy = "http://127.0.0.1:9"\n',
    "table too deep": b'[hosts."a.org".request]\nproxy = "http://127.0.0.1:9"\n',
    "option as a table": b'[request.proxy]\nhttp = "http://127.0.0.1:9"\n',
    "host twice": b'[hosts."a.org"]\nproxy = "off"\n[hosts."A.org."]\nnetrc = true\n',
}
SPECIAL: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "link to nothing": lambda path: path.symlink_to("not mounted"),
    "folder that is a link to nothing": lambda path: link_folder(path.parent),
    "folder that is a link to a file": lambda path: link_folder(path.parent, "/etc/passwd"),
    "folder above that is a link to nothing": lambda path: link_folder(path.parents[1]),
}


def link_folder(folder: Path, to: str = "not mounted") -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(to)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The settings file, which is not there yet."""
    file = tmp_path / "config" / "rheo" / "settings.toml"
    file.parent.mkdir(parents=True)
    return file


@pytest.fixture
async def canary() -> AsyncIterator[MisbehavingServer]:
    """A proxy that is never to be asked."""
    async with MisbehavingServer() as running:
        yield running
        assert not running.requests


def url_of(server: MisbehavingServer, host: str, path: str = "/a") -> str:
    server.on(path, serving(BODY))
    return f"http://{host}:{server.url('').rpartition(':')[2]}{path}"


@pytest.mark.parametrize("flag", [(), ("-q",), ("--json",)], ids=str)
async def test_one_sentence_however_it_is_called(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer, flag: tuple[str, ...]
) -> None:
    file.write_text('theme = "x"\n[request]\nproxy = "socks4://me:c4nary@127.0.0.1:9050"\n')
    done = await rheo("-d", folder, "download", *flag, url_of(server, "localhost"))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"rheo: {file}, line 3: request.proxy = … is not valid: ")
    assert done.err.endswith(" rheo downloads nothing until you correct this.\n")
    assert len(done.err.splitlines()) == 1 and "c4nary" not in done.err
    assert not server.requests and not folder.exists()


@pytest.mark.parametrize("option", BROKEN_OPTIONS)
async def test_an_option_that_is_not_understood(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer, option: str
) -> None:
    file.write_text(f"[request]\n{option}\n")
    done = await rheo("-d", folder, "download", "-q", url_of(server, "localhost"))
    assert done.code == 2, done.err
    assert done.err.startswith(f"rheo: {file}, line 2: request.")
    assert not server.requests


@pytest.mark.parametrize("content", BROKEN_FILES.values(), ids=list(BROKEN_FILES))
async def test_a_file_that_is_not_understood(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer, content: bytes
) -> None:
    file.write_bytes(content)
    done = await rheo("-d", folder, "download", "-q", url_of(server, "localhost"))
    assert done.code == 2, done.err
    assert done.err.startswith(f"rheo: {file}") and len(done.err.splitlines()) == 1
    assert not server.requests


@pytest.mark.parametrize("make", SPECIAL.values(), ids=list(SPECIAL))
async def test_a_file_that_cannot_be_read(
    rheo: Run,
    folder: Path,
    file: Path,
    server: MisbehavingServer,
    make: Callable[[Path], object],
) -> None:
    make(file)
    done = await rheo("-d", folder, "download", "-q", url_of(server, "localhost"))
    assert done.code == 2, done.err
    assert done.err.startswith(f"rheo: {file} ")
    assert not server.requests


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RHEO_REQUEST", '{"proxy": "socks4://me:c4nary@127.0.0.1:9"}'),
        ("RHEO_REQUEST", '{"prxoy": "http://me:c4nary@127.0.0.1:9"}'),
        ("RHEO_REQUEST", '{"proxy": "http://me:c4nary@127.0.0.1:9"'),
        ("RHEO_REQUEST", '["proxy"]'),
        ("RHEO_HOSTS", '{"localhost": {"proxy": "c4nary://x"}}'),
        ("RHEO_HOSTS", '{"a b": {}}'),
        ("RHEO_PROXY", "http://me:c4nary@127.0.0.1:9"),
        ("RHEO_CA_CERT", "/c4nary@/ca.pem"),
        ("RHEO_PROXIES", "http://me:c4nary@127.0.0.1:9"),
        ("RHEO_MAX_SZE", "1K"),
        ("RHEO_REQUEST__PROXY", "http://me:c4nary@127.0.0.1:9"),
        ("rheo_http_proxy", "http://me:c4nary@127.0.0.1:9"),
        ("http_proxy", "socks4://me:c4nary@127.0.0.1:9"),
        ("HTTP_PROXY", "http://me:c4nary@127.0.0.1:abc"),
        ("ALL_PROXY", "ftp://me:c4nary@127.0.0.1:21"),
        ("all_proxy", "http://"),
    ],
)
async def test_a_variable_that_is_not_understood(
    rheo: Run,
    folder: Path,
    environment: dict[str, str],
    server: MisbehavingServer,
    name: str,
    value: str,
) -> None:
    environment[name] = value
    done = await rheo("-d", folder, "download", "-q", url_of(server, "localhost"))
    assert done.code == 2, done.err
    assert name in done.err and "c4nary@" not in done.err.replace("c4nary://", "")
    assert not server.requests


@pytest.mark.parametrize("flags", [(), ("-q",)], ids=str)
async def test_a_variable_of_another_program_is_reported(
    rheo: Run,
    folder: Path,
    environment: dict[str, str],
    server: MisbehavingServer,
    flags: tuple[str, ...],
) -> None:
    environment["RHEO_OF_MINE"] = "x"
    done = await rheo("-d", folder, "download", *flags, url_of(server, "localhost"))
    assert done.code == 0, done.err
    told = "rheo: Environment: RHEO_OF_MINE is not a setting.\n"
    assert (told in done.err) is not bool(flags)


async def test_a_variable_for_another_scheme_does_not_matter(
    rheo: Run, folder: Path, environment: dict[str, str], server: MisbehavingServer
) -> None:
    environment["https_proxy"] = "socks4://127.0.0.1:9"
    environment["all_proxy"] = "socks4://127.0.0.1:9"
    environment["no_proxy"] = "localhost"
    assert (await rheo("-d", folder, "download", url_of(server, "localhost"))).code == 0


@pytest.mark.parametrize("flag", ["--proxy", "table"])
async def test_a_nearer_place_replaces_what_is_not_understood(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer, flag: str
) -> None:
    file.write_text(
        '[request]\nproxy = "socks4://127.0.0.1:9"\n'
        + ('[hosts."localhost"]\nproxy = "off"\n' if flag == "table" else "")
    )
    flags = ["--proxy", "off"] if flag == "--proxy" else []
    done = await rheo("-d", folder, "download", url_of(server, "localhost"), *flags)
    assert done.code == 0, done.err
    assert f"{file}, line 2" in done.err
    if flag == "table":  # another host has no such table
        done = await rheo("-d", folder, "download", "-q", url_of(server, "127.0.0.1", "/b"))
        assert done.code == 2 and f"{file}, line 2" in done.err
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "flags", "code"),
    [
        ('{"proxy": "socks4://127.0.0.1:9"}', ["--proxy", "off"], 0),
        ('{"proxy": "socks4://127.0.0.1:9"}', ["--user-agent", "A/1"], 2),
        ('{"prxoy": "http://127.0.0.1:9"}', ["--proxy", "off"], 2),
        ('{"user": 5}', ["--user", "me:pw"], 0),
        ("{", ["--proxy", "off"], 2),
    ],
)
async def test_a_flag_replaces_a_variable_as_it_replaces_the_file(
    rheo: Run,
    folder: Path,
    environment: dict[str, str],
    server: MisbehavingServer,
    value: str,
    flags: list[str],
    code: int,
) -> None:
    environment["RHEO_REQUEST"] = value
    done = await rheo("-d", folder, "download", url_of(server, "localhost"), *flags)
    assert done.code == code, done.err
    assert done.err.count("Environment: RHEO_REQUEST") == 1
    assert bool(server.requests) is (code == 0)


@pytest.mark.parametrize(
    "text",
    [
        '[request]\nproxy = "socks4://127.0.0.1:9"\nca_file = ["x"]\n',
        '[request]\nprxoy = "socks4://127.0.0.1:9"\n',
        '[request]\nproxy = "http://127.0.0.1:9"\n]\n',
        '[hosts."localhost"]\nprxoy = "http://127.0.0.1:9"\n',
        '[request]\ninterface = ""\n',
    ],
)
async def test_a_flag_replaces_its_own_value_only(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer, text: str
) -> None:
    file.write_text(text)
    url = url_of(server, "localhost")
    done = await rheo("-d", folder, "download", url, "--proxy", "off")
    assert done.code == 2 and not server.requests


async def test_a_table_closes_its_host_alone(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer, canary: MisbehavingServer
) -> None:
    file.write_text(f'[hosts."LocalHost"]\nproxy = "socks4://{canary.url("")[7:]}"\n')
    closed, also = url_of(server, "localhost"), url_of(server, "localhost.", "/c")
    done = await rheo("-d", folder, "download", "-q", closed, also, url_of(server, "127.0.0.1"))
    assert done.code == 2
    assert done.err.count(f"{file}, line 2: hosts.LocalHost.proxy = …") == 2
    assert [request.headers["host"][:9] for request in server.requests] == ["127.0.0.1"]


async def test_a_table_of_another_host_is_reported_with_its_effect(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer
) -> None:
    file.write_text('[hosts."a.example"]\nauth = "digset"\n')
    done = await rheo("-d", folder, "download", url_of(server, "127.0.0.1"))
    assert done.code == 0
    assert "'any'. Requests to a.example fail until you correct this." in done.err


@pytest.mark.parametrize(
    ("option", "flags", "fails"),
    [
        ('proxy = "socks4://127.0.0.1:9"', ["--proxy", "off"], False),
        ('proxy = "socks4://127.0.0.1:9"', ["--user-agent", "A/1"], True),
        ("ip_version = 5", ["--ipv4"], False),
        ("user = 5", ["--user", "me:pw"], False),
        ("user = 5", ["--proxy", "off"], True),
        ("headers = 5", ["--header", "A: b"], True),
    ],
)
async def test_no_request_is_said_to_fail_if_a_flag_replaces_the_setting(
    rheo: Run,
    folder: Path,
    file: Path,
    server: MisbehavingServer,
    option: str,
    flags: list[str],
    fails: bool,
) -> None:
    file.write_text(f'[hosts."localhost"]\n{option}\n')
    done = await rheo("-d", folder, "download", url_of(server, "localhost"), *flags)
    assert done.code == (2 if fails else 0), done.err
    assert f"{file}, line 2" in done.err
    assert ("Requests to localhost fail" in done.err) is fails


@pytest.mark.parametrize("host", ["0x7f.0.0.1", "[::ffff:127.0.0.1]", "[0:0::FFFF:7f00:1]"])
async def test_a_table_closes_its_address_in_whatever_form_it_is_written(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer, host: str
) -> None:
    file.write_text('[hosts."127.0.0.1"]\nproxy = "socks4://127.0.0.1:9"\n')
    done = await rheo("-d", folder, "download", "-q", url_of(server, host))
    assert done.code == 2 and not server.requests


@pytest.mark.parametrize(
    ("flag", "content", "problem"),
    [
        ("--ca-file", "", "it contains no certificate"),
        ("--ca-file", "-----BEGIN CERTIFICATE-----\nAA\n", "it contains no certificate"),
        ("--cert", "no certificate", "it cannot be used"),
        ("--cookies", "{}", "is not in Netscape's cookies.txt format"),
        ("--interface", None, "does not exist on this computer"),
    ],
)
async def test_what_a_flag_names_and_is_of_no_use(
    rheo: Run,
    folder: Path,
    tmp_path: Path,
    environment: dict[str, str],
    flag: str,
    content: str | None,
    problem: str,
) -> None:
    file = tmp_path / "file"
    file.write_text(content or "")
    file.chmod(0o600)
    environment["NETRC"] = str(file)
    value = {"--interface": ["nope0"], "--netrc": []}.get(flag, [str(file)])
    async with MisbehavingServer(ssl=Authority().serving("localhost")) as server:
        url = url_of(server, "localhost").replace("http:", "https:")
        done = await rheo("-d", folder, "download", "-q", url, flag, *value)
        assert done.code == 2, done.err
        assert problem in done.err and "c4nary" not in done.err
        assert not server.requests


async def test_json_tells_it_on_standard_error_too(
    rheo: Run, folder: Path, file: Path, server: MisbehavingServer
) -> None:
    file.write_text('[hosts."localhost"]\nproxy = "socks4://127.0.0.1:9"\n')
    done = await rheo("-d", folder, "download", "--json", url_of(server, "localhost"))
    assert done.code == 2 and f"{file}, line 2" in done.err
    assert json.loads(done.out.splitlines()[-1])["event_type"] == "download.failed"
    assert not server.requests


async def test_a_variable_adds_to_the_file(
    rheo: Run,
    folder: Path,
    file: Path,
    environment: dict[str, str],
    server: MisbehavingServer,
) -> None:
    """RHEO_REQUEST for a user agent does not take the proxy of the file away."""
    async with MisbehavingServer() as proxy:
        file.write_text(f'[request]\nproxy = "{proxy.url("")}"\n')
        environment["RHEO_REQUEST"] = '{"user_agent": "Me/1"}'
        await rheo("-d", folder, "download", "--retries", "0", url_of(server, "localhost"))
        assert [request.headers["user-agent"] for request in proxy.requests] == ["Me/1"]
    assert not server.requests


@pytest.mark.parametrize("kind", ["FIFO", "folder", "device"])
async def test_a_list_that_is_none_ends_at_once(rheo: Run, tmp_path: Path, kind: str) -> None:
    SPECIAL[kind](tmp_path / "list")
    done = await rheo("download", "-i", tmp_path / "list")
    assert done.code == 1 and str(tmp_path / "list") in done.err


async def test_a_list_may_come_through_a_pipe(
    rheo: Run, folder: Path, server: MisbehavingServer
) -> None:
    url = url_of(server, "localhost")
    for name in ("-", "/dev/stdin"):
        done = await rheo("-d", folder, "download", "-i", name, stdin=url.encode())
        assert done.code == 0, done.err
    read, write = os.pipe()
    with os.fdopen(write, "w") as file:
        file.write(f"{url}\n")
    try:
        done = await rheo("-d", folder, "download", "-i", f"/dev/fd/{read}", pass_fds=[read])
    finally:
        os.close(read)
    assert done.code == 0, done.err
