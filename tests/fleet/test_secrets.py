"""Secrets of requests stay on the workers: tasks, output folder and logs have none."""

from pathlib import Path

from tests.faults.program import COMMAND, Home
from tests.fleet.runs import serve
from tests.servers.misbehaving import MisbehavingServer

SETTINGS = """
[hosts."127.0.0.1"]
bearer = "c4nary-bearer"
headers = { X-Token = "c4nary-header" }
"""

RECORDING = """
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from rheo_core.fleet.executors import Cluster, dask
from rheo_core.version import __version__

class Recording(ThreadPoolExecutor):
    def submit(self, call, /, *args, **kwargs):
        with open(TASKS, "ab") as file:
            pickle.dump((call, args, kwargs), file)
        return super().submit(call, *args, **kwargs)

@contextmanager
def local(processes):
    with Recording(processes) as executor:
        yield Cluster(executor, processes, {"a worker": __version__})

dask.local = local
"""
"""A cluster of threads, which keeps what a real one would send over the network."""


async def test_no_secret_travels_with_the_work(server: MisbehavingServer, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.config.parent.mkdir(parents=True)
    home.config.write_text(SETTINGS)
    home.config.chmod(0o600)
    source, out, tasks = tmp_path / "list.txt", tmp_path / "out", tmp_path / "tasks"
    urls = [server.on(f"/{number}.jpg?token=c4nary-url", serve) for number in range(6)]
    source.write_text("\n".join(urls))
    command = ("fleet", "run", source, "-o", out, "--shard-size", 2, "-j", 2)
    ended = await home.run(f"TASKS = {str(tasks)!r}\n{RECORDING}\n{COMMAND}", *command)
    assert ended.code == 0, ended.err
    for request in server.requests:
        assert request.headers["authorization"] == "Bearer c4nary-bearer"
        assert request.headers["x-token"] == "c4nary-header"
    assert tasks.read_bytes().count(b"ShardTask") == 3
    written = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".gz"]
    assert {"plan.json", "status.json", "part-000000.json"} <= {path.name for path in written}
    for path in (tasks, *written):  # shard lists have the URLs to download
        assert b"c4nary" not in path.read_bytes(), path
    assert "c4nary" not in ended.out + ended.err
