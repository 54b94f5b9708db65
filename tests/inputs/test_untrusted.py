"""Options that a text may set, in all its formats, and those that stay the user's choice."""

import json
import re
import time
import tracemalloc
from collections.abc import Callable
from cProfile import Profile
from pathlib import Path
from typing import Any

import pytest

from rheo_core.domain import FileConfig, FileExistsStrategy
from rheo_core.domain.file_config import MAX_MIRRORS
from rheo_core.domain.request_options import NO_OPTIONS
from rheo_core.inputs import Entry, ReadOptions, Verdict, patterns, read_entries, url_list
from rheo_core.inputs.patterns import MAX_URLS

URL = "http://files.example.org/report.pdf"


def read(text: str, **options: Any) -> list[Entry]:
    return list(read_entries(text.splitlines(), (), ReadOptions(**options)))


def only(text: str, **options: Any) -> Entry:
    (entry,) = read(text, **options)
    return entry


def line(**fields: Any) -> str:
    return json.dumps({"url": URL, **fields})


def config_of(entry: Entry) -> FileConfig:
    assert entry.config is not None, entry.problem
    return entry.config


WISHES = [
    # (text, option, its value when it is allowed, words)
    (f"curl -x evil:3128 {URL}", "proxy", "http://evil:3128", "proxy evil:3128"),
    (f"curl -xevil:3128 {URL}", "proxy", "http://evil:3128", "proxy evil:3128"),
    (f"curl --proxy '' {URL}", "proxy", "off", "proxy off"),
    (f"wget -e use_proxy=on -e http_proxy=e:1 {URL}", "proxy", "http://e:1", "proxy e:1"),
    (f"wget --execute 'HTTPS_PROXY = ' {URL}", "proxy", "off", "proxy off"),
    (f"curl -x off {URL}", "proxy", "off", "proxy off"),
    (f"curl --noproxy '*' {URL}", "proxy", "off", "proxy off"),
    (f"curl --socks5-hostname e:1 {URL}", "proxy", "socks5h://e:1", "proxy socks5h://e:1"),
    (f"curl --socks5 e:1 {URL}", "proxy", "socks5://e:1", "proxy socks5://e:1"),
    (f"curl --cacert /x/ca.pem {URL}", "ca_file", Path("/x/ca.pem"), "CA file /x/ca.pem"),
    (f"curl --interface eth0 {URL}", "interface", "eth0", "interface eth0"),
    (f"curl -4 {URL}", "ip_version", 4, "IP version 4"),
    (f"curl -s6L {URL}", "ip_version", 6, "IP version 6"),
    (f"curl --ipv6 {URL}", "ip_version", 6, "IP version 6"),
    (f"curl -n {URL}", "netrc", True, "netrc"),
    (f"curl --netrc-optional {URL}", "netrc", True, "netrc"),
    (f"curl -b /x/jar {URL}", "cookies", Path("/x/jar"), "cookie file /x/jar"),
    (f"curl -E /x/me.pem {URL}", "client_cert", Path("/x/me.pem"), "client certificate /x/me.pem"),
    (f"{URL}\n  all-proxy=http://evil:1", "proxy", "http://evil:1", "proxy http://evil:1"),
    (f"{URL}\n  https-proxy=e:1", "proxy", "http://e:1", "proxy e:1"),
    (f"{URL}\n  http-proxy=\n  all-proxy=f:1", "proxy", "off", "proxy off"),
    (f"{URL}\n  http-proxy=e:1\n  https-proxy=", "proxy", "http://e:1", "proxy e:1"),
    (f"{URL}\n  http-proxy=e:1\n  all-proxy=f:1", "proxy", "http://e:1", "proxy e:1"),
    (f"{URL}\n  ca-certificate=/x/ca", "ca_file", Path("/x/ca"), "CA file /x/ca"),
    (f"{URL}\n  interface=eth0", "interface", "eth0", "interface eth0"),
    (f"{URL}\n  load-cookies=/x/jar", "cookies", Path("/x/jar"), "cookie file /x/jar"),
    (f"{URL}\n  certificate=/x/c", "client_cert", Path("/x/c"), "client certificate /x/c"),
    (f"{URL}\n  disable-ipv6=true", "ip_version", 4, "IP version 4"),
    *(
        (line(request={name: given}), name, value, words)
        for name, given, value, words in (
            ("proxy", "socks5://e:1", "socks5://e:1", "proxy socks5://e:1"),
            ("proxy", "off", "off", "proxy off"),
            ("ca_file", "/x/ca.pem", Path("/x/ca.pem"), "CA file /x/ca.pem"),
            ("interface", "eth0", "eth0", "interface eth0"),
            ("ip_version", 6, 6, "IP version 6"),
            ("client_cert", "/x/c", Path("/x/c"), "client certificate /x/c"),
            ("netrc", True, True, "netrc"),
            ("netrc", False, False, "no netrc"),
            ("cookies", "/x/jar", Path("/x/jar"), "cookie file /x/jar"),
            ("allow_downgrade", True, True, "redirects from https to http"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "value", "words"), WISHES)
def test_route_trust_and_secret_files_are_the_users_choice(
    text: str, name: str, value: object, words: str
) -> None:
    entry = only(text)
    assert entry.verdict is Verdict.OK
    assert entry.refused == f"asks for {words}: not used"
    assert config_of(entry).request == NO_OPTIONS
    assert config_of(entry).list_options == ()

    allowed = only(text, list_options=True)
    assert (allowed.refused, allowed.used) == ("", f"uses {words}, as requested")
    config = config_of(allowed)
    found = getattr(config.request, name)
    assert (found.get_secret_value() if name == "proxy" else found) == value
    assert config.list_options == (name,)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (f"curl -k {URL}", "ignored: --insecure"),
        (line(request={"insecure": True}), "ignored: request.insecure"),
        (line(insecure=True), "ignored: insecure"),
        (line(on_complete=["rm", "-r"]), "ignored: on_complete"),
        (line(proxy="off"), "ignored: proxy"),
        (line(fetch_url="http://evil/x"), "ignored: fetch_url"),
        (line(list_options=["x"]), "ignored: list_options"),
        (line(request={"by_list": ["x"]}), "ignored: request.by_list"),
        (f"{URL}\n  check-certificate=false", "ignored: check-certificate"),
        (f"{URL}\n  on-download-complete=/bin/x", "ignored: on-download-complete"),
    ],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_what_no_list_may_ask_for_is_named_and_never_used(
    text: str, note: str, allowed: bool
) -> None:
    entry = only(text, list_options=allowed)
    assert (entry.verdict, entry.note, entry.refused) == (Verdict.OK, note, "")
    config = config_of(entry)
    assert (config.request, config.list_options, config.fetch_url) == (NO_OPTIONS, (), None)


@pytest.mark.parametrize(
    "line",
    [
        "me:secretpw@h/a",
        "http//me:secretpw@h/a",
        "htp:/me:secretpw@h/a",
        "http://me:sec/retpw@h/a",
        "http://me:sec retpw@h/a",
        "curl ftp://me:secretpw@h/a",
        "http:\t//me:secretpw@h/a",
    ],
)
def test_a_line_that_is_no_url_is_shown_without_its_login(line: str) -> None:
    (entry,) = read(line)
    assert entry.config is None
    assert not re.search("secretpw|retpw|me:", str(entry))


def test_a_wish_is_told_without_its_secrets() -> None:
    for text in (
        f"curl -x http://me:s3cret@evil:3128 {URL}",
        f"curl -x me:s3cret@evil:3128 {URL}",
        line(request={"proxy": "http://me:s3cret@evil:3128"}),
        line(request={"proxy": {"a": "s3cret"}}),
        f"{URL}\n  all-proxy=http://me:s3cret@evil:3128",
    ):
        entry = only(text)
        assert "asks for proxy" in entry.refused
        assert "s3cret" not in "".join((entry.refused, entry.note, entry.problem, entry.form))
    assert len(only(f"curl -x {'e' * 100_000}:1 {URL}").refused) < 200


def test_a_proxy_of_which_the_host_is_missing_is_told_without_its_password() -> None:
    for way in ("me:c4nary", "http://me:c4nary", "socks5://me:c4nary/"):
        for entry in (only(f"curl -x {way} {URL}"), only(f"{URL}\n  all-proxy={way}")):
            assert "asks for proxy" in entry.refused and "c4nary" not in f"{entry}"


def test_its_own_login_for_its_own_origin_is_its_own_affair() -> None:
    config = config_of(
        only(line(request={"user": "me:pw", "auth": "basic", "referer": "http://r/"}))
    )
    assert config.request.auth == "basic" and config.request.user is not None
    assert config.list_options == ("auth",)
    assert config.options_for(URL).user is not None
    assert config.options_for("http://mirror.example.org/report.pdf").user is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"method": "DELETE"}, "method 'DELETE' is not supported; use GET"),
        ({"method": "post", "body": "s3cret"}, "method 'post' is not supported; use GET"),
        ({"method": ["PUT"]}, "method \"['PUT']\" is not supported; use GET"),
        ({"Method": "PATCH"}, "method 'PATCH' is not supported; use GET"),
        ({"method": "GET", "body": "s3cret"}, "body sends data; only GET is supported"),
        ({"method": "GET", "data": {"a": "s3cret"}}, "data sends data; only GET is supported"),
        ({"postData": {"text": "s3cret"}}, "postData sends data; only GET is supported"),
        ({"request": {"method": "PUT"}}, "method 'PUT' is not supported; use GET"),
        ({"request": {"postData": "s3cret"}}, "postData sends data; only GET is supported"),
    ],
)
def test_a_request_in_json_that_sends_something_is_invalid(
    fields: dict[str, Any], problem: str
) -> None:
    assert only(line(**fields)).problem == problem


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "GET"}, {"method": "get"}, {"method": "HEAD"}, {"method": ""},
        {"method": None}, {"request": {"method": "GET"}}, {"method": "GET", "postData": None},
    ],
)  # fmt: skip
def test_a_get_in_json_is_a_download(fields: dict[str, Any]) -> None:
    entry = only(line(**fields))
    assert (entry.verdict, entry.note) == (Verdict.OK, "")


