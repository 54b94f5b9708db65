"""Downloads that are added again: keep what the user had set for them earlier."""

from pathlib import Path

from rheo_core.domain import FileConfig, FileExistsStrategy
from rheo_core.domain.hash_hints import join_hashes
from rheo_core.domain.text import printable
from rheo_tui.existing_files import saved_as


def with_options_of(before: FileConfig, config: FileConfig) -> tuple[FileConfig, str]:
    """Return a download with the options of an earlier one with the same id, and a note.

    It is the same download, so that it neither drops nor replaces a check, nor lifts a limit. The
    note is a sentence on checksums that are not used; "" if there are none.

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
    unused = "; ".join(hashes.ignored)
    note = f"{name_of(config)}: ignored: {unused}" if unused else ""
    return config.model_copy(update=update), note


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


def name_of(config: FileConfig) -> str:
    """Return the name of a file for a message."""
    return printable(config.get_destination_filename())


def _smaller(*limits: float | None) -> float | None:
    return min((each for each in limits if each is not None), default=None)
