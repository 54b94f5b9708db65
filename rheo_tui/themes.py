"""Themes of the app. Terminals with 16 colours use Textual's ansi themes."""

from collections.abc import Mapping
from difflib import get_close_matches

from textual.theme import BUILTIN_THEMES, Theme

from rheo_core.domain.text import printable

DARK = Theme(
    name="rheo-dark",
    primary="#6cb0f0",
    secondary="#8fa3bf",
    accent="#7fd1c7",
    success="#86c98a",
    warning="#e3b565",
    error="#ee7b80",
    foreground="#d3d9e3",
    background="#12151b",
    surface="#171b23",
    panel="#1e2430",
    dark=True,
    variables={
        "track": "#2f394c",
        "track-on-panel": "#3a465c",
        "done-bar": "#3f6147",
        "cursor-row": "#26354c",
        "cursor-row-blurred": "#1e2735",
        "quiet": "#8a94a6",
        "footer-key-foreground": "#6cb0f0",
        "border": "#3a465c",
        "scrollbar": "#333e52",
        "scrollbar-hover": "#42506a",
        "scrollbar-active": "#6cb0f0",
        "scrollbar-background": "#12151b",
        "scrollbar-background-hover": "#12151b",
        "scrollbar-background-active": "#12151b",
    },
)
LIGHT = Theme(
    name="rheo-light",
    primary="#1f5fa8",
    secondary="#53657d",
    accent="#0b6e66",
    success="#256b31",
    warning="#875a06",
    error="#b02a2a",
    foreground="#252b36",
    background="#fbfbf9",
    surface="#f3f3ef",
    panel="#e9e9e3",
    dark=False,
    variables={
        "track": "#cfd1cb",
        "track-on-panel": "#c3c5be",
        "done-bar": "#a3c9a8",
        "cursor-row": "#cfe0f5",
        "cursor-row-blurred": "#e2e8ef",
        "quiet": "#616a78",
        "footer-key-foreground": "#1f5fa8",
        "border": "#b6bcc6",
        "scrollbar": "#c3c8d0",
        "scrollbar-hover": "#a5adb9",
        "scrollbar-active": "#1f5fa8",
        "scrollbar-background": "#fbfbf9",
        "scrollbar-background-hover": "#fbfbf9",
        "scrollbar-background-active": "#fbfbf9",
    },
)
THEMES = (DARK, LIGHT)
NAMES = (DARK.name, LIGHT.name, "ansi-dark", "ansi-light")
"""Themes that the settings offer."""
ALL_NAMES = tuple(dict.fromkeys((*NAMES, *BUILTIN_THEMES)))
_WITH_16_COLOURS = {DARK.name: "ansi-dark", LIGHT.name: "ansi-light"}


def theme_for(name: str, color_system: str | None) -> str:
    """Return the name of the theme to use for `name`, which a terminal may not support.

    Args:
        name: the theme in the settings.
        color_system: rich's name for the colours of the terminal; "standard" has 16.
    """
    return _WITH_16_COLOURS.get(name, name) if color_system == "standard" else name


def unknown_theme(name: str) -> str:
    """Return a sentence if the theme does not exist; otherwise ""."""
    if name in ALL_NAMES:
        return ""
    close = get_close_matches(name.lower(), ALL_NAMES, n=1)
    guess = f"; did you mean {close[0]}?" if close else "."
    known = ", ".join(NAMES)
    return f"Unknown theme “{printable(name)}”{guess} Themes: {known}, and Textual's, such as nord."


def colour_of(variables: Mapping[str, str], name: str) -> str:
    """Return a colour of the theme by its name in rich, which has no `ansi_green`; "" for none."""
    return variables.get(name, "").removeprefix("ansi_")


# Variables that the stylesheet uses and Textual's own themes lack.
FALLBACKS = {
    "track": "ansi_bright_black",
    "track-on-panel": "ansi_bright_black",
    "done-bar": "ansi_green",
    "cursor-row": "ansi_blue",
    "cursor-row-blurred": "ansi_bright_black",
    "quiet": "ansi_default",
}
