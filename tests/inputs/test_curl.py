"""curl commands: what browsers copy, what people write, what is refused, what stays secret."""

import re
import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_core.inputs import ReadOptions, Verdict, read_entries
from rheo_core.inputs.curl_options import takes_value
from rheo_core.inputs.reader_api import INVISIBLE, Lines
from rheo_core.inputs.shell_words import _arguments, read_commands
from tests.inputs.texts import (
    CHROME_BASH,
    CHROME_CMD,
    FIREFOX_BASH,
    FIREFOX_CMD,
    SAFARI,
    asked,
    problems,
    read,
    urls,
)

URL = "https://cdn.example.org/get/file.iso"


def headers(text: str) -> dict[str, str]:
    (fields,) = asked(text)
    return dict(fields.get("headers", ()))


def test_chrome_bash() -> None:
    (fields,) = asked(CHROME_BASH)
    assert fields["url"] == f"{URL}?sig=a%2Fb&x=1"
    assert dict(fields["headers"]) == {
        "accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
        "accept-language": "en-US,en;q=0.9",
        "x-note": "it's ! here",
        "Cookie": "sid=s3cret; theme=dark",
        "priority": "u=0, i",
        "sec-ch-ua": '"Chromium";v="131", "Not_A Brand";v="24"',
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
    }


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_chrome_cmd(end: str) -> None:
    (fields,) = asked(CHROME_CMD.replace("\n", end))
    assert fields["url"] == f"{URL}?sig=a%2Fb&x=1"
    assert dict(fields["headers"]) == {
        "accept": "*/*",
        "Cookie": "sid=s3cret; theme=dark",
        "sec-ch-ua": '"Chromium";v="131"',
    }


def test_firefox() -> None:
    found = headers(FIREFOX_BASH)
    assert found.keys() == {"User-Agent", "DNT", "Cookie", "Sec-GPC"}
    (entry,) = read(FIREFOX_BASH)
    assert entry.note == "ignored: header Accept-Encoding, header Connection"
    assert headers(FIREFOX_CMD)["X-Quoted"] == 'say "hello" \\'


def test_safari() -> None:
    assert headers(SAFARI)["Cookie"] == "sid=s3cret"
    assert read(SAFARI)[0].note == "ignored: header Range"


def test_several_as_chrome_copies_all() -> None:
    bash = f"{CHROME_BASH} ;\n{SAFARI} ;\nhttps://example.org/plain\n"
    assert [(entry.line, entry.form) for entry in read(bash)] == [
        (1, "curl command"), (10, "curl command"), (16, ""),
    ]  # fmt: skip
    assert len(urls(f"{CHROME_CMD} &\r\n\r\n{CHROME_CMD.replace('get', 'got')}")) == 2
    assert urls("curl a.org/1; curl 'b.org/2'") == ["http://a.org/1", "http://b.org/2"]


def test_nothing_secret_is_shown() -> None:
    secret = "-u me:s3cret -H 'X-Token: s3cret' --oauth2-bearer s3cret 'https://u:s3cret@x/?token=s3cret'"
    for text in (CHROME_BASH, CHROME_CMD, f"curl {secret}", f"curl -X PUT {secret}"):
        (entry,) = read(text)
        assert "s3cret" not in entry.text + entry.problem + entry.note + entry.form
        assert "s3cret" not in repr(entry.config).replace("u:s3cret@x/?token=s3cret", "")


@pytest.mark.parametrize(
    ("option", "note", "problem"),
    [
        (
            "--user=me:s3cret",
            "",
            "--user= is not an option of curl; write the value as the next word",
        ),
        (
            "'--header=X-Token: s3cret'",
            "",
            "--header= is not an option of curl; write the value as the next word",
        ),
        (
            "--proto-default=https",
            "",
            "--proto-default= is not an option of curl; write the value as the next word",
        ),
        (
            "-H 'Authorization Bearer s3cret'",
            "",
            "a header (-H) does not have the form 'Name: value'",
        ),
    ],
)
def test_nothing_secret_is_shown_of_what_is_written_wrongly(
    option: str, note: str, problem: str
) -> None:
    (entry,) = read(f"curl {option} {URL}")
    assert (entry.note, entry.problem) == (note, problem)


@pytest.mark.parametrize("url", ["http:/me:s3cret@x/f", "http:\\\\me:s3cret@x/f"])
def test_a_login_in_what_is_no_url_is_hidden(url: str) -> None:
    (entry,) = read(f"curl '{url}'")
    assert entry.problem
    assert "s3cret" not in entry.text + entry.problem + entry.note


