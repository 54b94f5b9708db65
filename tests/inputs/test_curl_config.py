"""Config files of curl: read as the command that they stand for."""

from cProfile import Profile

import pytest

from rheo_core.inputs import Verdict, curl_config, read_entries
from tests.inputs.texts import asked, problems, read, urls

URL = "https://h/a.iso"


@pytest.mark.parametrize(
    "text",
    [
        f'url = "{URL}"\noutput = "b"\nheader = "X-A: 1"\n',
        f'output="b"\nurl="{URL}"\nheader="X-A: 1"',
        f"url={URL}\noutput=b\n-H \"X-A: 1\"\n",
        f'# a comment\nurl = "{URL}" # another\n\n  output : b\n--header "X-A: 1"\ncompressed\n',
        f'url = "{URL}"\n-o b\nheader = "X-A:\\t1"\r\nsilent\n',
    ],
)  # fmt: skip
def test_options_are_those_of_the_command(text: str) -> None:
    (entry,) = read(text)
    assert (entry.verdict, entry.form, entry.note) == (Verdict.OK, "curl config", "")
    (fields,) = asked(text)
    assert fields == {"url": URL, "filename": "b", "headers": [["X-A", "1"]]}


def test_a_login_is_used_and_not_shown() -> None:
    text = f'url = "{URL}"\nuser = "me:s3\\"cret"\n'
    (entry,) = read(text)
    assert "s3" not in entry.text + entry.note
    assert asked(text) == asked(f"curl {URL} -u 'me:s3\"cret'")


@pytest.mark.parametrize("line", ["max-filesize=1", "pinnedpubkey = x", 'doh-url = "https://d/"'])
def test_nothing_is_sent_without_what_protects(line: str) -> None:
    name = line.partition("=")[0].strip()
    ((_, problem),) = problems(f'url = "{URL}"\n{line}\n')
    assert problem == f"--{name} is not supported; rheo sends no request without it"


def test_lines_that_are_not_used_are_named() -> None:
    text = f'url = "{URL}"\nfrobnicate = "https://other/"\nretry = 5\n'
    (entry,) = read(text)
    assert entry.note == "ignored: --frobnicate, --retry"


def test_several_urls_and_parts() -> None:
    text = f'url = "{URL}"\nnext\nurl = "{URL}?2"\noutput = "c"\n\nhttps://h/list\n'
    assert urls(text) == [URL, f"{URL}?2", "https://h/list"]
    assert [entry.form for entry in read(text)] == ["curl config", "curl config", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"url: {URL}\nversion: 1\nname: a\nuser: x", [URL]),  # YAML
        (f"output: b\nproxy: none\n{URL}", [URL]),
        (f"location: Berlin\nsilent\n\nsee {URL}", [URL]),
        (f'output\nsilent\na word\nb\nc\nd\nurl = "{URL}"', [URL]),
        (f'url = "{URL}', [URL]),  # the quote does not close
        (f"url: {URL}", [URL]),
        (f"URL={URL}", [URL]),
        (f'url = "{URL}"\nuser agents are named in this line\n', [URL]),
    ],
)
def test_other_texts_stay_plain(text: str, expected: list[str]) -> None:
    found = [entry.config.url for entry in read(text) if entry.config]
    assert found == expected


SECRET = "cookie-of-me"


@pytest.mark.parametrize(
    "line",
    [
        "pinnedpubkey = sha256//abc=",
        "pinnedpubkey=sha256//abc=",
        "pinnedpubkey: sha256//abc=",
        'pinnedpubkey "sha256//abc="',
        "--pinnedpubkey x",
        "max-filesize = 1000",
        "doh-url = https://dns/q",
        'doh-url = "https://dns/q" and more',
        "tlsv1.3",
        "no-location",
        "-Xpost",
        "-sSLXpost",
    ],
)
@pytest.mark.parametrize("between", ["", "# a comment\n\n", "silent\nretry = 5\n", "-sSL\n"])
@pytest.mark.parametrize("url", [f"url = {URL}", f'url="{URL}"', f'--url "{URL}"'])
def test_no_place_and_no_form_of_a_line_is_weaker(line: str, between: str, url: str) -> None:
    for text in (f"{line}\n{between}{url}\n", f"{url}\n{between}{line}\n"):
        (entry,) = read(text)
        assert (entry.verdict, entry.form) == (Verdict.INVALID, "curl config"), text
        assert "sends no request" in entry.problem or "POST" in entry.problem.upper()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (f"user = a:b\nurl = {URL}", f"curl -u a:b {URL}"),
        (f"-ua:b\nurl = {URL}", f"curl -u a:b {URL}"),
        (f"proxy = socks5h://h:1\nurl = {URL}", f"curl -x socks5h://h:1 {URL}"),
        (f'-xsocks5h://h:1\nurl = "{URL}"', f"curl -x socks5h://h:1 {URL}"),
        (f'url = "{URL}"\nuser-agent = my agent\n-sSfoa.iso', f"curl -A my -o a.iso {URL}"),
        (f"-b {SECRET}=1\nurl: {URL}", f"curl -b {SECRET}=1 {URL}"),
    ],
)
def test_lines_without_quotes_are_those_of_the_command(text: str, fields: str) -> None:
    assert asked(text, list_options=True) == asked(fields, list_options=True)


@pytest.mark.parametrize("odd", ["frobnicate", "a b c", f"-{'s' * 99}", "Max-Filesize = 5", "]"])
@pytest.mark.parametrize(
    "text",
    [
        'url = "{url}"\n{odd}\nproxy="socks5h://127.0.0.1:9050"',
        'url = "{url}"\n{odd}\nproxy = socks5h://h:1',
        "user-agent = x\n{odd}\nurl = {url}",
        'url = "{url}"\n\n{odd}\n# more\n\nheader = "X: y"\n',
    ],
)
def test_a_config_with_an_odd_line_is_refused_whole(odd: str, text: str) -> None:
    entries = read(text.format(url=URL, odd=odd))
    assert all(entry.config is None for entry in entries)
    assert "is not a curl option" in entries[0].problem


@pytest.mark.parametrize("after", ["", "\nprint(reply)\n"])
def test_lines_of_a_program_are_no_config(after: str) -> None:
    text = f"url = \"{URL}\"\npayload = {{}}\nheaders = {{'Authorization': 'x'}}{after}"
    entries = read(text)
    assert all(entry.config is None for entry in entries)
    assert entries[0].problem == "line 2 of this curl config is not a curl option"


@pytest.mark.parametrize(
    "line",
    [
        'doh-url = "https://dns/q"',
        'header = "https://h/a"',
        'data = "https://h/a"\nrequest = "POST"',
        'cookie = "a=https://h/b"',
        'proxy-header = "X: https://h/a"',
        'ipfs-gateway = "https://gw/"',
        'output = "https://x/y"',
        'expand-url = "https://h/{{x}}"',
        'variable = "x=1"\nexpand-url = "https://h/{{x}}"',
    ],
)
def test_a_value_of_another_option_is_no_download(line: str) -> None:
    for more, expected in (("", []), ("\n\nhttps://h/list\n", ["https://h/list"])):
        found = [entry.config.url for entry in read(line + more) if entry.config]
        assert found == expected


def test_lines_of_options_without_a_url_are_looked_at_once() -> None:
    """The look ahead for a `url` starts again only behind the lines that it has seen."""
    lines = ["proxy = x", "a word"] * 2000
    profile = Profile()
    profile.runcall(list, read_entries(lines))
    code = curl_config._words.__code__
    (calls,) = [each.callcount for each in profile.getstats() if each.code is code]
    assert calls < 6 * len(lines)