def test_the_body_of_a_release_in_json_is_no_data_of_a_request() -> None:
    assert only(line(body="Notes")).note == "ignored: body"


def test_secret_files_never_take_a_route_of_the_list() -> None:
    text = line(request={"netrc": True, "cookies": "/x/jar", "proxy": "http://evil:1"})
    entry = only(text, list_options=True)
    config = config_of(entry)
    assert config.request.netrc is None and config.request.cookies is None
    assert config.request.proxy_url == "http://evil:1"
    assert config.list_options == ("proxy",)
    assert "netrc (your secrets are not sent" in entry.note and "cookie file /x/jar" in entry.note


SKIP, ERROR, OVERWRITE, RENAME = (
    FileExistsStrategy(name) for name in ("skip", "error", "overwrite", "rename")
)


@pytest.mark.parametrize(
    ("usual", "asked", "becomes"),
    [
        (OVERWRITE, "skip", SKIP), (OVERWRITE, "error", ERROR), (OVERWRITE, "rename", None),
        (RENAME, "skip", SKIP), (RENAME, "error", ERROR), (RENAME, "overwrite", None),
        (SKIP, "error", ERROR), (SKIP, "overwrite", None), (SKIP, "rename", None),
        (ERROR, "skip", None), (ERROR, "overwrite", None), (ERROR, "rename", None),
        (None, "skip", SKIP), (None, "error", ERROR), (None, "overwrite", None),
        (None, "rename", None), (SKIP, "skip", None), (ERROR, "error", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("allowed", [False, True])
def test_what_becomes_of_files_can_only_become_stricter(
    usual: FileExistsStrategy | None,
    asked: str,
    becomes: FileExistsStrategy | None,
    allowed: bool,
) -> None:
    entry = only(line(file_exists_strategy=asked), exists=usual, list_options=allowed)
    assert config_of(entry).file_exists_strategy is becomes
    is_told = becomes is None and asked != usual
    assert entry.note == (
        f"ignored: file_exists_strategy {asked} (a list can only be stricter)" if is_told else ""
    )


FOLDERS = [
    (".ssh", "ssh"), (".config/autostart", "config/autostart"), ("\x1b]0;P\x07", "_]0;P_"),
    ("a\u202eb", "ab"), ("x/con", "x/con_"), ("a\n\x1b]52;c", "a _]52;c"), ("a./b.", "a/b"),
    ("-rf/--x", "_rf/_-x"), ("a/./b//c", "a/b/c"), ("a\\b", "a/b"), ("é" * 300, None),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "safe"), FOLDERS)
def test_every_reader_makes_every_folder_harmless(folder: str, safe: str | None) -> None:
    entries = [only(line(destination_subdir=folder))]
    if folder.isprintable():
        entries += [only(f"{URL}\n  dir={folder}"), only(f"curl {URL} --output-dir '{folder}'")]
    for entry in entries:
        found = config_of(entry).destination_subdir
        assert found is not None and found.isprintable()
        assert safe is None or found == safe, entry.form
        assert all(len(part.encode()) <= 255 for part in found.split("/"))


@pytest.mark.parametrize(
    "folder",
    [
        "~",
        "~/Downloads",
        "~/.ssh",
        "$HOME/x",
        "${HOME}",
        "%USERPROFILE%\\x",
        "~\\x",
        "%userprofile%",
    ],
)
def test_a_home_is_no_folder_below_the_download_folder(folder: str) -> None:
    entries = [
        only(line(destination_subdir=folder)),
        only(f"{URL}\n  dir={folder}"),
        only(f"{URL}\n  out={folder}/x"),
        only(f"curl {URL} -o '{folder}/x'"),
        only(f"curl {URL} --output-dir '{folder}' -o x"),
        only(f"{'a' * 64}  {folder}/x", base=URL),
    ]
    for entry in entries:
        assert "must be relative to the download folder" in entry.problem
    for name in ("~x/y", "x~/~y", "a/~"):
        assert only(line(destination_subdir=name)).verdict is Verdict.OK


@pytest.mark.parametrize(
    "folder", ["..", "a/../b", "/etc", "C:\\x", "\\\\h\\s", "a/" * 40 + "b", ""]
)
def test_a_folder_elsewhere_is_refused_and_not_mended(folder: str) -> None:
    assert only(line(destination_subdir=folder)).verdict is Verdict.INVALID


def test_only_the_user_chooses_another_download_folder(tmp_path: Path) -> None:
    text = line(download_dir="/etc", destination_subdir="a")
    entry = only(text)
    assert config_of(entry).download_dir is None
    assert "ignored: download_dir" in entry.note
    entry = only(text, download_dir=tmp_path)
    assert config_of(entry).get_destination_path(Path("/")).parent == tmp_path / "a"


@pytest.mark.parametrize("name", ["-rf", "--output=x", "-", ".-x", " -x"])
def test_no_name_from_outside_begins_with_a_dash(name: str) -> None:
    texts = [
        line(filename=name),
        f"{URL}\n  out={name}",
        f"curl {URL} -o '{name}'",
        f"http://h/{name.replace(' ', '%20')}",
        f"<metalink><file name='{name}'><url>{URL}</url></file></metalink>",
    ]
    for text in texts:
        found = config_of(only(text)).get_destination_filename()
        assert not found.startswith("-"), text


def test_the_users_own_name_may_begin_with_a_dash() -> None:
    assert FileConfig(url=URL, filename="-x").get_destination_filename() == "-x"


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": 10**6}, {"priority": 10**30}, {"priority": -1}, {"size_bytes": 2**63},
        {"size_bytes": -1}, {"speed_limit": 0}, {"speed_limit": 2**70}, {"timeout": 1e999},
        {"timeout": 0}, {"start_at": 1e999}, {"start_at": 1e15}, {"priority": True and "x"},
        {"headers": {f"X-{number}": "1" for number in range(101)}}, {"headers": [1]},
        {"headers": {"X": "a\r\nY: b"}}, {"headers": {"Range": "x", "X": "a\nb"}},
        {"headers": [["Range", "x", "y"]]}, {"headers": "Range"}, {"headers": 5},
        {"request": {"headers": {"X": 5}}}, {"request": 5}, {"request": ["proxy"]},
        {"mirrors": "http://x/"}, {"file_exists_strategy": "x"}, {"hash_config": "x"},
    ],
)  # fmt: skip
def test_values_out_of_bounds_are_one_sentence(fields: dict[str, Any]) -> None:
    entry = only(line(**fields))
    assert entry.verdict is Verdict.INVALID and entry.problem
    assert "\n" not in entry.problem