@pytest.mark.parametrize(
    "text", ["https://me:{}@x/f", "curl https://me:{}@x/f", "curl 'ftp://me:{}@x y'"]
)
def test_a_long_login_is_hidden_before_the_text_is_cut(text: str) -> None:
    (entry,) = read(text.format("s3cret" * 200))
    assert "s3cret" not in entry.text + entry.problem + entry.note


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ("-o name.iso", {"filename": "name.iso"}),
        ("-oname.iso", {"filename": "name.iso"}),
        ("-o a/b/name.iso", {"filename": "name.iso", "destination_subdir": "a/b"}),
        ("-o b/n --output-dir a", {"filename": "n", "destination_subdir": "a/b"}),
        ("--output-dir a", {"destination_subdir": "a"}),
        ("-o -", {}),
        ("-sSLO", {}),
        ("-u name:pass", {"headers": [["Authorization", "Basic bmFtZTpwYXNz"]]}),
        ("-u n:p -H 'Authorization: x'", {"headers": [["Authorization", "x"]]}),
        ("-b a=1", {"headers": [["Cookie", "a=1"]]}),
        ("-b a=1 -b 'b=2; c=3'", {"headers": [["Cookie", "a=1; b=2; c=3"]]}),
        ("-A Me -e http://r/", {"headers": [["User-Agent", "Me"], ["Referer", "http://r/"]]}),
        ("-H 'X-Empty;' -H 'Gone:'", {"headers": [["X-Empty", ""]]}),
        ("-X GET -G -L --compressed -g", {}),
    ],
)
def test_options(options: str, fields: dict[str, object]) -> None:
    (entry,) = read(f"curl {options} {URL}")
    assert entry.note == ""
    assert asked(f"curl {options} {URL}") == [{"url": URL, **fields}]
    assert asked(f"curl {URL} {options}") == [{"url": URL, **fields}]


@pytest.mark.parametrize("word", ["http://h/a", "HTTPS://h/a", "h.example/a", "1.2.3.4:80/a"])
def test_a_url_after_an_unknown_option_is_one(word: str) -> None:
    (entry,) = read(f"curl --frobnicate {word}")
    assert (entry.verdict, entry.note) == (Verdict.OK, "ignored: --frobnicate")


@pytest.mark.parametrize("text", ["curl --frobnicate 5", "curl -W localhost"])
def test_a_command_without_a_url_is_invalid(text: str) -> None:
    (entry,) = read(text)
    assert entry.problem == "the curl command has no URL"


def test_the_curl_that_is_installed_takes_the_same_values() -> None:
    """A newer one may have options that are not known yet."""
    if (curl := shutil.which("curl")) is None:
        pytest.skip("no curl")
    told = subprocess.run([curl, "--help", "all"], capture_output=True, text=True, check=True)
    options = re.findall(r"^ *(?:-., )? *--([\w.-]+)( [<\[])?", told.stdout, re.MULTILINE)
    assert len(options) > 200
    assert [name for name, value in options if takes_value(name) not in (None, bool(value))] == []


def test_how_it_travels() -> None:
    allowed = ReadOptions(list_options=True)
    (entry,) = read_entries([f"curl -x me:s3cret@p:1 --cacert /ca.pem {URL}"], (), allowed)
    assert entry.used == "uses proxy ***@p:1, CA file /ca.pem, as requested"
    assert entry.config is not None
    assert entry.config.request.proxy_url == "http://me:s3cret@p:1"
    assert str(entry.config.request.ca_file) == "/ca.pem"
    assert entry.config.list_options == ("proxy", "ca_file")
    (bad,) = read_entries([f"curl -x ftp://me:s3cret@p {URL}"], (), allowed)
    assert bad.verdict is Verdict.INVALID
    assert "should be the URL of a proxy" in bad.problem and "s3cret" not in bad.problem


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ("-k -kv", "ignored: --insecure, --verbose"),
        ("--limit-rate 5M --retry 3", "ignored: --limit-rate, --retry"),
        ("-H @headers", "ignored: -H @file"),
        ("--not-of-curl", "ignored: --not-of-curl"),
        ("--frobnicate 5", "ignored: --frobnicate and the word after it"),
        ("--frobnicate s3cret.example", "ignored: --frobnicate and the word after it"),
        ("--frobnicate=5", "ignored: --frobnicate"),
        ("--frobnicate -k", "ignored: --frobnicate, --insecure"),
        ("-W 5", "ignored: -W and the word after it"),
        ("-sW 5", "ignored: -W and the word after it"),
        ("--ssl-sessions file --krb4 x", "ignored: --ssl-sessions, --krb4"),
        (
            "--tcp-nodelay --no-keepalive -N --no-tcp-nodelay",
            "ignored: --tcp-nodelay, --no-keepalive, --no-buffer, --no-tcp-nodelay",
        ),
        ("-i -1 -Z", "ignored: --show-headers, --tlsv1, --parallel"),
    ],
)
def test_what_is_ignored_is_named(options: str, note: str) -> None:
    (entry,) = read(f"curl {options} {URL}")
    assert (entry.verdict, entry.note) == (Verdict.OK, note)
    assert entry.config is not None
    assert entry.config.url == URL


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("curl", "the curl command has no URL"),
        (f"curl -X POST {URL}", "-X sends a POST request; only GET is supported"),
        (f"curl {URL} --data-raw 'a=s3cret'", "--data-raw sends data; only GET is supported"),
        (f"curl {URL} -d a", "--data sends data"),
        (f"curl -T file {URL}", "--upload-file sends data"),
        (f"curl -I {URL}", "-I requests headers only"),
        (f"curl -u name {URL}", "-u has no password"),
        (f"curl -H nonsense {URL}", "a header (-H) does not have the form 'Name: value'"),
        (f"curl -o ../x {URL}", "-o '../x' must not contain '..'"),
        (f"curl -o /etc/x {URL}", "-o '/etc/x' must be relative"),
        (f"curl -o 'C:\\x' {URL}", "-o 'C:\\\\x' must be relative"),
        (f"curl --output-dir ../x {URL}", "--output-dir '../x/file' must not"),
        ("curl ftp://x/y", "has scheme 'ftp'"),
        ("curl 'https://x/open", "the command has an unclosed quote"),
        (
            "curl https://x/ \\",
            "the command is incomplete: its last line ends with a continuation",
        ),
    ],
)
def test_what_is_refused(command: str, problem: str) -> None:
    (told,) = problems(command)
    assert told[0] == 1
    assert problem in told[1]


