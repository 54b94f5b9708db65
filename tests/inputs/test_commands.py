"""Commands of wget and aria2c, prompts, and what is recognised but not read."""

import re
import shutil
import subprocess

import pytest

from rheo_core.inputs import Verdict, aria2c, wget
from tests.inputs.texts import PROSE, SHA256, asked, problems, read, urls

URL = "https://cdn.example.org/get/file.iso"


@pytest.mark.parametrize(
    "before",
    [
        "$ ", "> ", "% ", "me@host:~$ ", "[me@host isos]$ ", "root@host:/# ", "PS C:\\me> ",
        "C:\\Users\\me>", "(venv) me@host:~/x$ ", "bash-5.2$ ", "~/x $ ", "sudo ", "$ sudo -u me ",
        "env A=b ", "A='b c' D=e ", "time ", "nohup ", "/usr/bin/", "cd x && ", "mkdir x; cd x; ",
        "me@mac ~ % ", "host% ", "MacBook:~ me$ ", "/ # ", "[12:30:01] me@host:~$ ", "└─$ ", "╰─$ ",
        "➜  ~ ", "➜  isos git:(main) ✗ ", "❯ ",
        "- ", "1. ", "!", "RUN ", "nice -n 10 ", "timeout 60 ", "PS> ",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "command", ["curl -o x.iso -H 'Cookie: a=b' {}", "wget -O x.iso --header 'Cookie: a=b' {}",
                "aria2c -o x.iso --header='Cookie: a=b' {}"],
)  # fmt: skip
def test_words_before_a_command(before: str, command: str) -> None:
    assert asked(before + command.format(URL)) == [
        {"url": URL, "filename": "x.iso", "headers": [["Cookie", "a=b"]]}
    ]


def test_a_comment_behind_a_command_is_no_part_of_it() -> None:
    expected = [{"url": URL, "filename": "x.iso"}, {"url": f"{URL}#a", "filename": "y.iso"}]
    assert asked(f"curl -o x.iso {URL} # the https://x/latest\nwget -O y.iso {URL}#a") == expected


def test_a_path_of_windows_before_a_command() -> None:
    text = f'C:\\Windows\\System32\\curl.exe -o x.iso -H "A: b c" {URL}?a^&b'
    assert asked(text.replace("^", "")) == [
        {"url": f"{URL}?a&b", "filename": "x.iso", "headers": [["A", "b c"]]}
    ]


def test_a_route_before_a_command_is_named() -> None:
    (entry,) = read(f"https_proxy=http://me:s3cret@p:1 torsocks curl {URL}")
    assert (entry.verdict, entry.note) == (Verdict.OK, "ignored: https_proxy, torsocks")


@pytest.mark.parametrize(
    ("before", "note"),
    [
        ("export https_proxy=http://p:1 && ", "ignored: https_proxy"),
        ("cd x; export https_proxy=http://p:1; ", "ignored: https_proxy"),
        ("set http_proxy=http://p:1&& ", "ignored: http_proxy"),
        ("https_proxy=http://p:1; ", "ignored: https_proxy"),
        ("export NO_PROXY=*; ", "ignored: NO_PROXY"),
        ("CURL_CA_BUNDLE=/x ", "ignored: CURL_CA_BUNDLE"),
        ("WGETRC=/x HOME=/y ", "ignored: WGETRC, HOME"),
        ("setenv https_proxy http://p:1; ", "ignored: https_proxy"),
        ("setenv https_proxy p && ", "ignored: https_proxy"),
        ("set -x https_proxy http://p:1; ", "ignored: https_proxy"),
        ("set -gx ALL_PROXY 'socks5://p:1' && ", "ignored: ALL_PROXY"),
        ("set -e; ", ""),
        ("set -o pipefail; ", ""),
        ("set -eux; cd x; ", ""),
        ("cd x; mkdir y && ", ""),
    ],
)
def test_variables_before_a_command_are_ignored_and_named(before: str, note: str) -> None:
    (entry,) = read(f"{before}curl {URL}")
    assert (entry.verdict, entry.note) == (Verdict.OK, note)


def test_a_quote_before_a_command_hides_no_url_without_a_word() -> None:
    (entry,) = read(f'cd "x; curl {URL}"')
    assert entry.problem == "no curl, wget or aria2c command found"


@pytest.mark.parametrize(
    "program", ["CURL", "Curl", "Curl.exe", "C:\\Tools\\CURL.EXE", "Wget", "WGET", "sudo Curl"]
)
def test_a_program_in_capital_letters(program: str) -> None:
    option = "--user" if "url" in program.lower() else "--header"
    (entry,) = read(f"{program} {option} a:b {URL}")
    assert entry.config is not None
    assert entry.config.headers


@pytest.mark.parametrize(
    "command",
    [
        "Curl \u2013u me:pw {}",
        "Wget \u2014user=me {}",
        "Curl \u201c{}\u201d \u2013u me:pw",
        "Aria2c \u2212o x {}",
    ],
)
def test_typographic_dashes_behind_a_capital_program_are_no_prose(command: str) -> None:
    told = read(command.format(URL))
    small = read(command[0].lower() + command[1:].format(URL))
    assert [entry.problem for entry in told] == [entry.problem for entry in small]
    assert any(entry.problem or entry.note for entry in told)


@pytest.mark.parametrize("character", ["\u200b", "\ufeff", "\u2060"])
def test_invisible_characters_in_a_command(character: str) -> None:
    (command,) = asked(f"curl{character} -H{character} 'A: b' {URL}")
    assert command == {"url": URL, "headers": [["A", "b"]]}


def test_a_blank_behind_the_backslash_of_a_line() -> None:
    (command,) = asked(f"curl \\ \n  -H 'A: b' \\\t\n  {URL}\n")
    assert command == {"url": URL, "headers": [["A", "b"]]}


@pytest.mark.parametrize("mark", ["\\", "`", "^"])
def test_a_command_over_several_lines(mark: str) -> None:
    text = f'curl.exe -L -o x.iso {mark}\n  -H "A: b" {mark}\n  "{URL}"\n{URL}?2\n'
    assert asked(text) == [
        {"url": URL, "filename": "x.iso", "headers": [["A", "b"]]},
        {"url": f"{URL}?2"},
    ]


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("wget -q -nc -nv --show-progress", {}),
        ("wget -c", {"check_existing": True}),
        ("wget --continue --no-continue", {}),
        ("wget -e continue=on", {"check_existing": True}),
        ("wget -P a/b -O c.iso", {"destination_subdir": "a/b", "filename": "c.iso"}),
        ("wget --output-document=c.iso", {"filename": "c.iso"}),
        ("wget -Oc.iso -qP a", {"destination_subdir": "a", "filename": "c.iso"}),
        ("wget --output-doc c.iso", {"filename": "c.iso"}),
        ("wget -U Me --referer=http://r/", {"headers": [["User-Agent", "Me"], ["Referer", "http://r/"]]}),
        ("wget -O -", {}),
        ("aria2c -x16 -s 16 -k1M --file-allocation=none", {}),
        ("aria2c -c", {"check_existing": True}),
        ("aria2c -c --continue=false", {}),
        ("aria2c -d a --out=b.iso", {"destination_subdir": "a", "filename": "b.iso"}),
        ("aria2c -U Me --referer http://r/", {"headers": [["User-Agent", "Me"], ["Referer", "http://r/"]]}),
        (
            f"aria2c --checksum=sha-256={SHA256}",
            {"hash_config": {"algorithm": "sha256", "expected_hash": SHA256}},
        ),
    ],
)  # fmt: skip
def test_options(command: str, fields: dict[str, object]) -> None:
    for text in (f"{command} '{URL}'", f"{command.split()[0]} {URL} {command.partition(' ')[2]}"):
        (entry,) = read(text)
        assert entry.note == ""
        assert asked(text) == [{"url": URL, **fields}]


