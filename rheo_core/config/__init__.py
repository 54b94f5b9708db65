"""Settings from the TOML file, RHEO_* variables and flags."""

from .settings import LogLevel, Notify, Settings, build_settings
from .store import (
    LoadedSettings,
    load_settings,
    save_settings,
    session_path,
    settings_path,
)

__all__ = [
    "LoadedSettings",
    "LogLevel",
    "Notify",
    "Settings",
    "build_settings",
    "load_settings",
    "save_settings",
    "session_path",
    "settings_path",
]