HEADERS = {"Host": "evil", "X-A": "1", "If-Range": "s3cret"}


@pytest.mark.parametrize(
    "text",
    [
        f"curl -H 'Host: evil' -H 'X-A: 1' -H 'If-Range: s3cret' {URL}",
        f"{URL}\n header=Host: evil\n header=X-A: 1\n header=If-Range: s3cret",
        line(headers=HEADERS),
        line(headers=list(map(list, HEADERS.items()))),
        line(request={"headers": HEADERS}),
    ],
    ids=["curl", "aria2", "JSON", "JSON pairs", "JSON request"],
)
def test_headers_of_the_engine_are_left_out_and_named(text: str) -> None:
    """They would make it impossible to continue; a command of a browser has them always."""
    entry = only(text)
    assert entry.note == "ignored: header Host, header If-Range"
    assert config_of(entry).options_for(URL).headers == (("X-A", "1"),)


@pytest.mark.parametrize(
    "name",
    [
        "X-HTTP-Method-Override", "x-http-method", "X-Method-Override", "X_HTTP_METHOD_OVERRIDE",
        "X-HTTP_Method-Override", "x_http_method", "X-Method_Override",
    ],
)  # fmt: skip
def test_no_list_has_a_get_taken_for_another_method(name: str) -> None:
    for entry in (
        only(f"curl -H '{name}: DELETE' -H 'X-A: 1' {URL}"),
        only(f"{URL}\n  header={name}: DELETE\n  header=X-A: 1\n"),
        only(line(headers={name: "DELETE", "X-A": "1"})),
        only(line(headers=[[name, "DELETE"], ["X-A", "1"]])),
        only(line(request={"headers": {name: "DELETE", "X-A": "1"}})),
    ):
        assert entry.note == f"ignored: header {name}", entry.form
        options = config_of(entry).options_for(URL)
        assert options.headers == (("X-A", "1"),)


