"""Config files of curl: read as the command that they stand for."""

import pytest

from rheo_core.inputs import Verdict
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
    assert problem == f"--{name} is not supported, and nothing is sent without it"


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
        (f'data = "{URL}"\nuser = "x"\n', [URL]),
        (f'url = "{URL}', [URL]),  # the quote does not close
        (f"url: {URL}", [URL]),
        (f"URL={URL}", [URL]),
        (f'url = "{URL}"\nuser agents are named in this line\n', [URL]),
    ],
)
def test_other_texts_stay_plain(text: str, expected: list[str]) -> None:
    found = [entry.config.url for entry in read(text) if entry.config]
    assert found == expected
