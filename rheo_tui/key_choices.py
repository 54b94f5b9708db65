"""The user's key bindings: presets, changes, and conflicts between keys."""

from collections.abc import Mapping

from rheo_core.domain.text import printable

from .actions import ACTIONS, BY_ID, Action, key_name

Keymap = Mapping[str, str]
"""Keys by the id of their action, separated by commas; other actions keep their usual keys."""

PRESETS: Mapping[str, Keymap] = {
    "default": {},
    "vim": {
        "page_up": "pageup,ctrl+b",
        "page_down": "pagedown,ctrl+f",
        "follow": "z",
        "quit": "q,Z",
    },
    "emacs": {
        "cursor_up": "up,ctrl+p",
        "cursor_down": "down,ctrl+n",
        "page_up": "pageup,alt+v",
        "page_down": "pagedown,ctrl+v",
        "first": "home,alt+less_than_sign",
        "last": "end,alt+greater_than_sign",
        "filter": "/,ctrl+s",
        "mark": "space,ctrl+at",
        "clear": "escape,ctrl+g",
        "undo": "u,ctrl+underscore",
        "palette": "alt+x",
    },
}
_RESERVED = {
    "ctrl+c": "it shows how to quit",
    "ctrl+q": "it quits from everywhere",
    "tab": "it moves between the parts of the screen",
    "shift+tab": "it moves between the parts of the screen",
}


def keys_of(action: Action, keymap: Keymap) -> list[str]:
    """Return the keys of an action as Textual names them."""
    return [key.strip() for key in keymap.get(action.id, action.keys).split(",") if key.strip()]


def with_keys(keymap: Keymap, action: Action, keys: list[str]) -> dict[str, str]:
    """Return a keymap in which an action has other keys.

    Raises:
        ValueError: a key already has a meaning; the message names it.
    """
    for key in keys:
        if key in _RESERVED:
            raise ValueError(f"{shown(key)} is taken: {_RESERVED[key]}.")
        for other in ACTIONS:
            if other is not action and key in keys_of(other, keymap):
                raise ValueError(
                    f"{shown(key)} is the key of “{other.title}”; change that one first."
                )
    changed = {id_: value for id_, value in keymap.items() if id_ != action.id}
    if keys != keys_of(action, {}):
        changed[action.id] = ",".join(keys)
    return changed


def preset_of(keymap: Keymap) -> str:
    """Return the name of the preset that equals a keymap; "own" for other keymaps."""
    known = {id_: keys for id_, keys in keymap.items() if id_ in BY_ID}
    return next((name for name, preset in PRESETS.items() if preset == known), "own")


def shown(key: str) -> str:
    """Return a key as shown to people."""
    return printable(key_name(key))