@pytest.mark.parametrize(
    "name",
    ["Transfer_Encoding", "CONTENT_LENGTH", "Proxy_Authorization", "if_range", "If_None-Match",
     "Keep_Alive", "accept_encoding"],
)  # fmt: skip
def test_headers_of_the_engine_are_left_out_in_the_spelling_of_cgi(name: str) -> None:
    entry = only(line(headers={name: "1", "X_A": "1"}))
    assert entry.note == f"ignored: header {name}"
    assert config_of(entry).options_for(URL).headers == (("X_A", "1"),)


@pytest.mark.parametrize("headers", ["x", 5, [1], [[]], [["a"]], {"a": 1}, [None], {"": ""}])
def test_headers_that_are_none_are_one_sentence(headers: object) -> None:
    entry = only(line(headers=headers))
    assert entry.verdict is Verdict.INVALID and "header" in entry.problem


# Mirrors


def metalink(urls: list[str]) -> str:
    listed = "\n".join(f"<url>{url}</url>" for url in urls)
    return f"<metalink><file name='a'>{listed}</file></metalink>"


@pytest.mark.parametrize("count", [3000, 30_000])
def test_a_download_has_so_many_mirrors_and_no_more(count: int) -> None:
    urls = [f"http://m{number}.example.org/a" for number in range(count)]
    for text in (
        metalink(urls),
        "\t".join(urls),
        json.dumps({"url": urls[0], "mirrors": urls[1:]}),
    ):
        entry = only(text)
        config = config_of(entry)
        assert (config.url, config.mirrors) == (urls[0], tuple(urls[1 : MAX_MIRRORS + 1]))
        left_out = count - 1 - MAX_MIRRORS
        assert entry.note == f"ignored: {left_out:,} of {count - 1:,} mirrors (16 are used)"


