"""Clusters: processes with another version of rheo are refused before the first shard."""

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