BASIC = {"headers": [["Authorization", "Basic bWU6cHc="]]}


def waits(auth: str) -> dict[str, object]:
    return {"request": {"user": "**********", "auth": auth}, "list_options": ["auth"]}


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("curl -u me:pw", BASIC),
        ("curl --basic -u me:pw", BASIC),
        ("curl --digest -u me:pw", waits("digest")),
        ("curl --anyauth -u me:pw", waits("any")),
        ("curl --anya -u me:pw", waits("any")),  # abbreviated, as curl before 8 reads it
        ("curl --basic --digest -u me:pw", waits("any")),
        ("curl --anyauth --no-digest -u me:pw", BASIC),
        ("curl --digest -u me:pw -H 'Authorization: x'", {"headers": [["Authorization", "x"]]}),
        ("curl --digest", {}),
        ("wget --user me --password pw", waits("any")),
        ("wget --http-user=me --http-passwd=pw", waits("any")),
        ("wget --user me --password pw --auth-no-challenge", BASIC),
        ("wget -e auth_no_challenge=on --user me --password pw", BASIC),
        ("aria2c --http-user=me --http-passwd pw", {"request": {"user": "**********"}}),
        ("aria2c --http-user=me --http-passwd pw --http-auth-challenge", waits("any")),
        (
            "aria2c --http-auth-challenge=false --http-user=me --http-passwd pw",
            {"request": {"user": "**********"}},
        ),
    ],
)
def test_a_login_is_sent_as_the_command_sends_it(command: str, fields: dict[str, object]) -> None:
    (entry,) = read(f"{command} {URL}")
    assert (entry.note, entry.refused) == ("", "")
    assert asked(f"{command} {URL}") == [{"url": URL, **fields}]


def test_a_list_of_aria2_may_wait_for_a_challenge() -> None:
    options = "http-auth-challenge=true\n  http-user=me\n  http-passwd=pw"
    assert asked(f"{URL}\n  {options}\n") == [{"url": URL, **waits("any")}]


def test_urls_of_wget_are_files_and_those_of_aria2c_mirrors() -> None:
    assert urls("wget http://a/1 b.example/2") == ["http://a/1", "http://b.example/2"]
    assert asked("aria2c http://a/1 http://b/1") == [
        {"url": "http://a/1", "mirrors": ["http://b/1"]}
    ]
    assert urls("aria2c -Z http://a/1 http://b/2") == ["http://a/1", "http://b/2"]


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ("wget --no-check-certificate -t 3", "ignored: --no-check-certificate, --tries"),
        ("wget --frobnicate 5", "ignored: --frobnicate and the word after it"),
        ("aria2c -j 5 --seed-time=0", "ignored: max-concurrent-downloads, seed-time"),
        ("wget -e robots=off", "ignored: --execute"),
    ],
)
def test_what_is_ignored_is_named(options: str, note: str) -> None:
    (entry,) = read(f"{options} {URL}")
    assert (entry.verdict, entry.note) == (Verdict.OK, note)