def test_an_open_quote_swallows_no_list() -> None:
    text = "curl 'https://x/open\n" + "".join(f"https://x/{number}\n" for number in range(1000))
    entries = read(text)
    assert [entry.verdict for entry in entries] == [Verdict.INVALID] + [Verdict.OK] * 1000


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ("-A x -A y", {"User-Agent": ["y"]}),
        ("-e r1 -e 'r2;auto'", {"Referer": ["r2"]}),
        ("--oauth2-bearer A --oauth2-bearer B", {"Authorization": ["Bearer B"]}),
        ("-H 'user-agent: z' -A y", {"User-Agent": ["z"]}),
        ("-A y -H 'User-Agent: z' -H 'User-Agent: w'", {"User-Agent": ["z", "w"]}),
        ("-b a=1 -H 'Cookie: c=3' -b b=2", {"Cookie": ["c=3"]}),
        ("-b a=1 -b b=2", {"Cookie": ["a=1; b=2"]}),
        ("-u a:b -u c:d", {"Authorization": ["Basic Yzpk"]}),
        ("-u a:b --oauth2-bearer B", {"Authorization": ["Bearer B"]}),
        ("--oauth2-bearer B -H 'authorization: Digest x'", {"Authorization": ["Digest x"]}),
    ],
)
def test_an_option_for_one_header_counts_once(options: str, headers: dict[str, list[str]]) -> None:
    """As curl sends them; most servers refuse two of a field."""
    (fields,) = asked(f"curl {options} https://h/a")
    sent = fields["headers"]
    found = {name: [v for n, v in sent if n.lower() == name.lower()] for name in headers}
    assert found == headers


@pytest.mark.parametrize(
    "options",
    [
        "-e ''", "-e ';auto'", "-e http://r/ -e ''", "-e http://r/ -H Referer:", "-H referer: -e r",
        "-u a:b -H Authorization:", "-H 'authorization: ' --oauth2-bearer T", "-b a=1 -H Cookie:",
        "--digest -u a:b -H Authorization:",
    ],
)  # fmt: skip
def test_a_header_without_a_value_is_kept_back(options: str) -> None:
    """So does curl, although another option or the URL has a value for it."""
    assert asked(f"curl {options} http://h/a?u=@b") == [{"url": "http://h/a?u=@b"}]
    if "Authorization:" in options:
        assert asked(f"curl {options} http://me:ur@h/a?u=@b") == [{"url": "http://h/a?u=@b"}]


def test_the_login_of_an_option_replaces_that_of_the_url() -> None:
    (fields,) = asked("curl -u me:pw http://you:ur@h/a")
    assert fields == {"url": "http://h/a", "headers": [["Authorization", "Basic bWU6cHc="]]}
    (invalid,) = read(r"curl -u me:pw 'http://a\@b/'")
    assert invalid.verdict is Verdict.INVALID


@pytest.mark.parametrize("scheme", ["--digest", "--basic", "--anyauth"])
def test_a_token_is_not_sent_before_it_is_asked_for(scheme: str) -> None:
    """curl sends none at first if it may choose."""
    (invalid,) = read(f"curl {scheme} --oauth2-bearer T http://h/a")
    assert "--oauth2-bearer cannot be combined" in invalid.problem