def test_mirrors_that_cannot_be_spoil_no_download() -> None:
    bad = ["http://a..b/x", f"http://{'a' * 64}.com/", "http://h/a\x7fb", "ftp://h/x", "http://.a/"]
    good = "http://good.example.org/a"
    for text in (
        metalink([bad[0], URL, *bad[1:2], *bad[3:], good, good]),
        "\t".join([URL, bad[0], bad[1], good]),
        json.dumps({"url": URL, "mirrors": [*bad, good, 5, None]}),
    ):
        config = config_of(only(text))
        assert (config.url, config.mirrors) == (URL, (good,))


def test_what_is_wrong_with_mirrors_is_told() -> None:
    entry = only(line(mirrors=["http://a..b/x", "ftp://h/x", URL]))
    assert entry.note == (
        "ignored: mirrors with invalid URLs (1), mirrors that are not http or are repeated (2)"
    )


# Patterns: few bytes, much memory


FEW = 10_000

PATTERNS: dict[str, Callable[[int], str]] = {
    "lines": lambda most: "\n".join(f"http://h/{at}/[00001-{most - 1}]" for at in range(10)),
    "words": lambda most: " ".join(f"http://h/{at}/[00001-{most - 1}]" for at in range(10)),
    "curl": lambda most: (
        "curl " + " ".join(f"http://h/{at}/[00001-{most - 1}]" for at in range(10))
    ),
    "prose": lambda most: f"see http://h/[1-{most * 6 // 10}] and http://h/a[1-{most * 6 // 10}]",
    "many": lambda most: "\n".join(
        f"http://h/{at}/[1-9]/{{a,b}}/[1-{most // 100}]" for at in range(100)
    ),
}
CHARACTERS = {
    "long": f"http://h/{'x' * 5000}[1-99999]",
    "headers": "curl " + f"-H 'A: {'x' * 900}' " * 5 + "http://h/[1-99999]",
}