def test_a_route_is_only_asked_for() -> None:
    (entry,) = read(f"wget --no-proxy --ca-certificate=/ca.pem {URL}")
    assert entry.refused == "asks for proxy off, CA file /ca.pem: not used"
    (entry,) = read(f"aria2c --all-proxy=http://p:1 {URL}")
    assert entry.refused == "asks for proxy http://p:1: not used"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("wget", "the wget command has no URL"),
        ("aria2c -c", "the aria2c command has no URL"),
        ("wget -i list.txt", "--input-file reads URLs from a file"),
        ("aria2c -i list.txt", "--input-file reads URLs from a file"),
        (f"wget -r {URL}", "--recursive downloads a whole site"),
        (f"wget --spider {URL}", "--spider downloads nothing"),
        (f"wget --post-data=a=s3cret {URL}", "--post-data sends data"),
        (f"wget --method=PUT {URL}", "--method=PUT is not supported"),
        (f"wget -O x {URL} {URL}2", "-O writes all files of the command into one"),
        (f"wget -P /etc {URL}", "-P '/etc/file' must be relative"),
        (f"wget -O ../x {URL}", "-O '../x' must not contain '..'"),
        (f"aria2c -T x.torrent {URL}", "--torrent-file reads a torrent"),
        (f"curl -r 0-99 {URL}", "--range changes what is fetched"),
        (f"curl -C 100 {URL}", "-C OFFSET downloads a part"),
        (f"curl -K file {URL}", "--config changes what is fetched"),
        (f"curl --resolve x:1:1.2.3.4 {URL}", "--resolve changes what is fetched"),
        (f"curl -G --data-urlencode a@file {URL}", "--data-urlencode reads a file"),
        (f"curl -G -d @file {URL}", "--data reads a file"),
        ("wget http://x/$version.zip", "a shell variable"),
        ('curl "http://x/${version}.zip"', "a shell variable"),
        ('wget "$URL"', "a shell variable"),
        (f'curl -o "$name" {URL}', "a shell variable"),
        (f"wget -O ${{f}}.iso {URL}", "a shell variable"),
        (f"wget --config=x {URL}", "--config reads options from a file"),
        (f"wget --user me --ask-password {URL}", "--ask-password asks for a password"),
        (f"wget --use-askpass=x {URL}", "--use-askpass asks for a password"),
        (f"aria2c --conf-path=x {URL}", "--conf-path reads options from a file"),
    ],
)
def test_what_is_refused(command: str, problem: str) -> None:
    told = problems(command)
    assert told and all(problem in text for _, text in told)
    assert "s3cret" not in str(told)


@pytest.mark.parametrize(
    "command",
    [
        "curl --preproxy socks5://p:1", "curl --doh-url https://d/q", "curl --dns-servers 9.9.9.9",
        "curl --dns-interface tun0", "curl --pinnedpubkey sha256//s3cret", "curl --crlfile x.pem",
        "curl --max-filesize 1M", "curl --cert-status", "curl --tlsv1.3", "curl --ech hard",
        "curl --hsts file", "curl --expand-doh-url '{{d}}'", "curl -sS --proxy-crlfile x",
        "curl --proto =ftp", "curl --proto -https,-http", "curl --proto =http",
        "wget --pinnedpubkey=x", "wget --crl-file x", "wget --crl-f x", "wget --dns-servers=9.9",
        "wget --secure-protocol=TLSv1_3", "wget --secure-protocol PFS", "wget --https-enforce=hard",
        "wget -e pinnedpubkey=x", "wget -e 'crl_file = x'", "wget -e dns-servers=9.9.9.9",
        "aria2c --async-dns-server=9.9.9.9", "aria2c --min-tls-version=TLSv1.3",
        "curl --ntlm -u me:s3cret", "curl --negotiate -u :", "curl --ntlm-wb",
        "curl --digest --ntlm -u me:s3cret", "curl --proto-default ftp", "curl --capath /x",
        "curl --ciphers X", "curl --tls13-ciphers X", "curl --curves X", "curl --sigalgs X",
        "curl --proxy-cacert x", "curl --proxy-capath x", "curl --proxy-ciphers x",
        "curl -x p:1 -U me:s3cret --proxy-digest", "curl --proxy-anyauth", "curl --proxy-ntlm",
        "curl --proxy-negotiate", "curl --socks5-gssapi", "curl --tlsuser me --tlspassword s3cret",
        "curl --disallow-username-in-url", "curl -b jar -j", "curl -L --max-redirs 0",
        "curl --max-redirs 00", "curl -L --no-location", "curl -x p:1 --noproxy x,y",
        "curl --nego -u :", "curl --max-f 5", "curl --pinned x",
        "curl --expand-proxy '{{p}}'", "curl --expand-user '{{s3cret}}'",
        "curl --expand-max-time '{{t}}'",
        "wget --ca-directory=/x", "wget --ciphers=X", "wget --hsts-file=x", "wget --max-redirect=0",
        "wget --max-redirect 0", "wget -e max_redirect=0", "wget -e ca_directory=x",
        "wget -e no_proxy=x", "wget --no-proxy=x",
        "aria2c --no-proxy=x", "aria2c --multiple-interface=a,b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("listed", [False, True])
def test_nothing_is_sent_without_an_option_that_protects(command: str, listed: bool) -> None:
    (entry,) = read(f"{command} https://x/a", list_options=listed)
    assert entry.verdict is Verdict.INVALID
    assert "is not supported; rheo sends no request without it" in entry.problem
    assert "s3cret" not in entry.problem


def test_a_list_of_aria2_protects_too() -> None:
    (entry,) = read("https://x/a\n  async-dns-server=9.9.9.9\n")
    assert "rheo sends no request without it" in entry.problem


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("curl --proto =https", "--proto"), ("curl --proto -all,https", "--proto"),
        ("curl --proto -http", "--proto"), ("curl --proto '=https,ftps' -L", "--proto"),
        ("curl --proto-redir =https", "--proto-redir"), ("wget --https-only", "--https-only"),
        ("wget -e https_only=on", "--https-only"),
    ],
)  # fmt: skip
def test_https_only_is_kept(option: str, name: str) -> None:
    (entry,) = read(f"{option} https://x/a")
    assert entry.config is not None and (entry.verdict, entry.refused) == (Verdict.OK, "")
    assert entry.config.options_for("https://x/a").allow_downgrade is False
    for url in ("http://x/a", "x.org/a"):
        assert problems(f"{option} {url}") == [(1, f"{name} allows https only")]


