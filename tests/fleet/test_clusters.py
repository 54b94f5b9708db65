"""Clusters: processes with another version of rheo are refused before the first shard."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from rheo_core.fleet.executors import Cluster, ClusterError, dask, open_cluster
from rheo_core.version import __version__


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