@pytest.fixture(params=[FEW, pytest.param(MAX_URLS, marks=pytest.mark.long)])
def budget(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many URLs the patterns of a text may stand for."""
    monkeypatch.setattr(patterns, "MAX_URLS", request.param)
    return int(request.param)


@pytest.mark.parametrize("kind", PATTERNS)
def test_patterns_of_a_text_share_one_budget(kind: str, budget: int) -> None:
    check_budget(PATTERNS[kind](budget), budget)


@pytest.mark.parametrize("kind", ["long", pytest.param("headers", marks=pytest.mark.long)])
def test_patterns_of_a_text_share_a_budget_of_characters(kind: str) -> None:
    check_budget(CHARACTERS[kind], MAX_URLS)


@pytest.mark.parametrize(
    "command",
    [
        "curl {headers} {urls}",
        "wget {headers} {urls}",
        "aria2c -Z {headers} {urls}",
        "aria2c {headers} --referer=* -Z {urls}",
        "aria2c -Z {urls} {headers} --http-proxy=http://p:1 --https-proxy=http://q:1",
    ],
)
def test_urls_of_a_command_share_its_headers_and_a_budget(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """488 KB of text took 1.2 GB."""
    monkeypatch.setattr(patterns, "MAX_CHARACTERS", 4 << 20)
    count, length = 1000, 20 * 2500
    option = "-H" if command.startswith("curl") else "--header"
    headers = " ".join(f"{option} 'X{at}: {'y' * 2500}'" for at in range(20))
    addresses = [f"http{'s' * (at % 2)}://h/{at}" for at in range(count)]
    text = command.format(headers=headers, urls=" ".join(addresses))
    tracemalloc.start()
    try:
        entries = read(text, list_options=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    good = [entry for entry in entries if entry.verdict is Verdict.OK]
    (told,) = [entry for entry in entries if entry.verdict is Verdict.INVALID]
    assert entries[-1] is told and "4 MiB" in told.problem
    assert [entry.config and entry.config.url for entry in good] == addresses[: len(good)]
    assert 75 < len(good) < (4 << 20) / length + 2
    assert peak < 4_000_000


@pytest.mark.parametrize("referer", ["", "--referer=*"])
def test_options_of_a_command_are_read_once_for_all_its_urls(referer: str) -> None:
    """20,000 URLs with 500 headers took eight seconds."""

    def calls(headers: int) -> int:
        options = " ".join(f"--header=A{at}:b" for at in range(headers))
        urls = " ".join(f"https://h/{at}" for at in range(50))
        profile = Profile()
        profile.runcall(read, f"aria2c -Z {options} {referer} {urls}")
        code = url_list._header.__code__
        return sum(each.callcount for each in profile.getstats() if each.code is code)

    assert (calls(5), calls(50)) == (5, 50)


def check_budget(text: str, budget: int) -> None:
    """A text whose patterns stand for too much gives no more than it may, in bounded memory."""
    tracemalloc.start()
    try:
        entries = read(text, patterns=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    good = [entry for entry in entries if entry.verdict is Verdict.OK]
    (told,) = [entry for entry in entries if entry.verdict is Verdict.INVALID]
    assert len(good) <= budget
    assert f"{budget:,} URLs" in told.problem
    assert entries[-1] is told
    assert peak < budget * 2_000


def test_lists_are_whole_whatever_patterns_come_before(budget: int) -> None:
    text = [f"http://h/[1-{budget - 1}]", f"http://h/a[1-{budget - 1}]", "http://h/b[1-2]"]
    urls = [f"http://h/c{number}" for number in range(1000)]
    entries = read("\n".join([*text, *urls]), patterns=True)
    assert [entry.line for entry in entries if entry.verdict is Verdict.INVALID] == [2]
    assert [entry.config.url for entry in entries[-1000:] if entry.config] == urls


def test_downloads_of_one_command_share_their_headers() -> None:
    """Each with a copy of its own, a text of 100 KB would fill gigabytes."""
    headers = " ".join(f"-H 'X-{number}: {number}'" for number in range(100))
    urls = " ".join(f"http://h/{number}" for number in range(100))
    entries = read(f"curl {headers} {urls} 'http://h/[1000-1100]'", patterns=True)
    assert len({id(config_of(entry).headers) for entry in entries}) == 1


@pytest.mark.parametrize("number", ["1001", 1001.0, " 1001 ", 10**18])
def test_a_priority_is_bounded_in_whatever_form_it_comes(number: object) -> None:
    entry = only(line(priority=number))
    assert entry.verdict is Verdict.INVALID and "too high" in entry.problem


@pytest.mark.parametrize("limit", [1, "1", 9_999, 100.0])
def test_a_speed_limit_that_would_hold_a_slot_for_days_is_raised(limit: object) -> None:
    entry = only(line(speed_limit=limit))
    assert config_of(entry).speed_limit == 10_000
    assert entry.note == f"ignored: speed_limit {int(float(str(limit))):,} (raised to 10 kB/s)"


@pytest.mark.parametrize("limit", [10_000, "10000", 10**9])
def test_other_speed_limits_of_a_list_are_used(limit: object) -> None:
    entry = only(line(speed_limit=limit))
    assert (config_of(entry).speed_limit, entry.note) == (int(str(limit)), "")


def test_a_start_that_never_comes_is_left_out() -> None:
    now, day = time.time(), 86_400
    for start in (253_402_214_399, str(253_402_214_399), now + 366 * day):
        entry = only(line(start_at=start))
        assert config_of(entry).start_at is None
        assert entry.note == "ignored: start_at more than 365 days ahead"
    assert config_of(only(line(start_at=now + 364 * day))).start_at == now + 364 * day


@pytest.mark.parametrize("size", [str(10**18), 1e18, "1e18"])
def test_a_size_is_bounded_in_whatever_form_it_comes(size: object) -> None:
    assert only(line(size_bytes=size)).verdict is Verdict.INVALID


@pytest.mark.parametrize("listed", [False, True])
def test_options_that_go_with_each_url_of_a_pattern_count_too(listed: bool) -> None:
    """A text of 1 MB would keep a copy of them for each of 20,000 URLs."""
    for options in (f"  all-proxy=http://h:1/{'a' * 10**6}", "  option=x\n" * 10**5):
        entries = read(f"http://h/[1-20000]\n{options}", patterns=True, list_options=listed)
        assert len(entries) == 1 and "64 MiB" in entries[0].problem


@pytest.mark.parametrize("value", ["/x/me.pem:c4nary", r"/x/me.pem:c4na\:ry", ":c4nary"])
def test_the_password_of_a_certificate_is_no_part_of_its_name(value: str) -> None:
    for allowed in (False, True):
        entry = only(f"curl -E '{value}' {URL}", list_options=allowed)
        assert "c4na" not in repr(entry) and "ignored: the password of --cert" in entry.note
        assert "/x/me.pem" in entry.refused + entry.used or value[0] == ":"


def test_a_metalink_of_elements_within_elements_is_refused_at_once() -> None:
    """1.2 MB of them took minutes."""
    entry = only("<metalink>" + "<file>" * 200_000)
    assert entry.problem == "the Metalink is nested too deeply"


@pytest.mark.parametrize("part", ["http://h/(", "http://h/[", "http://h/!", "(http://h/"])
def test_prose_without_blanks_takes_no_time_that_grows_with_its_square(part: str) -> None:
    """Not by the clock: 2 MB of it would take an hour."""
    (entry,) = read(f"see {part * 200_000}")
    assert entry.verdict is Verdict.INVALID and "longer than 65,536" in entry.problem


def test_a_long_url_in_prose_is_read() -> None:
    url = f"http://files.example.org/?q={'a' * 20_000}"
    assert config_of(only(f"see {url} there")).url == url


def test_a_metalink_with_an_element_of_a_million_lines_takes_no_minutes() -> None:
    """Not by the clock: given line by line, expat 2.5 needs five."""
    for text in ("<metalink>\n<file" + "\n" * 10**6, "<metalink>\n<!-- " + ">\n" * 10**6):
        assert "incomplete" in only(text).problem


@pytest.mark.parametrize("option", ["socks4", "socks4a"])
def test_a_proxy_of_a_kind_that_is_not_supported_is_never_passed_by(option: str) -> None:
    text = f"curl --{option} e:1 {URL}"
    (entry,) = read(text)
    assert entry.refused == f"asks for proxy {option}://e:1: not used"
    (entry,) = read(text, list_options=True)
    assert entry.config is None and "should be the URL of a proxy" in entry.problem


@pytest.mark.parametrize("limit", [None, 3.0, 1000.0])
@pytest.mark.parametrize("asked", [1, 3, 1_000_000])
def test_a_list_only_lowers_the_time_limit(limit: float | None, asked: int) -> None:
    line = json.dumps({"url": "https://h/a", "timeout": asked})
    (entry,) = read_entries([line], (), ReadOptions(timeout=limit))
    assert entry.config is not None
    if limit is None or asked <= limit:
        assert (entry.config.timeout, entry.note) == (asked, "")
    else:
        assert entry.config.timeout is None  # that of the engine
        assert entry.note == f"ignored: timeout {asked:g} s (yours of {limit:g} s is used)"


@pytest.mark.parametrize(
    ("kind", "is_used"),
    [
        ("text/html", False),
        ("TEXT/HTML; charset=utf-8", False),
        ("application/xhtml+xml", False),
        ("application/zip", True),
        ("text/plain", True),
    ],
)
def test_a_list_cannot_say_that_the_file_is_a_web_page(kind: str, is_used: bool) -> None:
    (entry,) = read_entries([json.dumps({"url": "https://h/a.zip", "type": kind})])
    assert entry.config is not None
    assert (entry.config.type, entry.note) == (
        (kind, "") if is_used else (None, f"ignored: type {kind}")
    )


LONG_HOST = f"proxy.corp.example.{'a' * 60}.{'b' * 60}"


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"proxy": f"http://{LONG_HOST}.good:1"}, {"proxy": f"http://{LONG_HOST}.evil:1"}),
        ({"ca_file": f"/{'c' * 100}/good.pem"}, {"ca_file": f"/{'c' * 100}/evil.pem"}),
        ({"ca_file": "/a, interface lo"}, {"ca_file": "/a", "interface": "lo"}),
        ({"ca_file": '/a", interface "lo'}, {"ca_file": "/a", "interface": "lo"}),
        ({"ca_file": "/a, interface lo"}, {"ca_file": '/a\\", interface lo'}),
    ],
)
def test_what_a_list_asks_for_is_shown_whole(
    one: dict[str, str], other: dict[str, str], allowed: bool
) -> None:
    texts = [json.dumps({"url": "https://h/a", "request": each}) for each in (one, other)]
    first, second = (
        next(iter(read_entries([text], (), ReadOptions(list_options=allowed)))) for text in texts
    )
    assert first.asks_for and second.asks_for
    assert first.asks_for != second.asks_for
    for value in one.values():
        assert value in first.asks_for or json.dumps(value) in first.asks_for


@pytest.mark.parametrize("allowed", [True, False])
def test_an_option_that_is_too_long_to_show_is_not_used(allowed: bool) -> None:
    text = json.dumps({"url": "https://h/a", "request": {"ca_file": f"/{'c' * 500}"}})
    (entry,) = read_entries([text], (), ReadOptions(list_options=allowed))
    assert (entry.refused, entry.used) == ("", "")
    assert entry.note == "ignored: CA file (501 characters)"
    assert entry.config is not None and entry.config.request.ca_file is None