@pytest.mark.parametrize(
    "option",
    ["curl --proto =http,https", "curl --proto https", "curl --proto -ftp,-file",
     "wget --secure-protocol=TLSv1_2", "wget -e https_only=off", "curl --max-redirs 10",
     "curl --max-redirs -1", "curl --noproxy ''", "curl --no-ntlm", "wget --max-redirect=20",
     "wget -e auth_no_challenge=off", "wget -e hsts_file=", "curl --ssl-reqd --location-trusted",
     "aria2c --min-tls-version=TLSv1.2"],
)  # fmt: skip
def test_options_that_take_nothing_away_are_no_hindrance(option: str) -> None:
    (entry,) = read(f"{option} http://x/a")
    assert entry.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("command", "auth"),
    [
        ("wget", "any"), ("wget --auth-no-challenge", None), ("curl --digest", "digest"),
        ("curl --anyauth", "any"), ("curl", None), ("aria2c --http-auth-challenge=true", None),
    ],
)  # fmt: skip
def test_a_login_in_the_url_is_sent_as_the_command_sends_it(command: str, auth: str | None) -> None:
    """aria2 sends such a login at once, whatever the option says."""
    (entry,) = read(f"{command} https://me:pw@x/a")
    assert entry.config is not None and entry.refused == ""
    assert entry.config.request.auth == auth
    (entry,) = read(f"{command} https://x/a@b")
    assert entry.config is not None and entry.config.request.auth is None


def test_how_a_login_of_netrc_is_sent_needs_no_permission() -> None:
    (entry,) = read(f"curl -n --digest {URL}")
    assert entry.refused == "asks for netrc: not used"
    (entry,) = read(f"curl -n --digest {URL}", list_options=True)
    assert entry.config is not None and entry.config.request.auth == "digest"


@pytest.mark.parametrize("command", ["curl --no-netrc", "wget --no-netrc", "aria2c -n"])
def test_a_command_asks_not_to_use_netrc(command: str) -> None:
    assert read(f"{command} {URL}")[0].refused == "asks for no netrc: not used"


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ("--proto-default https", "https://x.org/a"), ("--proto-default HTTP", "http://x.org/a"),
        ("--proto-default https --proto =https", "https://x.org/a"), ("", "http://x.org/a"),
    ],
)  # fmt: skip
def test_the_scheme_of_a_url_without_one(options: str, url: str) -> None:
    assert urls(f"curl {options} -u me:pw x.org/a") == [url]
    assert urls(f"curl {options} -u me:pw {url}") == [url]


@pytest.mark.parametrize(
    "options", ["--http-proxy=http://p:1", "--https-proxy=http://p:1", "-e https_proxy=http://p:1"]
)
def test_a_proxy_of_wget(options: str) -> None:
    assert read(f"wget {options} {URL}")[0].refused == "asks for proxy http://p:1: not used"


@pytest.mark.parametrize("option", ["--no-proxy", "-e use_proxy=no"])
def test_no_proxy_of_wget(option: str) -> None:
    assert read(f"wget {option} {URL}")[0].refused == "asks for proxy off: not used"


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ("-G -d a=1 -d b=2", "?x=1&a=1&b=2"),
        ("-Gd a=1", "?x=1&a=1"),
        ("--get --data-urlencode 'q=a b&c/é'", "?x=1&q=a+b%26c%2F%C3%A9"),
        ("--get --data-urlencode 'a b'", "?x=1&a+b"),
        ("--get --data-urlencode '=a b'", "?x=1&a+b"),
        ("--get --data-raw @a", "?x=1&@a"),
        ("--url-query 'q=a b'", "?x=1&q=a+b"),
        ("--url-query '+q=a%20b'", "?x=1&q=a%20b"),
    ],
)
def test_data_of_a_get_is_the_query(options: str, query: str) -> None:
    assert urls(f"curl {options} '{URL}?x=1#top'") == [f"{URL}{query}#top"]


