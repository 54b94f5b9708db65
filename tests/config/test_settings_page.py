"""The tables of docs/SETTINGS.md and the schema follow the settings model."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from rheo_core.config import Settings, build_settings
from rheo_core.config.host_settings import HostSettings
from rheo_core.domain.request_options import RequestOptions
from rheo_core.domain.rules import Rule
from scripts.settings_docs import main, settings_page, settings_schema

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "SETTINGS.md").read_text("utf-8")
STALE = "it is stale: make settings-docs"


def test_the_committed_files_are_current() -> None:
    assert settings_page(PAGE) == PAGE, STALE
    assert (DOCS / "settings.schema.json").read_text("utf-8") == settings_schema(), STALE


def test_tables_are_filled_and_prose_stays(tmp_path: Path) -> None:
    page = tmp_path / "SETTINGS.md"
    stale = re.sub(r"^\| `\w+` \| .*\(from .*\n", "", PAGE, flags=re.MULTILINE)
    assert stale != PAGE
    page.write_text(stale.replace("# Settings", "# My words", 1), "utf-8")
    main(tmp_path)
    assert page.read_text("utf-8") == PAGE.replace("# Settings", "# My words", 1)
    assert (tmp_path / "settings.schema.json").read_text("utf-8") == settings_schema()


@pytest.mark.parametrize("model", [Settings, RequestOptions, HostSettings, Rule])
def test_every_setting_is_on_the_page(model: Any) -> None:
    lines = PAGE.splitlines()
    for name, field in model.model_fields.items():
        told = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert any(field.description in line for line in told), name


def test_the_schema_knows_what_toml_has() -> None:
    schema = json.loads(settings_schema())
    assert set(schema["properties"]) == set(Settings.model_fields)
    assert schema["additionalProperties"] is False
    assert '"null"' not in json.dumps(schema)
    assert {"const": "off"} in schema["properties"]["history_days"]["anyOf"]
    assert {"type": "string"} in schema["properties"]["chunk_size"]["anyOf"]
    assert schema["properties"]["max_concurrent"]["maximum"] == 4096


SCHEMA = Draft202012Validator(json.loads(settings_schema()))


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("speed_limit = '5M'\nhistory_days = 'off'", True),
        ("speed_limit = true", False),
        ("colour = 5", False),
        ("request = { netrc = true, ip_version = 6, proxy = 'off', auth = 'digest' }", True),
        ("request = { headers = { A = 'b' } }", True),
        ("request = { colour = 5 }", False),
        ("request = { auth = 'off' }", False),
        ("request = { ip_version = 'off' }", False),
        ("request = { netrc = 'off' }", False),
        ("hosts.x = { speed_limit = '500K', connections = 2, user = 'me:pw' }", True),
        ("hosts.x = { speed_limit = 'off' }", True),
        ("hosts.x = { connections = 'off' }", False),
        ("hosts.x = { connections = 0 }", False),
        ("hosts.x = 'me:pw'", False),
        ("rules = [{ folder = 'a', host = 'b', type = ['c', 'd'] }]", True),
        ("rules = [{ host = 'b' }]", False),
    ],
)
def test_the_schema_and_the_model_agree(text: str, is_good: bool) -> None:
    values = tomllib.loads(text)
    assert SCHEMA.is_valid(values) is is_good
    try:
        build_settings(**values)
    except ValidationError:
        assert not is_good
    else:
        assert is_good or "netrc" in text  # text that stands for yes or no is read, and not advised


def test_the_examples_of_the_page_are_acceptable() -> None:
    examples = PAGE.split("```toml\n")[1:]
    for example in examples:
        values = tomllib.loads(example.partition("```")[0])
        SCHEMA.validate(values)
        settings = build_settings(**values)
        assert set(values) <= settings.model_fields_set
    assert len(examples) == 4
