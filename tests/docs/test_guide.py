"""The code in README.md and docs/README.md, run as a reader would run it, against a real server."""

import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from rheo_core.config import build_settings
from rheo_core.domain import exceptions
from rheo_tui.demo import MB, DemoFile, DemoServer
from tests.programs import SCRIPT, start_program

ROOT = Path(__file__).parents[2]
SITE = "https://example.org"
FILES = [
    DemoFile("/a.iso", 3 * MB),
    DemoFile("/b.pdf", 200_000),
    DemoFile("/c.zip", 100_000),
    DemoFile("/big.iso", 20 * MB, speed=2 * MB),
    DemoFile("/busy.zip", 100_000, failures=2),
]
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", "docs/README.md"]
BLOCKS = [
    pytest.param(*block, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall((ROOT / page).read_text("utf-8")), start=1)
]
COMMANDS = sorted(
    {
        line
        for page in [*PAGES, "docs/CLI.md", "docs/FLEET.md", "docs/INPUTS.md", "docs/UPGRADING.md"]
        for block in SHELL.findall((ROOT / page).read_text("utf-8"))
        for line in re.findall(r"^rheo(?:-tui)? .*", block, re.MULTILINE)
    }
)


@pytest.mark.parametrize(("code", "printed"), BLOCKS)
async def test_every_program_runs(
    demo: DemoServer, tmp_path: Path, code: str, printed: str
) -> None:
    here = demo.url("/").rstrip("/")
    (tmp_path / "urls.txt").write_text(f"# files\n{here}/a.iso\n{here}/missing.zip\n{here}/b.pdf\n")
    (tmp_path / "program.py").write_text(code.replace(SITE, here), encoding="utf-8")
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state"),
    }  # fmt: skip
    process = await start_program(SCRIPT, ["program.py"], environment, cwd=tmp_path)
    out, err = await process.communicate()
    # A program that does not configure `logging` gets its warnings on standard error.
    others = [line for line in err.decode().splitlines() if " failed: " not in line]
    assert (process.returncode, others) == (0, [])
    if printed:
        assert out.decode().replace(here, SITE) == printed
    else:
        assert out


def test_both_pages_have_programs() -> None:
    assert len(BLOCKS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_exists(command: str) -> None:
    known = re.findall(r"`(-[^`]+)`", (ROOT / "docs" / "CLI.md").read_text("utf-8"))
    words = shlex.split(command.partition("|")[0], comments=True)
    flags = [word for word in words if re.match("--?[a-zA-Z]", word)]
    assert [flag for flag in flags if flag not in known] == []


def test_the_exceptions_of_the_guide_are_those_of_the_library() -> None:
    tree = (ROOT / "docs" / "README.md").read_text("utf-8").split("```text\nRheoError")[1]
    named = {"RheoError", *re.findall(r"[A-Z]\w+Error", tree.partition("```")[0])}
    errors = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, exceptions.RheoError)
    }
    assert named == errors


def test_the_settings_of_the_readme_are_acceptable() -> None:
    example = (ROOT / "README.md").read_text("utf-8").split("```toml\n")[1].partition("```")[0]
    values = tomllib.loads(example)
    assert set(values) <= build_settings(**values).model_fields_set