def test_the_query_of_the_curl_that_is_installed() -> None:
    if (curl := shutil.which("curl")) is None:
        pytest.skip("no curl")
    words = ["-G", "-d", "a=1", "--data-urlencode", "q=ä b/~+", "--data-urlencode", "=c d"]
    done = subprocess.run(
        [curl, "-s", "-x", "http://127.0.0.1:1", "-w", "%{url_effective}", *words, "http://x/f"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    (url,) = urls("curl -G -d a=1 --data-urlencode 'q=ä b/~+' --data-urlencode '=c d' http://x/f")
    assert url.lower() == done.stdout.lower()  # curl before 8.0 writes %2f


def test_a_name_has_the_value_of_a_pattern() -> None:
    text = "curl -o 'd/#1_#2.jpg' 'http://x/[1-2]/{a,b}'"
    names = [fields["filename"] for fields in asked(text, patterns=True)]
    assert names == ["1_a.jpg", "1_b.jpg", "2_a.jpg", "2_b.jpg"]
    (entry,) = read(text)
    assert (entry.verdict, entry.wants) == (Verdict.INVALID, "patterns")
    assert asked("curl -g -o 'x_#1' 'http://x/[1-2]'")[0]["filename"] == "x_#1"
    assert asked("curl -o 'x_#1' 'http://x/1'")[0]["filename"] == "x_#1"


POWERSHELL = """\
$session = New-Object Microsoft.PowerShell.Commands.WebRequestSession
$session.UserAgent = "Mozilla/5.0"
$session.Cookies.Add((New-Object System.Net.Cookie("sid", "abc", "/", "example.org")))
Invoke-WebRequest -UseBasicParsing -Uri "https://example.org/a.iso" `
-WebSession $session `
-Headers @{
  "method"="GET"
  "referer"="https://example.org/account"
}
"""
FETCH = """\
fetch("https://example.org/a.iso", {
  "headers": {
    "accept": "*/*",
    "x-note": "} not the end ("
  },
  "referrer": "https://example.org/account",
  "body": null,
  "method": "GET"
});
"""


@pytest.mark.parametrize(
    "text",
    [
        POWERSHELL,
        FETCH,
        FETCH.replace("fetch", "await fetch"),
        FETCH.replace("fetch", "const reply = await fetch"),
        "iwr https://example.org/a.iso -OutFile a.iso\n",
        "PS C:\\> Invoke-RestMethod 'https://example.org/a.iso'\n",
        "curl -Uri https://example.org/a.iso -OutFile a.iso\n",
        "(New-Object Net.WebClient).DownloadFile('https://example.org/a', 'a')\n",
        "Start-BitsTransfer -Source https://example.org/a.iso\n",
        "requests.get('https://example.org/a.iso', headers={'Referer': 'https://x/'})\n",
        'reply = requests.get("https://example.org/a.iso", headers={\n  "Referer": "https://x/",\n})\n',
        "xhr.open('GET', 'https://example.org/a.iso')\n",
        "http --auth me:c4nary7x get https://example.org/x.zip x-key:c4nary7x\n",
        "axel -n 8 -o a.iso https://example.org/a.iso\n",
        "yt-dlp \\\n  --referer https://example.org/page \\\n  https://example.org/v\n",
        "git clone https://example.org/x.git\n",
        "hf download https://example.org/model\n",
        "conda install https://example.org/x.conda\n",
        "sudo apt install https://example.org/x.deb\n",
        "nix-prefetch-url https://example.org/x.tar.gz\n",
        "go install https://example.org/x\n",
        "azcopy copy 'https://example.org/x?sig=c4nary7x' .\n",
        'resp, err := http.Get("https://example.org/x")\n',
        'src = fetchurl {\n  url = "https://example.org/x";\n  sha256 = "c4nary7x";\n};\n',
        "> Referer: https://example.org/page\n",
        "< location: https://example.org/next\n",
        "referer:\nhttps://example.org/page\n",
        "link: <https://example.org/x>; rel=preload\n",
        'report-to: {"endpoints":[{"url":"https://example.org/r"}]}\n',
        "docker run --rm image/curl -o x https://example.org/x\n",
        "ssh host 'curl -O https://example.org/x'\n",
        "Run `curl -H 'A: b' -O https://example.org/x` there\n",
        "Run `curl -H 'A: b' -O https://example.org/x`\n",
        '"C:\\My Tools\\curl.exe" -H "Cookie: c4nary7x" -o x.zip https://example.org/x\n',
        "& 'C:\\My Tools\\curl.exe' -H 'Cookie: c4nary7x' https://example.org/x\n",
        "'/opt/my tools/curl' -u me:c4nary7x https://example.org/x\n",
        '"wget" "--password=c4nary7x" "https://example.org/x"\n',
        "for i in 1 2; do wget https://example.org/$i; done\n",
        "echo https://example.org/x | xargs -n1 wget\n",
        "referer: https://example.org/page\n",
        "Referer: https://example.org/page\nCookie: next=https://example.org/\nHost: example.org\n",
        "GET https://example.org/a.iso HTTP/1.1\nOrigin: https://example.org\n",
        '"referrer": "https://example.org/page",\n',
        "-H 'origin: https://example.org'\n",
        "referer=https://example.org/page\n",
        "ip netns exec vpn curl https://example.org/a\n",
        "tsocks wget https://example.org/a\n",
        "firejail --net=tun0 curl https://example.org/a\n",
        "Referer\thttps://example.org/page\n",
        '"Referer" "https://example.org/page"\n',
        "POST https://example.org/api\n",
        "DELETE https://example.org/a.iso\nAuthorization: Bearer c4nary7x\n",
        "- PROPFIND https://example.org/dav/\n",
        'PUT "https://example.org/a"\nX-Key: c4nary7x\n\n{"url": "https://example.org/b"}\n\n',
        "POST /a HTTP/1.1\nX-From: https://example.org\n\nnext=https://example.org/b\n\n",
        "--referer https://example.org/page\n",
        "-e 'https://example.org/page'\n",
        "--referer=https://example.org/page\n",
        "http_proxy=https://p.example.org\n",
        "export https_proxy='https://me:c4nary7x@p.example.org'\n",
        "set -x all_proxy https://p.example.org\n",
        "setx HTTPS_PROXY https://p.example.org\n",
        "ENV https_proxy https://p.example.org\n",
        '"https_proxy": "https://p.example.org",\n',
        'proxy = "https://p.example.org"\n',
        'Acquire::http::Proxy "https://p.example.org";\n',
        '1.2.3.4 - - [01/Jan/2020:00:00:00 +0000] "GET /a HTTP/1.1" 200 1 "https://r/" "UA"\n',
        '"GET https://example.org/a HTTP/1.1" 200 1 "https://r.example/" "UA"\n',
        "-u me:c4nary7x https://example.org/a\n",
        "-sSL https://example.org/a\n",
        "  --output x https://example.org/a\n",
        "curl &quot;https://example.org/a&quot; -u me:c4nary7x\n",
        "curl &#39;https://example.org/a&#39;\n",
        "curl\u00a0-u me:c4nary7x https://example.org/a\n",
        "GET -C me:c4nary7x https://example.org/a\n",
        "const reply = await fetch(\n  'https://example.org/a',\n  {headers: {a: 'c4nary7x'}})\n",
        "options = {\n  url: 'https://example.org/a',\n  headers: {Cookie: 'c4nary7x'}\n}\n",
        "requests.request(\n  'GET',\n  'https://example.org/a',\n  headers={'a': 'c4nary7x'})\n",
        'func main() {\n  url := "https://example.org/a"\n  get(url, "c4nary7x")\n}\n',
        'url := "https://example.org/a"\n',
        "const url = 'https://example.org/a';\n",
        '  .url("https://example.org/a")\n',
        "new XMLHttpRequest().open('GET', 'https://example.org/a', true, 'me', 'c4nary7x')\n",
        "tf.keras.utils.get_file(origin='https://example.org/a')\n",
        'HTTPoison.get! "https://example.org/a"\n',
        "curl_setopt($ch, CURLOPT_URL, 'https://example.org/a');\n",
        "CURLOPT_URL => 'https://example.org/a',\n",
        'new HttpRequestMessage(HttpMethod.Get, "https://example.org/a");\n',
        'client.request(reqwest::Method::GET, "https://example.org/a")\n',
        'VERB("GET", url = "https://example.org/a", add_headers(headers))\n',
        '[NSURL URLWithString:@"https://example.org/a"]\n',
        'let uri = Uri.of_string "https://example.org/a" in\n',
        'let reply = get "https://example.org/a"\n',
        '(client/get "https://example.org/a" {:headers {"a" "c4nary7x"}})\n',
        "(export https_proxy=http://me:c4nary7x@p:1; curl https://example.org/a)\n",
        "( cd x; HTTPS_PROXY=p wget https://example.org/a )\n",
        "`all_proxy=p curl https://example.org/a`\n",
        "x=$(https_proxy=p curl https://example.org/a)\n",
        "x=$(http_proxy=p; curl https://example.org/a)\n",
        "set https_proxy=p& curl https://example.org/a\n",
        "env https_proxy=p -- curl https://example.org/a\n",
        "sh -c 'https_proxy=p curl https://example.org/a'\n",
        '2020/01/01 [error] x, request: "POST /a HTTP/2.0", referrer: "https://r.example/"\n',
    ],
)
@pytest.mark.parametrize("before", ["", "https://x/before\n", "Hello, these files:\n"])
def test_what_is_recognised_downloads_nothing_of_what_stands_inside(text: str, before: str) -> None:
    entries = read(f"{before}{text}https://x/after\n")
    found = [entry.config.url for entry in entries if entry.config is not None]
    assert found == [*(["https://x/before"] if before[:1] == "h" else []), "https://x/after"]
    refused = [entry for entry in entries if entry.verdict is Verdict.INVALID]
    assert 1 <= len(refused) <= 2
    assert all("not supported; copy as cURL instead" in entry.problem for entry in refused)
    assert "c4nary7x" not in str(refused)


def test_an_open_bracket_swallows_no_list() -> None:
    text = 'fetch("https://x/open", {\n' + "".join(f"https://x/{at}\n" for at in range(1000))
    entries = read(text)
    assert [entry.verdict for entry in entries] == [Verdict.INVALID] + [Verdict.OK] * 1000


@pytest.mark.parametrize(
    "text",
    [
        "wget is at https://x/1, curl too", "Get it from https://x/1", "The host: https://x/1",
        "- https://x/1", "a - b https://x/1", "fetch https://x/1", "mirror: https://x/1",
        'As "curl" says -- https://x/1', "[a](https://x/1)", "Version 2 -- see https://x/1",
        "url=https://x/1", "x (https://x/1)", "link: https://x/1", "go to https://x/1",
        "> https://x/1", 'source=("https://x/1")', "GET https://x/1", "Post: https://x/1",
        "POSTER https://x/1", "The proxy: https://x/1", "Reverse proxy https://x/1",
        "export URL=https://x/1", "Curl is at https://x/1", "Wget: https://x/1",
        "-Debian https://x/1", "DELETED https://x/1", "Referers: https://x/1",
        "curl is a tool - get it at https://x/1", "$ curl isn't a tool, it's at https://x/1",
        "wget, see https://x/1", "wget both https://x/1", "curl – ein Werkzeug: https://x/1",
        "1. aria2c downloads files, such as https://x/1", "curl 8.5 is at https://x/1",
        "curl is a well-known tool -- get it from https://x/1",
        "See https://x/1?my_proxy=p", 'let us see "https://x/1"',
    ],
)  # fmt: skip
def test_what_is_no_command(text: str) -> None:
    assert [url.partition("?")[0] for url in urls(text)] == ["https://x/1"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("curl localhost", "curl http://localhost"),
        ("wget 'https://x/My Files and more/1'", "wget https://x/My Files and more/1"),
        ("wget https://x/My\\ Files\\ and", "wget https://x/My Files and"),
        ("wget https://x/1 # the latest one", "wget https://x/1"),
        ("wget https://x/1 && unzip it now", "wget https://x/1"),
        ("https_proxy=p curl mirror https://x/1", "curl http://mirror"),
        ("curl mirror https://x/1 -o x", "curl http://mirror"),
        ("curl mirror https://x/1 \\\n  -o x", "curl http://mirror"),
    ],
)
def test_what_is_no_prose(command: str, text: str) -> None:
    first, *_ = read(command)
    assert first.text == text


EF2 = """\
<\r
https://x/1\r
referer: https://x/page\r
User-Agent: Me\r
Cookie: sid=s3cret\r
filesize: 5\r
>\r
<\r
https://x/2\r
>\r
"""


def test_exports_of_idm() -> None:
    first, second = asked(EF2)
    assert first == {
        "url": "https://x/1",
        "headers": [["referer", "https://x/page"], ["User-Agent", "Me"], ["Cookie", "sid=s3cret"]],
    }
    assert second == {"url": "https://x/2"}
    assert read(EF2)[0].note == "ignored: filesize"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<\nhttps://x/1\n", "does not end"),
        ("<\nhttps://x/1\n<\nhttps://x/2\n>", "does not end"),
        ("<\n>", "has no URL"),
        ("<\nhttps://x/1\npostdata: a=b\n>", "sends data"),
    ],
)
def test_exports_of_idm_that_are_broken(text: str, problem: str) -> None:
    ((line, told),) = problems(text)
    assert line == 1
    assert problem in told


