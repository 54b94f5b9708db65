"""Values that a text from outside gives."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_TRIED = 1000
"""URLs of one download that are looked at."""


class Outside(NamedTuple):
    """A download as a text asks for it; None: the text says nothing.

    The fields are those of `FileConfig` that any text may choose. `wishes` holds options of
    `RequestOptions`; most of them are the user's choice alone. `admit` checks all values and makes
    a `FileConfig` of them: until then they are as the text has them.

    A tuple, because a frozen dataclass takes several times as long to make, and a long list makes
    a million of them.
    """

    url: str
    mirrors: Sequence[str] | None = None
    filename: str | None = None
    destination_subdir: str | None = None
    priority: int | None = None
    size_bytes: int | None = None
    hash_config: Any = None
    pieces: Any = None
    sidecar: bool | None = None
    start_at: float | None = None
    speed_limit: int | None = None
    timeout: float | None = None
    headers: Any = None
    type: str | None = None
    description: str | None = None
    size_human: str | None = None
    file_exists_strategy: str | None = None
    wishes: Mapping[str, Any] | None = None


NOTHING = Outside("")
"""Values of an entry that cannot be read."""
