"""`rheo URL`, `-d` and `-c` after the command, `-o -`, completion, and the lines of `--json`."""

import asyncio
import hashlib
import json
import shlex
from pathlib import Path

import pytest

from rheo_core.domain import DownloadStatus
from tests.cli.conftest import Run
from tests.core.engine import serving
from tests.servers.misbehaving import MisbehavingServer, body_of

BODY = body_of(300_000)


@pytest.mark.parametrize(
    "words",
    ["{url} -o {folder}", "-o {folder} {url} -q", "-d {folder} {url}",
     "download {url} -d {folder} -c",
     "download -c {url} --download-dir {folder}",
     "-w 2 download --continue {url} -o {folder}", "-i {list} -o {folder}",
     "-q --input-file={list} -o {folder}"],
)  # fmt: skip
async def test_ways_to_ask_for_a_file(
    server: MisbehavingServer, rheo: Run, folder: Path, tmp_path: Path, words: str
) -> None:
    url = server.on("/a.bin", serving(BODY))
    (list_file := tmp_path / "list.txt").write_text(url)
    done = await rheo(*words.format(url=url, folder=folder, list=list_file).split())
    assert done.code == 0, done.err
    assert (folder / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("words", ["-c {url}", "-i {list}"])
async def test_to_continue_is_to_compare_the_file_that_is_there(
    server: MisbehavingServer, rheo: Run, folder: Path, tmp_path: Path, words: str, is_whole: bool
) -> None:
    """As with `wget -c` and `curl -C -`; rheo never adds bytes to a file that it did not write."""
    url = server.on("/a.bin", serving(BODY))
    (list_file := tmp_path / "list.txt").write_text(f"wget -c {url}\n")
    folder.mkdir(exist_ok=True)
    (folder / "a.bin").write_bytes(there := BODY if is_whole else BODY[:4])
    flags = words.format(url=url, list=list_file).split()
    done = await rheo("download", *flags, "-o", folder, "--retries", "0")
    assert (done.code, len(server.requests) > 0) == (0 if is_whole else 1, True), done.err
    assert (f"has 4 bytes, the file on the server has {len(BODY):,}" in done.err) != is_whole
    assert (folder / "a.bin").read_bytes() == there


async def test_a_command_that_does_not_exist(rheo: Run) -> None:
    done = await rheo("downlaod", "http://x/")
    assert done.code == 2


@pytest.mark.parametrize(
    ("shell", "expected"),
    [("bash", "complete -o default"), ("zsh", "compdef"), ("fish", "complete --command rheo")],
)
async def test_completion(
    command: tuple[str, ...], environment: dict[str, str], shell: str, expected: str
) -> None:
    """The command finds its shell among its parents; the tests themselves may have none."""
    line = f"{shlex.join(command)} --show-completion; exit $?"
    process = await asyncio.create_subprocess_exec(
        shell, "-c", line, executable="/bin/sh", env=environment, stdout=asyncio.subprocess.PIPE
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert expected in out.decode()


async def test_a_file_on_standard_output(
    server: MisbehavingServer, command: tuple[str, ...], rheo: Run, tmp_path: Path
) -> None:
    text = b"a line\n" * 50_000
    url = server.on("/a.txt", serving(text))
    digest = hashlib.sha256(text).hexdigest()
    done = await rheo(url, "-o", "-", "--hash", f"sha256:{digest}", cwd=tmp_path)
    assert (done.code, done.out.encode()) == (0, text)
    assert done.err.endswith("to standard output\n")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


async def test_a_wrong_file_is_not_written_to_standard_output(
    server: MisbehavingServer, rheo: Run
) -> None:
    url = server.on("/a.bin", serving(BODY))
    done = await rheo(url, "-o", "-", "--hash", f"sha256:{'0' * 64}", "--retries", "0")
    assert (done.code, done.out) == (1, "")


async def test_lines_of_json_tell_version_status_and_place(
    server: MisbehavingServer, rheo: Run, folder: Path, tmp_path: Path
) -> None:
    urls = [server.on(f"/{name}", serving(BODY)) for name in ("a", "b")]
    missing = server.url("/missing")
    file = tmp_path / "list.txt"
    file.write_text(f"# files\n{urls[0]}\n\n{missing}\n")
    done = await rheo(urls[1], "-i", file, "-o", folder, "--json", "--retries", "0")
    assert done.code == 1
    events = [json.loads(line) for line in done.out.splitlines()]
    assert {event["schema"] for event in events} == {1}
    places = {event["url"]: (event["input"], event["line"]) for event in events}
    assert places == {
        urls[1]: ("argument 1", 1), urls[0]: (str(file), 2), missing: (str(file), 4),
    }  # fmt: skip
    statuses = {event["url"]: event["status"] for event in events}
    assert statuses == {urls[0]: "completed", urls[1]: "completed", missing: "failed"}
    assert {event["status"] for event in events} <= set(DownloadStatus)