def test_lines_of_prose_that_bring_nothing_are_counted() -> None:
    first, *others, last = read(f"{PROSE}Bye\nand\nthanks\nftp://x/1\ncurl -d a=b http://x/2\n")
    assert first.verdict is Verdict.OK
    assert [entry.problem for entry in others if entry.verdict is Verdict.INVALID] == [
        "URL 'ftp://x/1' has scheme 'ftp'; only http and https are supported",
        "--data sends data; only GET is supported",
    ]
    assert (last.line, last.verdict) == (5, Verdict.NO_URL)
    assert last.problem == "no URL in this line and 2 others"


@pytest.mark.parametrize(
    ("url", "brief"),
    [
        ("ftp://x/1", "has scheme 'ftp'; only http and https are supported"),
        ("http://x y/", "contains white space or control characters"),
        ("http:///x", "has no host"),
    ],
)
def test_a_problem_can_leave_out_the_url_that_a_list_shows_anyway(url: str, brief: str) -> None:
    (entry,) = read(url)
    assert entry.brief_problem == brief
    assert entry.problem.startswith("URL '") and entry.problem.endswith(brief)


def test_a_line_of_prose_does_not_hide_a_command() -> None:
    text = f"These two:\ncurl -o a.iso {URL}\nwget -O b.iso {URL}\n"
    found = [entry.config.filename for entry in read(text) if entry.config is not None]
    assert found == ["a.iso", "b.iso"]


