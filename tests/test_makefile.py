"""`make` finds a Python that will do, or says in one sentence what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dependencies import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

OLD = "#!/bin/sh\nexit 1\n"  # fails whatever it is asked
REAL = f'#!/bin/sh\necho "$0" >> used\n[ "$2" = venv ] || exec "{sys.executable}" "$@"\n'
"""Notes that it was used; it makes no virtual environment, which takes seconds."""
WITHOUT_VENV = f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, whose PATH has only what a test puts there."""
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "make").symlink_to(shutil.which("make") or "")
    return tmp_path


def make(checkout: Path, *arguments: str, **programs: str) -> subprocess.CompletedProcess[str]:
    for name, script in programs.items():
        path = checkout / "programs" / name.replace("_", ".")
        path.write_text(script)
        path.chmod(0o755)
    return subprocess.run(
        ["make", "--silent", ".venv/.ready", *arguments],
        cwd=checkout,
        env={"PATH": str(checkout / "programs"), "HOME": os.devnull},
        capture_output=True,
        text=True,
    )


def test_no_python_is_one_sentence(checkout: Path) -> None:
    result = make(checkout, python3=OLD)
    first, *_ = result.stderr.splitlines()
    assert first.startswith(
        "Python 3.11 or later was not found. Install one or name it: make PYTHON="
    )
    assert result.returncode == 2
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_named_and_too_old_is_one_sentence(checkout: Path) -> None:
    result = make(checkout, "PYTHON=old", python3=REAL, old=OLD)
    assert result.stderr.startswith("old is not Python 3.11 or later. Install one or name it: ")


def test_a_python_without_venv_names_the_package(checkout: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    result = make(checkout, python3=WITHOUT_VENV)
    assert result.stderr.startswith(
        "python3 cannot make virtual environments. On Debian and Ubuntu run: "
        f"apt install python{version}-venv\n"
    )


def test_the_newest_python_that_works_is_taken(checkout: Path) -> None:
    """pyenv has commands for versions that it does not have: they fail."""
    (checkout / "requirements-dev.lock").write_text("")  # there is nothing to fetch
    (checkout / "pyproject.toml").write_text("")
    make(checkout, python3_14=OLD, python3_12=REAL, python3=REAL)
    assert {line.rpartition("/")[2] for line in (checkout / "used").read_text().splitlines()} == {
        "python3.12"
    }


@pytest.mark.parametrize(("status", "installers"), [(0, ["uv", "uv"]), (1, ["uv", "pip"])])
def test_uv_installs_if_it_is_there_and_pip_if_that_fails(
    checkout: Path, status: int, installers: list[str]
) -> None:
    pip = checkout / ".venv" / "bin" / "python"
    pip.parent.mkdir(parents=True)
    pip.write_text('#!/bin/sh\necho "pip $*" >> installed\nexit 1\n')
    pip.chmod(0o755)
    make(checkout, python3=REAL, uv=f'#!/bin/sh\necho "uv $*" >> installed\nexit {status}\n')
    first, second = (checkout / "installed").read_text().splitlines()
    assert [first.split()[0], second.split()[0]] == installers
    assert "--require-hashes --requirement requirements-dev.lock" in first
