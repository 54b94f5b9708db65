"""Try the lowest versions that pyproject.toml allows, and look for known vulnerabilities.

`make audit` runs it: the bounds are promises that no other check ever looks at.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from packaging.specifiers import SpecifierSet

from tests.dependencies import ROOT, pins_of, requirements

TOOLS = Path(sysconfig.get_path("scripts"))
PLACE = ROOT / ".venv-lowest"
READ_BY_HAND = "docs/decisions/0026-locked-dependencies.md"


def main() -> int:
    """Return 0 if the lowest versions work and nothing is known against any version."""
    lowest = PLACE / "requirements.txt"
    shutil.rmtree(PLACE, ignore_errors=True)
    run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, PLACE)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    resolve = ("pip", "compile", "--quiet", "--resolution", "lowest-direct", "--extra", "dev")
    run(TOOLS / "uv", *resolve, "--python-version", version, "--no-header", "--no-annotate",
        "--output-file", lowest, ROOT / "pyproject.toml")  # fmt: skip
    problems = unreachable_bounds(lowest)
    for packages in (("--requirement", lowest), ("--no-deps", "--editable", ROOT)):
        run(TOOLS / "uv", "pip", "install", "--quiet", "--python", PLACE, *packages)
    print("Testing with the lowest versions…", flush=True)
    (PLACE / ".ready").touch()
    tests = subprocess.run(["make", "quick", f"VENV={PLACE.name}"], cwd=ROOT)
    if tests.returncode:
        problems.append("The tests fail with the lowest versions.")
    for pins in (lowest, ROOT / "requirements-dev.lock"):
        problems += vulnerabilities(pins)
    print("\n".join(problems) or "The lowest versions work.")
    return 1 if problems else 0


def run(*command: str | Path) -> None:
    """Run a command that must not fail."""
    subprocess.run(command, check=True)


def unreachable_bounds(lowest: Path) -> list[str]:
    """Return a sentence for each bound below the lowest version that fits the others."""
    pins = pins_of(lowest.read_text())
    return [
        f"{requirement}: {pins[requirement.name]} is the lowest version that fits the others."
        for requirement in requirements()
        for bound in requirement.specifier
        if not SpecifierSet(f"=={bound.version}.*").contains(pins[requirement.name])
    ]


def vulnerabilities(pins: Path) -> list[str]:
    """Return a sentence for each known vulnerability, or say that nobody could be asked."""
    command: list[str | Path] = [
        TOOLS / "pip-audit",
        "--disable-pip",
        "--no-deps",
        "--format",
        "json",
        "-r",
        pins,
    ]
    reply = subprocess.run(command, capture_output=True, text=True).stdout
    found = json.loads(reply)["dependencies"] if reply else []
    asked = [package for package in found if "vulns" in package]
    if not asked:
        print(f"{pins.name}: no advisory service can be reached. {READ_BY_HAND} says what was "
              "read by hand, and when.")  # fmt: skip
    elif len(asked) < len(found):
        print(f"{pins.name}: {len(found) - len(asked)} packages are unknown to the service.")
    return [
        f"{pins.name}: {package['name']} {package['version']}: {bug['id']}, fixed in "
        f"{', '.join(bug['fix_versions']) or 'no version yet'}."
        for package in asked
        for bug in package["vulns"]
    ]


if __name__ == "__main__":
    sys.exit(main())
