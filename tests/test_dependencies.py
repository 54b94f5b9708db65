"""The bounds of pyproject.toml and the lock agree, and the lock names no registry."""

import re
import tomllib
from itertools import pairwise

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.dependencies import ROOT, pins_of, requirements

LOCK = (ROOT / "requirements-dev.lock").read_text()
PINS = pins_of(LOCK)
LOWEST_FIXED = {"linkify-it-py": "2.2", "pytest": "9.0.3"}
"""First versions without the faults that advisories tell of, where lower ones would fit."""


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_the_lock_holds_a_version_of_each_dependency(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_each_dependency_has_one_lower_bound(requirement: Requirement) -> None:
    (bound,) = requirement.specifier
    assert bound.operator == ">="


@pytest.mark.parametrize("name", LOWEST_FIXED)
def test_no_version_with_a_known_fault_is_allowed(name: str) -> None:
    (found,) = (one for one in requirements() if one.name == name)
    (bound,) = found.specifier
    assert Requirement(f"x>={LOWEST_FIXED[name]}").specifier.contains(bound.version)


def test_each_version_of_the_lock_has_hashes() -> None:
    starts = [found.start() for found in re.finditer(r"^\S+==", LOCK, re.MULTILINE)]
    assert len(starts) == len(PINS)
    for start, end in pairwise([*starts, len(LOCK)]):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", LOCK[start:end]), LOCK[start:end][:80]


def test_the_lock_names_no_index_and_no_file() -> None:
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.match(r"\S+==|    --hash=sha256:", line)] == []
    assert "://" not in LOCK


def test_what_builds_the_package_is_locked() -> None:
    """Build tools are installed without build isolation, which would fetch them without a hash."""
    system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    for requirement in map(Requirement, system["requires"]):
        assert requirement.specifier.contains(PINS[requirement.name])
    assert "editables" in PINS
