"""The key of the tests, for programs that run in a home of their own.

Tests look into the states that such programs leave, and go on from them.
"""

from pathlib import Path

from rheo_core.infrastructure.user_key import user_key


def share_key(state_folder: Path) -> None:
    """Give the user whose XDG_STATE_HOME this is the key of the tests."""
    path = state_folder / "rheo" / "key"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(user_key())
