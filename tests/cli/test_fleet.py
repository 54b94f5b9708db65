"""`rheo fleet`: plans, and mistakes that end a command before anything is written."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rheo_core.cli.main import app


@pytest.fixture(autouse=True)
def _home(environment: dict[str, str]) -> None:
    """The command has a home of its own."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    rows = [f"https://host{n}.example{n % 3}.org/{n},text {n}" for n in range(30)]
    path.write_text("\n".join(["url,caption", *rows, "ftp://example.org/,x"]))
    return path


def fleet(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fleet", *map(str, arguments)])


def test_a_list_is_planned_once(source: Path, folder: Path) -> None:
    command = ("plan", source, "-o", folder, "--shard-size", 4, "--lanes", 2, "--keep", "caption")
    first = fleet(*command)
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout == "31 entries, 1 of them unreadable, 9 shards, 2 lanes\n"
    plan = (folder / "_rheo/plan.json").read_bytes()
    assert json.loads(plan)["keep"] == ["caption"]
    again = fleet(*command)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert (folder / "_rheo/plan.json").read_bytes() == plan


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["LIST", "--shard-size", "9"], 2, "was planned with --shard-size 10000, not 9; leave"),
        (["LIST", "--url-column", "link"], 2, "belongs to another list, or to other columns"),
        (["/dev/null"], 2, "belongs to another list"),
        (["LIST", "--keep", "text", "-o", "NEW"], 2, "no column 'text'; its columns are url, cap"),
        (["/nowhere", "-o", "NEW"], 1, "cannot read the list /nowhere: No such file"),
        (["/dev/null", "-o", "NEW"], 1, "the list contains no URL"),
        (["-o", "NEW"], 2, "the output folder has no plan; name a list"),
        (["LIST", "-o", "/proc/x"], 4, "/proc/x cannot be written: No such file"),
        (["LIST", "-o", "none://x"], 2, "output folder none://x: none:// is unknown"),
        (["LIST", "--format", "xml"], 2, "--format is 'xml'; it must be lines, jsonl, csv, tsv,"),
        (["LIST", "--spread", "x"], 2, "--spread is 'x'; it must be sites, order."),
        (["LIST", "--lanes", "0"], 2, "--lanes is 0; it must be from 1 to 4,096."),
        (["LIST", "--shard-size", "100001"], 2, "must be from 1 to 100,000."),
        (["LIST", "--max-size", "x"], 2, "--max-size: should be a size such as"),
        (["LIST", "--host-rate", "x"], 2, "--host-rate: should be bytes per second such as"),
    ],
)
def test_a_mistake_is_one_sentence(
    source: Path, folder: Path, arguments: list[str], code: int, sentence: str
) -> None:
    assert fleet("plan", source, "-o", folder).exit_code == 0
    known = {"LIST": str(source), "NEW": str(folder.parent / "new")}
    command = ["plan", "-o", str(folder), *(known.get(each, each) for each in arguments)]
    result = fleet(*command)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("rheo: ") and result.stderr.count("\n") == 1
    assert sentence in result.stderr
    assert not (folder.parent / "new" / "_rheo" / "plan.json").exists()
