"""Output folders: what is created once, replaced and listed, on a disk and in a store."""

import os
import re
import stat
import sys
import uuid
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from rheo_core.fleet.targets import Target, open_target


@pytest.fixture(params=["folder", "memory", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """Return an output folder that does not exist yet."""
    if request.param == "folder":
        return open_target(str(tmp_path / "out"))
    if request.param == "memory":
        return open_target(f"memory://{uuid.uuid4()}/out")
    return open_target(f"s3://{request.getfixturevalue('bucket')}/out")


def test_a_missing_folder_is_empty(target: Target) -> None:
    assert target.names() == target.names("_rheo") == []
    assert not target.exists("_rheo/plan.json")


def test_a_file_is_created_once(target: Target) -> None:
    assert target.create("part-000000.json", b"first")
    assert not target.create("part-000000.json", b"second")
    assert target.read("part-000000.json") == b"first"


def test_a_file_is_replaced_as_often_as_wanted(target: Target) -> None:
    target.put("_rheo/status.json", b"first")
    target.put("_rheo/status.json", b"second")
    assert target.read("_rheo/status.json") == b"second"
    assert target.names("_rheo") == ["status.json"]


def test_a_file_is_removed_even_if_it_is_gone(target: Target) -> None:
    target.put("_rheo/stop", b"")
    target.remove("_rheo/stop")
    target.remove("_rheo/stop")
    assert not target.exists("_rheo/stop")
    with pytest.raises(FileNotFoundError):
        target.read("_rheo/stop")


def test_files_are_listed_with_their_sizes(target: Target) -> None:
    target.put("a", b"12")
    target.put("folder/b", b"123")
    assert target.sizes() == {"a": 2}
    assert target.sizes("folder") == {"b": 3}
    assert target.sizes("nothing") == {}
    with target.open("folder/b") as file:
        assert file.read() == b"123"


def test_a_local_file_is_moved_here(target: Target, tmp_path: Path) -> None:
    source = tmp_path / "scratch.tar"
    source.write_bytes(b"bytes")
    target.put_file("part-000000.tar", source)
    assert target.read("part-000000.tar") == b"bytes"


def test_a_file_of_another_disk_is_copied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path("/dev/shm") / f"rheo-{uuid.uuid4()}"
    if not source.parent.is_dir() or source.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems")
    source.write_bytes(b"bytes")
    target = open_target(str(tmp_path))
    target.put_file("part-000000.tar", source)
    assert target.read("part-000000.tar") == b"bytes"
    assert target.names() == ["part-000000.tar"] and not source.exists()


def test_lists_are_private_and_results_are_not(tmp_path: Path) -> None:
    target = open_target(str(tmp_path / "out"))
    target.put("_rheo/shards/000000.jsonl.gz", b"")
    target.create("part-000000.json", b"")
    mode_of = {
        name: stat.S_IMODE((tmp_path / "out" / name).stat().st_mode)
        for name in ("_rheo", "_rheo/shards", "part-000000.json")
    }
    assert mode_of["_rheo"] == mode_of["_rheo/shards"] == 0o700
    assert mode_of["part-000000.json"] & 0o400


def test_a_pipe_in_an_output_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = open_target(str(tmp_path))
    with pytest.raises(OSError, match="not a regular file"):
        target.read("pipe")
    with pytest.raises(OSError, match="not a regular file"):
        target.open("pipe")


def test_the_url_of_a_local_file_is_its_path(tmp_path: Path) -> None:
    assert open_target(f"file://{tmp_path}").path == tmp_path


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("nowhere://bucket/out", "nowhere:// is unknown"),
        ("s3://key:secret@bucket/out", "contains a login"),
    ],
)
def test_an_unusable_output_folder_is_named(out: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        open_target(out)
    assert "secret" not in str(raised.value)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    imported = sys.modules[fsspec.get_filesystem_class.__module__]._registry
    monkeypatch.delitem(imported, "s3", raising=False)
    with pytest.raises(ValueError, match=r"pip install 'rheo-tui\[fleet,s3\]'"):
        open_target("s3://bucket/out")


def test_no_file_behind_a_linked_folder_is_touched(tmp_path: Path) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (elsewhere / "stop").write_bytes(b"mine")
    out.mkdir()
    (out / "_rheo").symlink_to(elsewhere)
    target = open_target(str(out))
    with pytest.raises(OSError, match="a symbolic link in an output folder"):
        target.remove("_rheo/stop")
    with pytest.raises(OSError, match="a symbolic link in an output folder"):
        target.put("_rheo/shards/000000.jsonl.gz", b"")
    for read in (target.read, target.open):
        with pytest.raises(OSError, match="a symbolic link in an output folder"):
            read("_rheo/stop")
    for listed in (target.names, target.sizes):
        with pytest.raises(OSError, match="a symbolic link in an output folder"):
            listed("_rheo")
    assert [path.name for path in elsewhere.iterdir()] == ["stop"]


@pytest.mark.parametrize("out", ["file://localhost{}", "local://localhost{}", "file://{}"])
def test_an_output_folder_has_the_path_of_its_url(tmp_path: Path, out: str) -> None:
    assert open_target(out.format(tmp_path)).path == tmp_path


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("", "the output folder should be the path of a folder"),
        (" ", "the output folder should be the path of a folder"),
        ("~no-such-user/x", "should be the path of a folder; the user does not exist"),
        ("file://server/out", "file://server/out should have the form file:///PATH"),
        ("file://out", "file://out should have the form file:///PATH"),
        ("local://out/x", "local://out/x should have the form local:///PATH"),
    ],
)
def test_an_output_folder_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        open_target(out)
    assert not list(tmp_path.iterdir())


def test_an_output_folder_may_be_below_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_target("~/out").path == tmp_path / "out"


@pytest.mark.parametrize("url", ["file://{}", "local://{}", "here://{}"])
def test_every_url_of_a_file_system_is_a_local_folder(tmp_path: Path, url: str) -> None:
    """fsspec itself would write through a link, into a file of somebody else."""
    fsspec.register_implementation("here", Here, clobber=True)
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name in ("part-000000.parquet", "_rheo/stop", "_rheo/plan.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).symlink_to(victim)
    target = open_target(url.format(out))
    assert target.path == out
    target.put("_rheo/stop", b"")
    assert not target.create("_rheo/plan.json", b"{}")
    source = tmp_path / "manifest"
    source.write_bytes(b"PAR1")
    target.put_file("part-000000.parquet", source)
    assert victim.read_bytes() == b"precious"


class Here(LocalFileSystem):  # type: ignore[misc]
    """File system of a program's own, as a plug-in of fsspec may register it."""

    protocol = "here"


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::file://{}",
        "filecache::file://{}",
        "blockcache::local://{}",
        "async_wrapper::file://{}",
        "dir::file://{}",
        "zip://out::file://{}/a.zip",
        "reference::file://{}",
    ],
)
def test_a_chain_of_urls_is_no_output_folder(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match=r"is a chain of URLs; name the folder without `::`$"):
        open_target(url.format(tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_a_cache_of_a_local_folder_is_no_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("simplecache", "filecache"):
        monkeypatch.setitem(fsspec.config.conf, name, {"target_protocol": "file"})
        with pytest.raises(ValueError, match="is a local copy of a folder"):
            open_target(f"{name}://{tmp_path}/out")


@pytest.mark.parametrize(
    "url", ["zip:///nowhere/out", "tar:///nowhere/out", "dir://out", "generic://out", "dbfs://out"]
)
def test_a_file_system_that_cannot_be_an_output_folder_is_one_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=rf"^output folder {url}: .+[^.]$"):
        open_target(url)
