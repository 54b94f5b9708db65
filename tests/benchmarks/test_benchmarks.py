"""The benchmarks run in a small form. Their measurements are not checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import fleet, scale, server, startup
from benchmarks.__main__ import main
from benchmarks.app.__main__ import main as measure_app
from benchmarks.measure import Run

pytestmark = pytest.mark.skipif(server.PROGRAM is None, reason="nginx is not installed")
_SMALL = ["--scale", "0.001", "--rounds", "1", "--results"]
_OURS = ["rheo", "rheo engine", "rheo app"]


@pytest.mark.parametrize(
    "works",
    [
        ["https-hash", "small"],
        pytest.param(["http", "small", "limited", "list-100k"], marks=pytest.mark.long),
    ],
    ids=lambda works: works[0],
)
def test_every_client_brings_the_files_and_is_measured(tmp_path: Path, works: list[str]) -> None:
    code = main([*_SMALL, str(tmp_path), "--only", *works, "--peers", "curl", *_OURS])

    (file,) = tmp_path.glob("*.json")
    results = {each["work"]["name"]: each["runs"] for each in json.loads(file.read_text())["works"]}
    assert code == 0
    assert list(results) == works
    for runs in results.values():
        assert all(run["problem"] == "" for (run,) in runs.values())
    (engine,) = results["small"]["rheo engine"]
    assert 0 < engine["inner"] < engine["wall"]
    assert engine["cpu"] > 0
    assert engine["peak"] > 10 << 20
    assert "| rheo app |" in file.with_suffix(".md").read_text()


def test_a_client_that_fails_is_shown_as_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.Server, "offer", lambda self, work: "0" * 64)  # nothing to serve

    code = main([*_SMALL, str(tmp_path), "--only", "http", "--peers", "rheo"])

    assert code == 1
    assert "failed: exit code 1" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", ".app", ".bulk", ".fleet", ".limits", ".scale", ".startup"])
def test_help_measures_nothing(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks{name}", "--help"]
    assert subprocess.check_output(command, text=True).startswith("usage: ")


@pytest.mark.long
def test_the_app_is_measured(tmp_path: Path) -> None:
    small = ["--rows", "30", "--active", "4", "--windows", "2", "--window", "0.3", "--settle", "1"]

    code = measure_app([*small, "--keys", "5", "--large", "8000000", "--results", str(tmp_path)])

    (file,) = tmp_path.glob("*.json")
    found = json.loads(file.read_text())["found"]
    assert code == 0
    assert len(found["full speed"]["keys"]) == 5
    assert all(seconds > 0 for seconds in found["full speed"]["keys"])
    for situation in ("empty", "idle", "busy"):
        assert len(found[situation]["app"]) == 2
    assert min(found["busy"]["engine"]) > 0
    assert found["busy"]["memory"][0] > 10 << 20
    assert "95th percentile" in file.with_suffix(".md").read_text()


def test_the_start_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    startup.main(["--starts", "1", "--downloads", "1"])
    shown = capsys.readouterr().out
    assert "rheo --help" in shown
    assert "textual" in shown


@pytest.mark.long
def test_fleets_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert fleet.main(["--rounds", "1", "--urls", "60", "--scale", "0.001"]) == 0
    shown = capsys.readouterr().out
    assert "fleet of 2, tar" in shown and "failed" not in shown
    assert "a complete run of 1 shards again" in shown


def test_targets_of_fleets_are_judged_by_their_own_clock() -> None:
    runs = {
        fleet.DOWNLOAD: [Run(wall=8.0)],
        fleet.FILES: [Run(wall=99.0, inner=10.0), Run(wall=99.0, inner=10.0)],
        fleet.FILES_2: [Run(wall=99.0, inner=5.0), Run(wall=99.0, inner=5.0)],
        fleet.TAR: [Run(cpu=9.0, inner=10.0)],
        fleet.TAR_2: [Run(problem="exit code 1")],
        fleet.IMG2DATASET: [Run(cpu=10.0, inner=1.0)],
    }
    found = {title: (value, met) for title, _, value, met in fleet._ratios(runs)}
    assert found == {
        f"{fleet.FILES_2}, against {fleet.FILES}": ("2.00", "yes"),
        f"{fleet.FILES}, against {fleet.DOWNLOAD}": ("0.80", "no"),
        f"CPU a URL: {fleet.TAR}, against {fleet.IMG2DATASET}": ("0.90", "no"),
    }
    assert [fleet.TAR_2, "failed: exit code 1", "", "", "", ""] in list(fleet._rows(runs, 100))


@pytest.mark.parametrize("session", [False, True])
async def test_the_costs_of_a_list(tmp_path: Path, session: bool) -> None:
    found = await scale.measure(60, tmp_path, session=session)
    assert found["add them, s"] > 0
    assert ("open again, s" in found) is session