def test_options_before_the_first_url_go_on() -> None:
    """A part without a URL is none, for curl; its options would be lost."""
    for text in ("-u me:pw --next http://h/a", "--next -u me:pw --next http://h/a"):
        (fields,) = asked(f"curl {text}")
        assert fields == {"url": "http://h/a", "headers": [["Authorization", "Basic bWU6cHc="]]}
    (invalid,) = read("curl -d x --next http://h/a")
    assert "sends data" in invalid.problem


def test_parts_of_a_command_have_headers_of_their_own() -> None:
    first, second = asked("curl -H 'A: 1' http://x/1 --next -H 'B: 2' http://x/2")
    assert first == {"url": "http://x/1", "headers": [["A", "1"]]}
    assert second == {"url": "http://x/2", "headers": [["B", "2"]]}


def test_several_urls_and_outputs() -> None:
    first, second = asked("$ curl -o one http://x/1 -o two --url http://x/2")
    assert (first["filename"], second["filename"]) == ("one", "two")
    first, second = asked("curl -O http://x/1 -o two http://x/2")
    assert ("filename" in first, second["filename"]) == (False, "two")


@pytest.mark.parametrize(
    "rest", ["| tar xz", "> file", "2>/dev/null", "&& unzip x.zip", "; cd x; make", "|| exit 1"]
)
def test_what_follows_is_not_run(rest: str) -> None:
    (entry,) = read(f"curl {URL} {rest}")
    assert entry.note == "ignored: the text after the command"


@pytest.mark.parametrize("option", ["-b a={}", "-H 'X: {}'", "--cacert {}", "-u a:{}", "--{}"])
def test_what_a_command_repeats_has_a_limit(option: str) -> None:
    """A line of 400 KB would fill gigabytes: each of its downloads is kept with its headers."""
    words = " ".join(f"http://h/{at}" for at in range(20_000))
    many = " --".join(f"x{at}" for at in range(20_000)) if option == "--{}" else "x" * 100_000
    found = read(f"curl {option.format(many)} {words}\nhttp://h/after")
    refused = [entry for entry in found if "64 MiB" in entry.problem]
    assert len(found) < 1500 and len(refused) == 1
    assert found[-1].config is not None and found[-1].config.url == "http://h/after"


def test_a_long_command_without_headers_is_read_whole() -> None:
    words = " ".join(f"http://h/{at}" for at in range(20_000))
    assert len(urls(f"curl -b a=b {words}")) == 20_000


def test_many_commands_on_a_line() -> None:
    assert len(urls("; ".join(f"curl http://h/{at}" for at in range(3000)))) == 3000


def test_what_follows_is_read_if_it_downloads() -> None:
    text = "curl -O http://x/1 && curl -O http://x/2; tar x\ncurl http://x/3 || wget http://x/4"
    assert urls(text) == [f"http://x/{number}" for number in (1, 2, 3, 4)]


def test_unquoted_queries() -> None:
    assert urls("curl http://x/?a=1&b=2&c") == ["http://x/?a=1&b=2&c"]


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(WORD, max_size=6))
def test_bash_words_are_those_of_shlex(words: list[str]) -> None:
    text = "curl " + shlex.join(words)
    lines = [f"{line}\n" for line in text.split("\n")]
    # The one is a sign of cmd, the other an end of a line on Windows wherever it stands. And
    # invisible characters at the beginning of a line are left out.
    is_plain = lines == [line.lstrip(INVISIBLE) for line in lines]
    if is_plain and "^" not in lines[0] and "\r\n" not in text:
        commands = read_commands(Lines(lines), lambda *_: False)
        assert list(commands) == [(["curl", *words], False, frozenset())]


@given(st.lists(st.text(st.sampled_from('ab \\"\t')), min_size=1, max_size=5))
def test_arguments_of_windows(words: list[str]) -> None:
    """`list2cmdline` writes them as the C runtime reads them."""
    assert _arguments(subprocess.list2cmdline(words)) == words


@pytest.mark.parametrize("end", [";", "&&", "||", ";;", " ; ", "&;"])
def test_a_command_ends_at_an_unquoted_sign_also_without_a_blank(end: str) -> None:
    (entry,) = read(f"curl http://x/a{end}id -o b http")
    assert (entry.config and entry.config.url, entry.note) == (
        "http://x/a",
        "ignored: the text after the command",
    )
    assert urls(f"curl http://x/a{end}curl http://x/b") == ["http://x/a", "http://x/b"]
    assert urls(f"curl 'http://x/a{end.strip()}b'") == [f"http://x/a{end.strip()}b"]
