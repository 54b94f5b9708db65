"""Downloads that are added again: keep what the user had set for them earlier."""

from pathlib import Path

from rheo_core.domain import FileConfig, FileExistsStrategy
from rheo_core.domain.hash_hints import join_hashes
from rheo_core.domain.text import printable
from rheo_core.domain.units import count_text
from rheo_tui.existing_files import saved_as

_MAX_NOTES = 3


class Addition:
    """Downloads to add, and notes on options that they bring and that are not used.

    Attributes:
        configs: the downloads to add.
    """

    def __init__(self) -> None:
        self.configs: list[FileConfig] = []
        self._refused: list[str] = []
        self._unused: list[str] = []

    @property
    def notes(self) -> list[str]:
        """A few sentences: first on downloads that are not added, then on unused options."""
        return [*_first(self._refused), *_first(self._unused)]

    def add(self, config: FileConfig) -> None:
        """Add a download that is not in the list."""
        self.configs.append(config)

    def add_again(self, before: FileConfig, config: FileConfig) -> None:
        """Add a download with the options of `before`, which has ended, unless they conflict."""
        try:
            kept, unused = with_options_of(before, config)
        except ValueError as error:
            self._refused.append(f"{_name_of(config)} is not added again: {_reason(error)}")
            return
        if unused:
            self._unused.append(f"{_name_of(config)}: ignored: {'; '.join(unused)}.")
        self.configs.append(kept)

    def leave_out(self, waiting: FileConfig, config: FileConfig) -> None:
        """Leave out a download that has not ended yet."""
        checksum = config.hash_config
        if checksum not in (None, waiting.hash_config):
            self._unused.append(
                f"{_name_of(config)} is already in the list; "
                f"this {checksum.algorithm} hash is not used."
            )


def with_options_of(before: FileConfig, config: FileConfig) -> tuple[FileConfig, list[str]]:
    """Return a download with the options of an earlier one, and names of unused checksums.

    It is the same download, so that it neither drops nor replaces a check, nor lifts a limit.

    Raises:
        ValueError: two checksums contradict each other, or sizes and pieces do.
    """
    renewed = before.renewed_by(config)
    update = {name: getattr(renewed, name) for name in ("headers", "request", "list_options")}
    own, given = (filter(None, [each.hash_config]) for each in (before, config))
    hashes = join_hashes(given, own=own)
    pieces, size = before.pieces or config.pieces, before.size_bytes
    if size is None:
        size = config.size_bytes
    if pieces is not None and size is not None:
        pieces.check_size(size)
    update |= {
        "hash_config": hashes.used,
        "pieces": pieces,
        "size_bytes": size,
        "sidecar": before.sidecar or config.sidecar,
        "timeout": _smaller(before.timeout, config.timeout),
        "speed_limit": _smaller(before.speed_limit, config.speed_limit),
        "connections": config.connections or before.connections,  # no list can choose them
    }
    return config.model_copy(update=update), hashes.ignored


def refusal(before: FileConfig, config: FileConfig) -> str:
    """Return why a download cannot be added again, in a sentence, or "" if it can."""
    try:
        with_options_of(before, config)
    except ValueError as error:
        return _reason(error)
    return ""


def repeated(
    config: FileConfig, exists: FileExistsStrategy | None, path: Path | None, base: Path | None
) -> FileConfig:
    """Return the config to queue an ended download again.

    Args:
        config: the ended download.
        exists: strategy for an existing file. With None, an overwrite is not repeated, because the
            user chose it for one file.
        path: path or name of its file; None keeps it.
        base: see `saved_as`.
    """
    if exists is not None or config.file_exists_strategy is FileExistsStrategy.OVERWRITE:
        update = {"file_exists_strategy": exists, "overwrite_only": None}
        config = config.model_copy(update=update)
    return config if path is None else saved_as(config, path, base)


def _reason(error: ValueError) -> str:
    return f"{error}. Remove the earlier download first."


def _first(notes: list[str]) -> list[str]:
    rest = len(notes) - _MAX_NOTES
    more = [f"The same applies to {count_text(rest, 'more download')}."] if rest > 0 else []
    return notes[:_MAX_NOTES] + more


def _name_of(config: FileConfig) -> str:
    return printable(config.get_destination_filename())


def _smaller(*limits: float | None) -> float | None:
    return min((each for each in limits if each is not None), default=None)
