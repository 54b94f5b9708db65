"""The examples for batch systems, run as these start them."""

import asyncio
import sys
from pathlib import Path

import pytest

from rheo_core.fleet.rows import Row
from tests.faults.program import Home
from tests.fleet.runs import gone, planned, rows_of
from tests.servers.misbehaving import MisbehavingServer

EXAMPLES = Path(__file__).parents[2] / "examples"
RHEO = Path(sys.executable).with_name("rheo")

pytestmark = pytest.mark.skipif(not RHEO.exists(), reason="rheo is not installed here")


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
