"""Edits: change options and links of downloads, with an undo step for each change."""

from collections.abc import Mapping
from functools import partial

from rheo_core.domain import FileConfig
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
            ValueError: the checksum of a link contradicts that of its download. Nothing changed.
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
        for download_id, after in configs.items():
            before = await self.service.config_of(download_id)
            saved = await self.service.edit(download_id, after)
            if before is not None and saved is not None:
                undo[saved], redo[download_id] = before, after
        back, again = partial(self._edit_each, undo), partial(self._edit_each, redo)
        return self._undo.push(Step(back, again, change, name), len(undo))

    async def _edit_each(self, configs: Mapping[str, FileConfig]) -> int:
        return sum([await self._edit(each, config) for each, config in configs.items()])

    async def _edit(self, download_id: str, config: FileConfig) -> int:
        return int(await self.service.edit(download_id, config) is not None)

    async def _replace_url(self, download_id: str, url: str) -> int:
        return int(await self.service.replace_url(download_id, url))
