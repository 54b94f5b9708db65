"""The examples of fleets, run as a reader or a batch system starts them."""

import asyncio
import runpy
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rheo_core.fleet.rows import Row
from tests.faults.program import Home
from tests.fleet.runs import gone, planned, rows_of
from tests.servers.misbehaving import MisbehavingServer

EXAMPLES = Path(__file__).parents[2] / "examples"
RHEO = Path(sys.executable).with_name("rheo")

needs_rheo = pytest.mark.skipif(not RHEO.exists(), reason="rheo is not installed here")


async def start(home: Home, script: list[str], **variables: str) -> asyncio.subprocess.Process:
    path = f"{RHEO.parent}:{home.path.parent}:{home.environment['PATH']}"
    return await asyncio.create_subprocess_exec(
        *script,
        env={**home.environment, "PATH": path, **variables},
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@needs_rheo
async def test_an_array_of_slurm(server: MisbehavingServer, tmp_path: Path, home: Home) -> None:
    run = planned(tmp_path / "out", [*rows_of(server, 39), Row(server.on("/no", gone))], 10)
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\nexec "$@"\n')
    srun.chmod(0o700)
    for task in ("5", "6"):
        job = await start(
            home,
            ["bash", str(EXAMPLES / "fleet_slurm.sh"), str(run.out)],
            SLURM_ARRAY_TASK_ID=task,
            SLURM_ARRAY_TASK_MIN="5",
            SLURM_ARRAY_TASK_COUNT="2",
        )
        _, err = await job.communicate()
        assert job.returncode == 0, err.decode()
    run.check()


@needs_rheo
async def test_an_indexed_job_of_kubernetes(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((EXAMPLES / "fleet_kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    shell, flag, text = container["command"]
    run = planned(tmp_path / "out", [*rows_of(server, 3), Row(server.on("/no", gone))])
    text = text.replace("/shared/crawl", str(run.out))
    pod = await start(home, [shell, flag, text], JOB_COMPLETION_INDEX="0")
    _, err = await pod.communicate()
    assert pod.returncode == 0, err.decode()
    run.check()
    assert f'/{job["spec"]["completions"]}"' in text


class ThreadClient:
    """Stands for a client of Dask, over threads of this process."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    def nthreads(self) -> dict[str, int]:
        return {"worker": 2}

    def get_executor(self, **_: Any) -> Executor:
        return self._threads


async def test_a_program_on_dask(server: MisbehavingServer, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    download = runpy.run_path(str(EXAMPLES / "fleet_dask.py"))["download"]
    rows = [*rows_of(server, 9), Row(server.on("/no", gone))]
    (tmp_path / "urls.txt").write_text("\n".join(row.url for row in rows))
    with ThreadPoolExecutor(2) as threads:
        out, client = str(tmp_path / "out"), ThreadClient(threads)
        status = await asyncio.to_thread(download, [str(tmp_path / "urls.txt")], out, client)
        assert status.state == "complete"
        assert status.counts == {"completed": 9, "failed": 1}
        with pytest.raises(ValueError, match="cannot read the list"):
            download([str(tmp_path / "none")], out, client)


@pytest.mark.long
async def test_a_program_on_a_cluster_of_dask(
    server: MisbehavingServer, tmp_path: Path, home: Home
) -> None:
    pytest.importorskip("distributed")

    async def run(*arguments: str) -> tuple[int | None, str, str]:
        command = [sys.executable, str(EXAMPLES / "fleet_dask.py"), *arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**home.environment, "PYTHONPATH": str(EXAMPLES.parent)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    (tmp_path / "urls.txt").write_text("\n".join(row.url for row in rows_of(server, 20)))
    words = [str(tmp_path / "urls.txt"), "-o", str(tmp_path / "out"), "-n", "1"]
    code, out, err = await run(*words)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "complete: 1 of 1 shard, 20 of 20 entries, 20 completed, 40.1 kB"
    assert (await run(str(tmp_path / "none"), *words[1:]))[0::2] == (
        1,
        f"cannot read the list {tmp_path / 'none'}: No such file or directory.\n",
    )
    assert (await run(*words, "--scheduler", "nonsense"))[0::2] == (
        1,
        "No Dask scheduler answers at nonsense.\n",
    )
    assert (await run(*words[:-1], "0"))[0::2] == (1, "--processes must be 1 or more.\n")