@pytest.mark.parametrize(
    ("program", "arguments", "pattern"),
    [
        (wget, ["wget", "--help"], r"^ +(?:-\w\w?, +)?--([\w-]+)(=)?"),
        (aria2c, ["aria2c", "--help=#all"], r"^ -(?:\w(?:\[[^]]*\])?, +-)?-([\w-]+)(=)?"),
    ],
)
def test_the_programs_that_are_installed_take_the_same_values(
    program: object, arguments: list[str], pattern: str
) -> None:
    """Options that only BitTorrent and FTP need are not known."""
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"no {arguments[0]}")
    told = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    options = re.findall(pattern, told, re.MULTILINE)
    assert len(options) > 100
    takes_value = program._SYNTAX.takes_value  # type: ignore[attr-defined]
    wrong = [name for name, value in options if takes_value(name) not in (None, bool(value))]
    assert set(wrong) <= {"max-redirect", "hsts-file"}  # their help does not show the value


def test_a_url_with_options_behind_it_is_a_command_in_a_letter_too() -> None:
    """A list refuses it because of its white space."""
    text = "please get\nhttps://x/a --range 0-9\nhttps://x/b -- the new one\nLink: https://x/c\n"
    good = [entry.config.url for entry in read(text) if entry.config]
    assert good == ["https://x/b", "https://x/c"]
    sentence = "a command is not supported; copy as cURL instead, or give only the URL"
    refused = [(each.line, each.problem) for each in read(text) if each.verdict is Verdict.INVALID]
    assert refused == [(2, sentence)]


@pytest.mark.parametrize("name", ["http-proxy", "all-proxy"])
def test_an_empty_proxy_of_aria2c_is_none(name: str) -> None:
    (entry,) = read(f"aria2c --{name}= http://x/a", list_options=True)
    assert entry.used == "uses proxy off, as requested"
    (entry,) = read(f"aria2c --{name}= http://x/a")
    assert entry.refused == "asks for proxy off: not used"


@pytest.mark.parametrize(
    "options",
    [
        '-u "$USER:pw"', "-u me:$PASSWORD", "-ume:${PW}", '-u "me:${PW:-x y}"',
        '--user "a:$(pass)"',
        '-H "Authorization: Bearer $TOKEN"', '-H "X: ${TOKEN}"', "-H X:$TOKEN", '-H "X: `cat t`"',
        '-b "sid=$SID"', '-A "$UA"', '-e "$REF"', '-G -d "q=$QUERY"', '-x "$PROXY"', "-u a:$$",
        '-u me:"$PW"', '-u "me:\\\\$PW"',
    ],
)  # fmt: skip
def test_nothing_is_sent_in_place_of_a_variable_of_the_shell(options: str) -> None:
    for entry in read(f"curl {options} {URL}", list_options=True):
        assert entry.verdict is Verdict.INVALID
        assert "a shell variable or backticks, whose value is unknown" in entry.problem


@pytest.mark.parametrize(
    "command",
    [
        "curl 'http://x/`id`' \"http://x/`id`.iso\"", "wget http://x/`uname`.iso",
        'wget --header "X: $T" http://x/a', 'aria2c --header "X: $T" http://x/a',
        "aria2c http://x/`uname`.iso", 'aria2c --http-passwd "$PW" --http-user me http://x/a',
        *(
            f"{program} {words}"
            for program in ("curl", "wget", "aria2c")
            for words in (
                '"https://h/f?key=$TOKEN"', "https://h/f?key=$TOKEN", '"https://h/f?key=${TOKEN}"',
                "https://$HOST/f", '"https://h/$1"', '"https://h/f/$@"', '"https://h/f#$X"',
                '"https://h/$(uname)"', '"https://h/odata?$top=$N"', '"https://h/a?$top"',
            )
        ),
        'curl -o "$1" http://x/a', 'curl -o "out-$!.bin" http://x/a', 'curl --output-dir "$D" x/a',
        'wget -O "$1" http://x/a', 'wget -P "$DIR" http://x/a', 'aria2c -o "$1" http://x/a',
        'aria2c -d "$DIR" http://x/a',
        "curl -o $HOME/a http://x/a", "curl --output-dir $HOME http://x/a",
        'wget -P "${HOME}/isos" http://x/a', "wget -O $HOME/a http://x/a",
        "aria2c -d $HOME http://x/a", 'aria2c -o "$HOME/a" http://x/a',
        'curl --cacert "$HOME/ca.pem" http://x/a', 'wget --load-cookies "$JAR" http://x/a',
    ],
)  # fmt: skip
def test_nothing_is_fetched_in_place_of_a_variable_of_the_shell(command: str) -> None:
    for entry in read(command, list_options=True):
        assert entry.verdict is Verdict.INVALID
        sentence = "the command contains a shell variable or backticks, whose value is unknown"
        assert entry.problem == sentence


