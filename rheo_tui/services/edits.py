"""Edits: change options and links of downloads, with an undo step for each change."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from rheo_core.domain import FileConfig
from rheo_core.domain.exceptions import RheoError
from rheo_core.domain.text import printable
from rheo_tui.undo import Step, UndoStack

from .protocol import DownloadService


class Edits:
    """Edits downloads through the service.

    Args:
        service: changes the downloads.
        undo: keeps the steps.
    """

    def __init__(self, service: DownloadService, undo: UndoStack) -> None:
        self.service = service
        self._undo = undo

    async def replace_url(self, download_id: str, url: str) -> bool:
        """Use another URL for a download; see `DownloadService.replace_url`."""
        before = await self.service.config_of(download_id)
        if before is None:
            return False
        step = Step(
            partial(self._edit, download_id, before),  # its checksum may also have changed
            partial(self._replace_url, download_id, url),
            "the new link of {}",
            self._undo.only_name([download_id]),
        )
        return bool(self._undo.push(step, await step.redo()))

    async def edit(self, configs: Mapping[str, FileConfig]) -> int:
        """Give downloads other options, by id; return their number. See `DownloadService.edit`."""
        return await self._edit_all(configs, "the edit of {}")

    async def renew(self, links: Mapping[str, FileConfig]) -> int:
        """Use other URLs for downloads, and keep their bytes; return their number.

        Args:
            links: configs with the new URLs, and perhaps new options, by the ids of the downloads.

        Raises:
            ValueError: the checksum of a link contradicts that of its download, or its login would
                be sent by a route that a list chose. Nothing changed.
        """
        configs = dict[str, FileConfig]()
        for each, link in links.items():
            if (before := await self.service.config_of(each)) is not None:
                try:
                    configs[each] = before.renewed_by(link)
                except ValueError as error:
                    name = printable(before.get_destination_filename())
                    raise ValueError(f"{name}: {error}") from None
        return await self._edit_all(configs, "the new link of {}")

    async def _edit_all(self, configs: Mapping[str, FileConfig], change: str) -> int:
        undo, redo = dict[str, FileConfig](), dict[str, FileConfig]()
        name = self._undo.only_name(list(configs))

        async def edit(download_id: str, after: FileConfig) -> int:
            before = await self.service.config_of(download_id)
            saved = await self.service.edit(download_id, after)
            if before is None or saved is None:
                return 0
            undo[saved], redo[download_id] = before, after
            return 1

        try:
            return await _each(configs, edit)
        finally:  # after an error too, the user can undo what has changed
            back, again = partial(_each, undo, self._edit), partial(_each, redo, self._edit)
            self._undo.push(Step(back, again, change, name), len(undo))

    async def _edit(self, download_id: str, config: FileConfig) -> int:
        return int(await self.service.edit(download_id, config) is not None)

    async def _replace_url(self, download_id: str, url: str) -> int:
        return int(await self.service.replace_url(download_id, url))


async def _each(
    configs: Mapping[str, FileConfig], edit: Callable[[str, FileConfig], Awaitable[int]]
) -> int:
    """Edit each download; return their number, or raise the first error when all were tried."""
    count, first = 0, None
    for download_id, config in configs.items():
        try:
            count += await edit(download_id, config)
        except (RheoError, ValueError) as error:
            first = first or error
    if first is not None:
        raise first
    return count
