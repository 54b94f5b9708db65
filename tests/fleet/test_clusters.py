"""Clusters: processes with another version of rheo are refused before the first shard."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from rheo_core.domain.fleet import STATUS_NAME
from rheo_core.fleet.executors import Cluster, ClusterError, dask, open_cluster
from rheo_core.version import __version__
from tests.faults.program import COMMAND, Home, ended
from tests.fleet.runs import gone, serve
from tests.programs import start_program
from tests.servers.misbehaving import MisbehavingServer

AT_FIRST = "from rheo_core.fleet import shard_scheduler; shard_scheduler._MAX_ATTEMPTS = 1"
"""A shard is given up after its first attempt."""


@pytest.mark.parametrize(
    ("versions", "sentence"),
    [
        ({"the scheduler": ""}, "on the whole cluster: the scheduler has none$"),
        ({"the scheduler": __version__, "tcp://a:1": "0.0.1"}, "cluster: tcp://a:1 has 0.0.1$"),
        ({f"w{n}": "0.0.1" for n in range(9)}, r"w4 has 0.0.1, and 4 more$"),
    ],
)
def test_other_versions_are_refused(
    versions: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def local(processes: int) -> Iterator[Cluster]:
        with ThreadPoolExecutor(processes) as threads:
            yield Cluster(threads, processes, versions)

    monkeypatch.setattr(dask, "local", local)
    with pytest.raises(ClusterError, match=sentence), open_cluster("local", 2):
        raise AssertionError("it was opened")


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ({"HTTPS_PROXY": "foo://u:hidden@host"}, "Environment: HTTPS_PROXY is not valid: "),
        pytest.param(
            {"RHEO_REQUEST": '{"proxy": "foo://u:hidden@host"}'},
            "RHEO_REQUEST",
            marks=pytest.mark.long,  # as the next one, a setting
        ),
        ({"RHEO_REQUEST": '{"ca_file": "/missing.pem"}'}, "/missing.pem"),
    ],
    ids=["a proxy of the environment", "a setting", "a file"],
)
async def test_settings_that_prevent_downloads_end_a_run_before_its_first_shard(
    variable: dict[str, str], sentence: str, home: Home, tmp_path: Path
) -> None:
    out, source = tmp_path / "out", tmp_path / "list.txt"
    source.write_text("http://127.0.0.1:1/a\n")
    run = ("fleet", "run", source, "-o", out, "-j", 2)
    result = await ended(await start_program(COMMAND, run, home.environment | variable))
    start = "rheo: 2 of 2 workers are not usable, such as tls://127.0.0.1:"
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(start) and sentence in result.err
    assert result.err.count("\n") == 1 and "hidden" not in result.err
    assert not list(out.glob("part-*")) and not (out / STATUS_NAME).exists()


async def test_failed_downloads_are_in_the_manifests_only(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    """Workers of a local cluster share the terminal, and a list may have a million dead links."""
    source = tmp_path / "list.txt"
    source.write_text("\n".join(server.on(f"/{number}", gone) for number in range(5)))
    result = await home.rheo("fleet", "run", source, "-o", tmp_path / "out", "-j", 1, "-q")
    assert (result.code, result.out, result.err) == (1, "", "")
    again = await home.rheo("fleet", "status", tmp_path / "out")
    assert "5 failed" in again.out and "http_404: 5" in again.out


async def test_a_quiet_run_says_why_it_is_not_complete(
    server: MisbehavingServer, home: Home, tmp_path: Path
) -> None:
    source, scratch = tmp_path / "list.txt", tmp_path / "scratch"
    source.write_text(server.on("/0", serve))
    scratch.write_bytes(b"")
    run = ("fleet", "run", source, "-o", tmp_path / "out", "--layout", "tar", "--scratch", scratch)
    result = await home.run(f"{AT_FIRST}\n{COMMAND}", *run, "-j", 1, "-q")
    assert (result.code, result.out) == (3, "")
    first, reason = result.err.splitlines()
    assert first.startswith("failed: 0 of 1 shard")
    assert reason.startswith("  shard 0: ") and str(scratch) in reason


_TWO_CLUSTERS = """
import json
import sys
from urllib.request import urlopen
from dask import config
from rheo_core.fleet.executors import dask

with dask.local(1), dask.local(1) as cluster:
    tick = cluster.executor.submit(config.get, "distributed.admin.tick.interval").result()
    assert tick == "500ms", tick  # settings reach the workers
    scheduler = cluster.executor._client.cluster.scheduler
    pages = f"http://127.0.0.1:{scheduler.http_server.port}/sitemap.json"
    print(scheduler.http_server.address, *json.load(urlopen(pages))["paths"])
"""


@pytest.mark.long
def test_two_local_clusters_show_nothing_to_other_users_and_do_not_collide() -> None:
    command = [sys.executable, "-W", "error", "-c", _TWO_CLUSTERS]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("127.0.0.1 /sitemap.json\n", "")
