"""`rheo fleet`: plans, and mistakes that end a command before anything is written."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rheo_core.cli.fleet_status import Progress
from rheo_core.cli.main import app
from rheo_core.domain.fleet import (
    PLAN_NAME,
    STATUS_NAME,
    STOP_NAME,
    FleetPlan,
    FleetStatus,
    ShardFacts,
    facts_name,
    from_json,
    journal_name,
    to_json,
)
from rheo_core.domain.text import printable


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


def test_numbers_of_one_are_singular(folder: Path) -> None:
    (source := folder.parent / "one.txt").write_text("https://example.org/a\n")
    assert fleet("plan", source, "-o", folder).stdout == "1 entry, 1 shard, 1 lane\n"
    assert fleet("check", folder).stdout == "0 of 1 shard complete; 0 problems\n"
    idle = fleet("work", folder, "--slice", "1/2")
    assert idle.stderr.startswith("Nothing to do: the plan has 1 lane for 2 slices.\n")
    assert "0 of 1 shard, 0 of 1 entry" in fleet("status", folder).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["LIST", "--shard-size", "9"], 2, "was planned with --shard-size 10000, not 9; leave"),
        (["LIST", "--url-column", "link"], 2, "a different list or different columns"),
        (["/dev/null"], 2, "was planned from a different list"),
        (["LIST", "--keep", "text", "-o", "NEW"], 2, "no column 'text'; its columns are url, cap"),
        (["/nowhere", "-o", "NEW"], 1, "cannot read the list /nowhere: No such file"),
        (["/dev/null", "-o", "NEW"], 1, "the list contains no URL"),
        (["-o", "NEW"], 2, "the output folder has no plan; name a list"),
        (["LIST", "-o", "/proc/x"], 4, "cannot write to /proc/x: No such file"),
        (["LIST", "-o", "none://x"], 2, "output folder none://x: none:// is unknown"),
        (["LIST", "--format", "xml"], 2, "--format is 'xml'; it must be one of lines, jsonl,"),
        (["LIST", "--spread", "x"], 2, "--spread is 'x'; it must be one of sites, order."),
        (["LIST", "--retries", "-1"], 2, "--retries is -1; it must be from 0 to 100."),
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


def complete(folder: Path, outcome: str = "completed") -> None:
    """Store the facts of every shard, as workers do."""
    plan = from_json(FleetPlan, (folder / PLAN_NAME).read_bytes())
    for number, shard in enumerate(plan.shards):
        errors = {} if outcome == "completed" else {"http_404": shard.entries}
        facts = ShardFacts(
            number, entries=shard.entries, counts={outcome: shard.entries}, errors=errors
        )
        (folder / facts_name(number)).write_text(to_json(facts))


@pytest.fixture
def planned(folder: Path, tmp_path: Path) -> Path:
    """An output folder with a plan of three shards."""
    source = tmp_path / "list.txt"
    source.write_text("\n".join(f"https://example.org/{number}" for number in range(6)))
    assert fleet("plan", source, "-o", folder, "--shard-size", 2).exit_code == 0
    return folder


@pytest.mark.parametrize(
    ("outcome", "code", "more"),
    [("completed", 0, ""), ("failed", 1, "  http_404: 6\n")],
)
def test_a_complete_run_needs_no_cluster(
    planned: Path, outcome: str, code: int, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    complete(planned, outcome)
    note = (
        "rheo: 3 of 3 shards were complete before this run; "
        f"`rheo fleet check --deep {planned}` verifies their files\n"
    )
    for command in (("run", "-o", planned), ("status", planned), ("status", planned, "--watch")):
        result = fleet(*command)
        assert (result.exit_code, result.stderr) == (code, note if "run" in command else "")
        assert result.stdout == (
            f"complete: 3 of 3 shards, 6 of 6 entries, 6 {outcome}, 0 B\n{more}"
        )


def test_what_a_kill_left_of_a_complete_run_needs_a_cluster(
    planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the workers of a run know where its temporary files are."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    complete(planned)
    journal = planned / journal_name(1)
    journal.parent.mkdir()
    journal.write_text("")
    assert "needs Dask" in fleet("run", "-o", planned).stderr
    assert fleet("status", planned).exit_code == 0


def test_the_status_of_a_run_is_known_without_a_driver(planned: Path) -> None:
    complete(planned)
    (planned / facts_name(1)).unlink()
    result = fleet("status", planned, "--json")
    status = json.loads(result.stdout)
    assert (result.exit_code, status["state"], status["shards_done"]) == (3, "stopped", 2)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_an_error_of_a_shard_is_shown_once_and_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    progress = Progress()
    full, gone = "shard 0: cannot write x: disk full", "shard 1: \x1b[31mdied"
    for message in ("", full, full, gone, gone):
        progress.show(FleetStatus("running", 0.0, 0.0, 2, message=message))
    progress.show(FleetStatus("failed", 0.0, 0.0, 2, message=gone))  # `show_status` follows
    lines = capsys.readouterr().err.replace("\r\x1b[K", "\n").splitlines()
    errors = [line for line in lines if line.startswith("rheo: ")]
    assert errors == [f"rheo: {full}", f"rheo: {printable(gone)}"]


def test_a_run_is_stopped_by_a_file(planned: Path) -> None:
    result = fleet("stop", planned)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (planned / STOP_NAME).exists()


@pytest.mark.parametrize("command", ["status", "stop"])
def test_a_folder_of_no_fleet_is_named(command: str, tmp_path: Path) -> None:
    result = fleet(command, tmp_path / "x")
    assert result.exit_code == 2
    assert result.stderr == f"rheo: {tmp_path}/x is not the output folder of a fleet; " \
        "it has no plan.\n"  # fmt: skip


@pytest.mark.parametrize(
    "name", ["x", "dask://", "dask://host", "dask://host:x", "dask://a:b@host:1", "tcp://host:1"]
)
def test_an_unknown_cluster_is_named(planned: Path, name: str) -> None:
    result = fleet("run", "-o", planned, "--cluster", name)
    assert result.exit_code == 2
    shown = name.replace("a:b@", "")  # no secret is repeated
    assert result.stderr.startswith(f"rheo: --cluster is {shown!r}; it must be local, dask://HOST")


def test_a_missing_engine_is_named_with_its_package(
    planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "ray", None)
    for name, engine in (("local", "Dask"), ("dask://h:1", "Dask"), ("ray://h:1", "Ray")):
        result = fleet("run", "-o", planned, "--cluster", name)
        assert result.exit_code == 2
        package = f"pip install 'rheo-tui[fleet,{engine.lower()}]'"
        assert f"--cluster {name} needs {engine}: {package}" in result.stderr


def test_damaged_facts_end_the_status(planned: Path) -> None:
    complete(planned)
    (planned / facts_name(1)).write_text("{")
    result = fleet("status", planned)
    assert result.exit_code == 3
    assert "part-000001.json is damaged; remove it" in result.stderr


def test_a_check_tells_what_is_missing(planned: Path) -> None:
    incomplete = fleet("check", planned)
    assert (incomplete.exit_code, incomplete.stderr) == (3, "")
    assert incomplete.stdout == "0 of 3 shards complete; 0 problems\n"
    complete(planned)
    bad = fleet("check", planned, "--deep")
    assert (bad.exit_code, bad.stderr) == (1, "")
    assert bad.stdout.splitlines() == [
        "part-000000.json does not name a manifest",
        "part-000001.json does not name a manifest",
        "part-000002.json does not name a manifest",
        "3 of 3 shards complete; 3 problems",
    ]


@pytest.mark.parametrize("shards", [3, 0, -1])
def test_a_check_counts_the_shards_itself(planned: Path, shards: int) -> None:
    """A stored status is that of anybody who can write into the folder."""
    now = time.time()
    status = FleetStatus("running", now, now, shards=shards, shards_done=shards, entries=shards)
    (planned / STATUS_NAME).parent.mkdir(exist_ok=True)
    (planned / STATUS_NAME).write_text(to_json(status))
    checked = fleet("check", planned, "--deep")
    assert (checked.exit_code, checked.stdout) == (3, "0 of 3 shards complete; 0 problems\n")
    assert fleet("status", planned).exit_code == 3


def test_a_further_pass_needs_a_complete_run(planned: Path) -> None:
    result = fleet("retry", planned)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "rheo: the run is not complete; run `rheo fleet run` first.\n"


@pytest.mark.parametrize("kind", ["HTTP_404", "http_4o4", "http_999", "timeouts", "unreadable", ""])
def test_an_unknown_kind_of_errors_is_refused(planned: Path, kind: str) -> None:
    complete(planned)
    result = fleet("retry", planned, "--kind", "http_404", "--kind", kind, "--plan-only")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        f"rheo: --kind is {kind!r}; it must be one of http_STATUS, certificate,"
    )
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_plan_in_the_memory_of_a_command_is_refused(source: Path, command: str) -> None:
    result = fleet(command, source, "-o", "memory://out")
    assert (result.exit_code, result.stdout) == (2, "")
    sentence = (
        "output folder memory://out exists only in this process; use a folder or an object store"
    )
    assert result.stderr == f"rheo: {sentence}.\n"


def test_a_list_that_is_no_parquet_ends_with_one_full_stop(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    path.write_text("PAR1 or not")
    result = fleet("plan", path, "-o", folder)
    assert result.exit_code == 1
    assert result.stderr.endswith(".\n") and not result.stderr.endswith("..\n")


@pytest.mark.parametrize("command", [["run", "-o"], ["retry"], ["work"]])
def test_a_plan_alone_does_not_ignore_robots_tags(planned: Path, command: list[str]) -> None:
    """Somebody else may have written it."""
    plan = from_json(FleetPlan, (planned / PLAN_NAME).read_bytes())
    (planned / PLAN_NAME).write_text(to_json(replace(plan, ignore_robots_tag=True)))
    complete(planned)
    refused = fleet(*command, planned)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "rheo: the plan ignores X-Robots-Tag; pass --ignore-robots-tag or --respect-robots-tag.\n"
    )
    for flag in ("--ignore-robots-tag", "--respect-robots-tag"):
        allowed = fleet(*command, planned, flag)
        assert allowed.exit_code != 2
        assert isinstance(allowed.exception, SystemExit | None), allowed.exception


@pytest.mark.parametrize("command", [["run", "-o"], ["work"]])
def test_a_plan_of_others_is_reported(planned: Path, command: list[str]) -> None:
    complete(planned)
    assert "somebody else" not in fleet(*command, planned).stderr
    (planned / PLAN_NAME).chmod(0o666)
    assert (
        f"rheo: {planned} may be somebody else's: _rheo/plan.json: other users can change it; run "
        "chmod go-w on it. rheo downloads what it says, with your logins.\n"
    ) in fleet(*command, planned).stderr


def test_limits_of_the_user_are_shown(planned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(planned)
    monkeypatch.setenv("RHEO_MAX_CONCURRENT", "5")
    monkeypatch.setenv("RHEO_CONNECTIONS_PER_HOST", "1")
    shown = fleet("work", planned).stderr
    assert "5 downloads at a time, because your settings have max_concurrent = 5\n" in shown
    assert "at most 1 connection, because your settings have connections_per_host = 1\n" in shown


@pytest.mark.parametrize("command", [["run", "-o"], ["retry"], ["work"]])
@pytest.mark.parametrize("scratch", ["", " ", "~no-such-user/x"])
def test_a_scratch_folder_that_is_no_path_is_refused(
    planned: Path, command: list[str], scratch: str
) -> None:
    result = fleet(*command, planned, "--scratch", scratch)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("rheo: --scratch should be the path of a folder")
    assert result.stderr.count("\n") == 1
