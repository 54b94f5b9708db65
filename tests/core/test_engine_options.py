"""Options of the engine: named once, and the same everywhere."""

import inspect
from dataclasses import fields
from typing import get_type_hints

import pytest

from rheo_core import DownloadManager
from rheo_core.config.settings import Settings
from rheo_core.domain.engine_options import EngineOptions, OtherOptions
from rheo_core.domain.tuning import Tuning


def test_the_manager_takes_every_option() -> None:
    options = {each.name for each in fields(EngineOptions)}
    named = options & inspect.signature(DownloadManager).parameters.keys()
    others = get_type_hints(OtherOptions)
    assert not named & others.keys() and named | others.keys() == options
    types = get_type_hints(EngineOptions)
    assert {name: types[name] for name in others} == others


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="conections"):
        DownloadManager(conections=4)  # type: ignore[call-arg]


def test_options_reach_the_manager() -> None:
    options = EngineOptions(connections=7, tuning=Tuning(checkpoint_seconds=1.0))
    assert DownloadManager.from_options(options)._options == options


def test_no_setting_changes_the_tuning() -> None:
    assert not Settings.model_fields.keys() & {"tuning", *(each.name for each in fields(Tuning))}
