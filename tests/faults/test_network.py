"""The network goes away and comes back: a route, a name server, one host."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers.far_away import ADDRESS, PORT, TUNNEL, FarAway, body_of

pytestmark = pytest.mark.skipif(not FarAway.is_possible(), reason="needs network namespaces")

RHEO = Path(sys.executable).with_name("rheo")
OUTAGE_SECONDS = 3.0  # longer than the time between two looks for the network


class Ended(NamedTuple):
    """Exit code and output of a run."""

    code: int
    said: str


class Stage:
    """Runs of the command behind a network that can be taken away."""

    def __init__(self, far: FarAway, folder: Path) -> None:
        self.far = far
        self.out = folder / "out"
        places = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
        haste = {"RHEO_RETRY_BASE_DELAY": "0.01", "RHEO_STALL_TIMEOUT": "2"}
        proxies = {name for name in os.environ if name.lower().endswith("_proxy")}
        kept = {name: value for name, value in os.environ.items() if name not in proxies}
        self._environment = kept | places | haste

    def start(self, *words: str) -> "subprocess.Popen[str]":
        command = (str(RHEO), "download", "-o", str(self.out), *words)
        return self.far.start(*command, env=self._environment)

    def is_whole(self, path: str) -> bool:
        return (self.out / path.rpartition("/")[2]).read_bytes() == body_of(path)


def end_of(run: "subprocess.Popen[str]") -> Ended:
    said, _ = run.communicate(timeout=60)
    return Ended(run.returncode, said)


def url(path: str, host: str = "far.example") -> str:
    return f"http://{host}:{PORT}{path}"


def wait_for_bytes(path: Path, count: int) -> None:
    """Wait until a file occupies `count` bytes of the disk; holes in it do not count."""
    patience = time.monotonic() + 60
    while not path.exists() or path.stat().st_blocks * 512 < count:
        assert time.monotonic() < patience, f"{path.name} has too few bytes"
        time.sleep(0.05)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with FarAway(tmp_path) as far:
        yield Stage(far, tmp_path)


def without_route(far: FarAway) -> Callable[[], None]:
    far.disconnect()
    return far.connect


def without_name_servers(far: FarAway) -> Callable[[], None]:
    far.silence_names()
    return far.answer_names


@pytest.mark.parametrize("take", [without_route, without_name_servers])
def test_t11_a_start_without_network_waits_and_costs_no_attempt(
    stage: Stage, take: Callable[[FarAway], Callable[[], None]]
) -> None:
    paths = [f"/1000/f{number}" for number in range(6)]
    bring_back = take(stage.far)
    urls = [url(path, f"host{number}.example") for number, path in enumerate(paths)]
    with stage.start("--retries", "0", "-w", "2", *urls) as run:
        assert run.stdout is not None
        assert "no network (" in run.stdout.readline()
        time.sleep(OUTAGE_SECONDS)
        assert run.poll() is None
        bring_back()
        said = run.stdout.read()
    assert run.returncode == 0, said
    assert all(map(stage.is_whole, paths))
    assert "retrying" not in said and "no network (" not in said


@pytest.mark.parametrize("address", ["far.example", "11.0.0.1"])
def test_t11_a_running_download_goes_on_from_its_bytes(stage: Stage, address: str) -> None:
    path = "/3000000/large"
    stage.far.hold_back()
    run = stage.start("--retries", "0", "-x", "2", url(path, address))
    wait_for_bytes(stage.out / "large.part", 500_000)
    stage.far.disconnect()
    with run:
        assert run.stdout is not None
        notice = next((line for line in run.stdout if "no network (" in line), "")
        stage.far.connect()
        stage.far.go_on()
        said = run.stdout.read()
    assert notice and run.returncode == 0 and stage.is_whole(path), said
    assert "the network is back" in said


@pytest.mark.parametrize("interface", ["tunnel", TUNNEL])
@pytest.mark.halved("interface")
def test_t11_the_interface_of_the_options_goes_and_comes_back(stage: Stage, interface: str) -> None:
    paths = [f"/3000000/f{number}" for number in range(2)]
    urls = [url(path, ADDRESS) for path in paths]
    stage.far.open_tunnel()
    options = ("--retries", "1", "-w", "1", "-x", "1", "--interface", interface)
    with stage.start(*options, *urls) as run:
        wait_for_bytes(stage.out / "f0.part", 0)
        stage.far.close_tunnel()
        assert run.stdout is not None
        said = run.stdout.readline()
        time.sleep(OUTAGE_SECONDS)
        assert run.poll() is None, said + run.stdout.read()
        stage.far.open_tunnel()
        said += run.stdout.read()
    assert run.returncode == 0 and all(map(stage.is_whole, paths)), said
    assert "no network (" in said and said.count("retry 1 of 1") <= 1


def test_t12_an_unknown_host_fails_at_once_and_alone(stage: Stage) -> None:
    ended = end_of(stage.start(url("/1000/a", "unknown.example"), url("/1000/b")))
    assert ended.code == 1 and stage.is_whole("/1000/b"), ended.said
    assert "failed    a: unknown.example: host name not found" in ended.said
    assert "retrying" not in ended.said and "no network (" not in ended.said


def test_t12_a_host_whose_name_server_is_broken_fails_alone(stage: Stage) -> None:
    """The others answer meanwhile, so the network is there."""
    paths = [f"/1000/f{number}" for number in range(4)]
    broken = url("/1000/broken", "broken.example")
    urls = [broken, *(url(path, f"host{path[-1]}.example") for path in paths)]
    ended = end_of(stage.start("--retries", "1", "-w", "1", *urls))
    assert ended.code == 1 and all(map(stage.is_whole, paths)), ended.said
    assert "failed    broken: broken.example: no name server answers" in ended.said


def test_t12_an_address_that_no_route_leads_to_is_not_a_lost_network(stage: Stage) -> None:
    stage.far.near("ip route add unreachable 11.9.9.9")
    ended = end_of(stage.start("--retries", "1", url("/1000/a", "11.9.9.9"), url("/1000/b")))
    assert ended.code == 1 and stage.is_whole("/1000/b"), ended.said
    assert "retry 1 of 1" in ended.said and "no network (" not in ended.said


@pytest.mark.parametrize("patience", ["0", "3"])
def test_t11_the_command_waits_only_so_long(stage: Stage, patience: str) -> None:
    stage.far.disconnect()
    began = time.monotonic()
    ended = end_of(stage.start("--network-timeout", patience, "--retries", "1", url("/1000/a")))
    assert ended.code == 1 and "failed    a: far.example: no name server answers" in ended.said
    assert time.monotonic() - began >= float(patience)
    assert stage.far.requests == []
