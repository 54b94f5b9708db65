"""Lists behind the file systems of fsspec: each of them fails in ways of its own."""

import tarfile
import zipfile
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from rheo_core.fleet.columns import TableOptions
from rheo_core.fleet.list_files import digest_of, found_sources
from rheo_core.fleet.rows import ListError
from rheo_core.fleet.tables import read_rows

URL = "http://127.0.0.1:1/a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a list, in archives too, some of them damaged."""
    (tmp_path / "l.txt").write_text(URL)
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        archive.write(tmp_path / "l.txt", "l.txt")
    with tarfile.open(tmp_path / "l.tar", "w") as tar:
        tar.add(tmp_path / "l.txt", "l.txt")
    whole = (tmp_path / "l.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:40])
    (tmp_path / "head.zip").write_bytes(whole[:30] + b"?????" + whole[35:])
    return tmp_path


def urls_in(source: str) -> list[str]:
    with found_sources([source]) as sources:
        digest_of(sources)
        return [row.url for each in sources for row in read_rows(each, TableOptions())]


@pytest.mark.parametrize(
    "source",
    [
        "local://{}/l.txt",
        "local://{}/l*.txt",
        "simplecache::file://{}/l.txt",
        "zip://l.txt::{}/l.zip",
        "tar://l.txt::file://{}/l.tar",
    ],
)
def test_a_list_in_an_archive_is_read(folder: Path, source: str) -> None:
    assert urls_in(source.format(folder)) == [URL]


@pytest.mark.parametrize(
    "source",
    [
        "zip://l.txt::{}/cut.zip",
        "zip://l.txt::{}/head.zip",
        "zip://nothing::{}/l.zip",
        "zip://l.txt::{}/nothing.zip",
        "zip://*::{}/cut.zip",
        "tar://l.txt::{}/l.zip",
        "reference://{}/l.txt",
        "reference::file://{}/l.txt",
        "github://owner/repository",
        "dir://{}/l.txt",
        "dir://*",
        "dir::file://{}/l.txt",
        "blockcache://{}/l.txt",
        "generic://{}/l.txt",
        "simplecache::nowhere://{}/l.txt",
        "nowhere::file://{}/l.txt",
        "nowhere://{}",
    ],
)
def test_a_list_that_a_file_system_refuses_is_one_sentence(folder: Path, source: str) -> None:
    with pytest.raises(ListError, match=r"\Acannot read the list .+: .+\Z"):
        urls_in(source.format(folder))


@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.long)])
def test_a_list_of_a_thousand_columns_in_many_groups_is_read(tmp_path: Path, count: int) -> None:
    columns = {f"column_{number}": [*range(count)] for number in range(1_000)}
    path = tmp_path / "l.parquet"
    parquet.write_table(pyarrow.table(columns | {"url": [URL] * count}), path, row_group_size=2)
    assert urls_in(str(path)) == [URL] * count