@pytest.mark.parametrize("program", ["curl", "wget", "aria2c"])
@pytest.mark.parametrize(
    "url",
    [
        "'https://h/f?key=$TOKEN'", "'https://h/${version}.zip'", "https://h/f?a=\\$b",
        '"https://h/f?a=\\$b"', '"https://h/odata?$top=5&$filter=x"', '"https://h/odata/$value"',
        '"https://h/f?a=5$"', "'https://h/$1'",
    ],
)  # fmt: skip
def test_a_dollar_that_the_shell_leaves_alone_is_a_part_of_the_url(program: str, url: str) -> None:
    assert urls(f"{program} {url}") == [url.strip("'\"").replace("\\", "")]


def test_a_dollar_in_single_quotes_is_a_part_of_the_name() -> None:
    assert asked(f"curl -o '$1.iso' {URL}")[0]["filename"] == "$1.iso"


@pytest.mark.parametrize(
    "options",
    ["-u 'me:$PW'", "-u 'a:p`w'", "-u 'a:$$'", '-u "me:\\$PW"', "-u me:\\$PW", "-u me:pw$",
     "-H 'X: ${A}'", "-H 'X: $(id)'", "--retry $N", '-m "$N"', "-H $'X: $A'"],
)  # fmt: skip
def test_letters_that_the_shell_leaves_alone_are_sent(options: str) -> None:
    (entry,) = read(f"curl {options} {URL}")
    assert entry.verdict is Verdict.OK, entry.problem


def test_each_url_of_a_sequence_has_the_options_for_it() -> None:
    text = (
        "aria2c -Z http://a/1 https://n:p@b/2 http://c/3 ftp://d/4 --referer=* --header='X: y' "
        "--http-proxy=http://p:1 --https-proxy=http://q:1"
    )
    one, two, three, bad = read(text, list_options=True)
    for entry, proxy, referer in (
        (one, "http://p:1", "http://a/1"),
        (two, "http://q:1", "https://b/2"),
        (three, "http://p:1", "http://c/3"),
    ):
        assert entry.config is not None
        assert entry.config.request.proxy_url == proxy
        assert dict(entry.config.headers) == {"X": "y", "Referer": referer}
        assert entry.config.mirrors == ()
    assert bad.config is None and "ftp" in bad.text


@pytest.mark.parametrize(
    ("long", "line"),
    [
        (long, f"{setting} = {value}" if value else f"{setting}=on")
        for long, setting, value in (
            ("--start-pos=100", "start_pos", "100"),
            ("--recursive", "recursive", ""),
            ("--mirror", "mirror", ""),
            ("--page-requisites", "page_requisites", ""),
            ("--spider", "Spider", ""),
            ("--save-headers", "save-headers", ""),
            ("--post-data=a", "post_data", "a"),
            ("--post-file=a", "postfile", "a"),
            ("--body-data=a", "body_data", "a"),
            ("--method=DELETE", "method", "DELETE"),
            ("--method=get", "method", "get"),
            ("--input-file=a", "input", "a"),
            ("--base=http://b/", "base", "http://b/"),
            ("--user=me --password=pw", "user", "me' -e 'password=pw"),
            ("--http-user=me --http-password=pw", "http_user", "me' -e 'http_password = pw"),
            ("--ca-certificate=/a", "ca_certificate", "/a"),
            ("--certificate=/a", "certificate", "/a"),
            ("--private-key=/a", "private_key", "/a"),
            ("--load-cookies=/a", "load_cookies", "/a"),
            ("--bind-address=::1", "bind_address", "::1"),
            ("--inet6-only", "inet6_only", ""),
            ("--no-netrc", "netrc", "off"),
            ("--no-proxy", "use_proxy", "no"),
            ("--header='A: b'", "header", "A: b"),
            ("-U me", "user_agent", "me"),
            ("--referer=r", "referer", "r"),
            ("-P sub", "dir_prefix", "sub"),
            ("-O name", "output_document", "name"),
            ("--no-recursive", "recursive", "off"),
            ("--no-spider", "spider", "0"),
        )
    ],
)
def test_a_line_of_wgetrc_is_the_option_of_its_name(long: str, line: str) -> None:
    one, two = (
        [entry._replace(config=None) for entry in read(text, list_options=True)]
        for text in (f"wget {long} {URL}", f"wget -e '{line}' {URL}")
    )
    assert one == two
    if one[0].verdict is Verdict.OK:
        both = (f"wget {long} {URL}", f"wget -e '{line}' {URL}")
        assert len({str(asked(text, list_options=True)) for text in both}) == 1


@pytest.mark.parametrize("line", ["robots=off", "a", "execute=recursive=on", "=x", "quiet="])
def test_other_lines_of_wgetrc_are_ignored(line: str) -> None:
    (entry,) = read(f"wget -e '{line}' {URL}")
    assert (entry.verdict, entry.note) == (Verdict.OK, "ignored: --execute")


@pytest.mark.parametrize(
    ("options", "at_once"),
    [
        ("", False),
        ("--auth-no-challenge", True),
        ("--auth-no-challenge --no-auth-no-challenge", False),
        ("--auth-no-challenge -e auth_no_challenge=off", False),
        ("-e auth_no_challenge=on", True),
        ("-e auth_no_challenge=on --no-auth-no-challenge", False),
        ("--no-auth-no-challenge --auth-no-challenge", True),
    ],
)
def test_the_last_word_says_when_a_login_of_wget_is_sent(options: str, at_once: bool) -> None:
    (fields,) = asked(f"wget {options} --user=me --password=pw {URL}")
    assert ("headers" in fields) == at_once
    assert ("request" in fields) != at_once
