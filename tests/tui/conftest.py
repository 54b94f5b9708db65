"""Fixtures that isolate the tests of the app from the user's environment."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.css import stylesheet
from textual.css.model import RuleSet
from textual.css.parse import parse


@pytest.fixture(autouse=True, scope="session")
def parsed_css() -> Iterator[None]:
    """Parse each style sheet once, not once for each app: that takes a sixth of the CPU time."""
    parsed: dict[tuple[Any, ...], list[RuleSet]] = {}

    def parse_once(*arguments: Any, **options: Any) -> list[RuleSet]:
        variables = ((name, *tokens) for name, tokens in options["variable_tokens"].items())
        key = (*arguments, *variables, options["is_default_rules"], options["tie_breaker"])
        if key not in parsed:
            parsed[key] = list(parse(*arguments, **options))
        return parsed[key]

    with pytest.MonkeyPatch.context() as context:
        context.setattr(stylesheet, "parse", parse_once)
        yield


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove RHEO_* variables, the settings file and animations."""
    for name in list(os.environ):
        if name.startswith("RHEO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
