"""Running the command as users do: in a process of its own, with a home of its own."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.programs import COMMAND, Running, start_program

_COMMAND = (sys.executable, "-c", COMMAND)


@dataclass(frozen=True)
class Finished:
    """Result of a run."""

    code: int | None
    out: str
    err: str


@pytest.fixture
def environment(
    no_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of the command, here and in processes."""
    monkeypatch.setenv("RHEO_RETRY_BASE_DELAY", "0.01")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return dict(os.environ)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of the downloaded files."""
    return tmp_path / "out"


Start = Callable[..., Awaitable[Running]]
Run = Callable[..., Awaitable[Finished]]


@pytest.fixture
def command() -> tuple[str, ...]:
    """Command that a shell runs as `rheo`."""
    return _COMMAND


@pytest.fixture
def start(environment: dict[str, str], command: tuple[str, ...]) -> Start:
    """Starts `rheo` with these arguments."""

    async def start(*arguments: object, **options: Any) -> Running:
        if command[:2] == _COMMAND[:2]:
            return await start_program(command[2], arguments, environment, **options)
        return await asyncio.create_subprocess_exec(
            *command,
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            **options,
        )

    return start


@pytest.fixture
def rheo(start: Start) -> Run:
    """Runs `rheo` with these arguments to its end."""

    async def run(*arguments: object, stdin: bytes = b"", **options: object) -> Finished:
        process = await start(*arguments, **options)
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin)
        assert b"Traceback" not in err, err.decode()
        return Finished(process.returncode, out.decode(), err.decode())

    return run
