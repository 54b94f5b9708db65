"""Dependencies in pyproject.toml and in the lock."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", re.MULTILINE)


def requirements() -> list[Requirement]:
    """Return the dependencies of pyproject.toml, those of development included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*map(Requirement, project["dependencies"] + project["optional-dependencies"]["dev"])]


def pins_of(text: str) -> dict[str, str]:
    """Return the version of each package in a requirements file."""
    return dict(_PIN.findall(text))
