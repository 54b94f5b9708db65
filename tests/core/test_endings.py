"""Telling that downloads have ended: one printable line, through a terminal or a desktop."""

import stat
from pathlib import Path

import pytest

from rheo_core import FileConfig
from rheo_core.downloads import CompletionHooks
from rheo_core.downloads.desktop_notifications import desktop_command
from rheo_core.events import DownloadCompletedEvent, DownloadFailedEvent, DownloadQueuedEvent
from rheo_core.events.models import ErrorInfo
from rheo_core.events.notifications import EndedDownloads, terminal_sequence
from tests.core.engine import fetch, serving
from tests.servers.misbehaving import MisbehavingServer

HOSTILE = "<b>a</b>\x1b]52;c;ZQ==\x07\u202e[/].bin"


def completed(name: str) -> DownloadCompletedEvent:
    return DownloadCompletedEvent(
        download_id="1", url="http://x/y", destination_path=f"/files/{name}"
    )


def failed(url: str) -> DownloadFailedEvent:
    error = ErrorInfo(exc_type="x", message="no")
    return DownloadFailedEvent(download_id="1", url=url, error=error)


def test_what_is_told() -> None:
    endings = EndedDownloads()
    assert endings.take() == ""
    assert not endings.add(DownloadQueuedEvent(download_id="1", url="http://x/y", priority=1))
    assert endings.add(completed("a.iso"))
    assert endings.take() == "Downloaded a.iso"
    assert endings.add(failed("http://x/b.iso?token=s3cret"))
    assert endings.take() == "Failed b.iso"
    for name in "abc":
        endings.add(completed(name))
    assert endings.take() == "Downloaded: 3"
    endings.add(completed("a"))
    endings.add(failed("http://x/b"))
    assert endings.take() == "Downloaded: 1; Failed: 1"
    assert endings.take() == ""
    endings.add(completed("x" * 300))
    assert len(endings.take()) < 100


def test_a_hostile_name_is_only_text() -> None:
    endings = EndedDownloads()
    endings.add(completed(HOSTILE))
    told = endings.take()
    assert told.isprintable()
    assert terminal_sequence(told, {}).strip("\x1b\x07").isprintable()


@pytest.mark.parametrize(
    ("environment", "sequence"),
    [
        ({"TERM": "xterm-256color"}, "\x1b]9;done\x07"),
        ({"TERM": "rxvt-unicode-256color"}, "\x1b]777;notify;rheo;done\x07"),
        ({"TERM": "foot"}, "\x1b]777;notify;rheo;done\x07"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, "\x1b]777;notify;rheo;done\x07"),
        ({}, "\x1b]9;done\x07"),
    ],
)
def test_the_sequence_of_the_terminal(environment: dict[str, str], sequence: str) -> None:
    assert terminal_sequence("done", environment) == sequence


def program(folder: Path, name: str) -> None:
    """One that writes its words to a file, a line each."""
    folder.mkdir()
    path = folder / name
    path.write_text(f'#!/bin/sh\nfor word; do echo "$word"; done >> "{folder}/told"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


async def test_the_desktop_is_told_once_for_all(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = tmp_path / "bin"
    program(bin_folder, "notify-send")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    configs = [FileConfig(url=server.on(f"/{n}", serving(b"x"))) for n in range(3)]
    await fetch(tmp_path / "files", configs, following=CompletionHooks(on_desktop=True))
    assert (bin_folder / "told").read_text() == "--app-name=rheo\n--\nDownloaded: 3\n"


def test_a_desktop_without_notifications(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert desktop_command("x") is None
    program(tmp_path / "bin", "osascript")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("sys.platform", "darwin")
    command = desktop_command('" & (do shell script "id") & "')
    assert command is not None
    assert command[-2:] == [
        "--",
        '" & (do shell script "id") & "',
    ]  # data, not a part of the script
    assert "do shell" not in command[2]


async def test_no_desktop_is_no_failure(
    server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    config = FileConfig(url=server.on("/f", serving(b"x")))
    manager, _ = await fetch(
        tmp_path / "files", [config], following=CompletionHooks(on_desktop=True)
    )
    assert manager.stats.completed == 1
