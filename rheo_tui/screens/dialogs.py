"""Dialogs: open the dialogs on top of the main screen. Each is imported on first use.

The first screen does not wait for their imports.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.app import App

from rheo_core.config.settings import Settings
from rheo_core.domain import DownloadSnapshot, FileConfig
from rheo_core.domain.failures import LOGIN_KINDS
from rheo_core.domain.text import printable
from rheo_tui.action_reasons import can_edit
from rheo_tui.columns import Column, ColumnChoice
from rheo_tui.existing_files import Decision, path_of
from rheo_tui.failure_groups import FailureGroup
from rheo_tui.formatting import count_text
from rheo_tui.menus import MenuItem
from rheo_tui.screen_memory import ScreenMemory
from rheo_tui.services.edits import Edits
from rheo_tui.services.poller import EngineClient
from rheo_tui.table_model import Sort

if TYPE_CHECKING:
    from rheo_tui.proposals import EntryDraft

    from .add import AddScreen
    from .failures import GroupAction


class Dialogs:
    """Opens screens over `app`; they reach the engine through `client`.

    Args:
        app: the app.
        client: reaches the engine.
        edits: edits downloads, so that this can be undone.
        rows: all downloads by their ids.
        memory: keeps the recently loaded lists.
    """

    def __init__(
        self,
        app: App[None],
        client: EngineClient,
        edits: Edits,
        rows: Mapping[str, DownloadSnapshot],
        memory: ScreenMemory,
    ) -> None:
        self._app = app
        self._client = client
        self._edits = edits
        self._rows = rows
        self._memory = memory
        self._text_left = ""
        self._add_box: AddScreen | None = None  # while it is open
        self._entry_draft: EntryDraft | None = None
        self._link_texts: dict[tuple[str, ...], str] = {}  # unsaved links by their downloads
        self._drafts: dict[tuple[str, ...], Mapping[str, str]] = {}  # unsaved edits by downloads

    @property
    def lines_in_add_box(self) -> int:
        """Number of lines in the box for links, open or closed; quitting loses them."""
        text = self._text_left if self._add_box is None else self._add_box.text
        return sum(bool(line.strip()) for line in text.splitlines())

    def add(self, text: str, say: Callable[[str], None]) -> None:
        """Open the box for links with the text left in it, and `text` after it.

        Once it has closed, pass the sentence about added downloads to `say`.
        """
        from rheo_tui.proposals import EntryDraft

        from .add import AddScreen

        draft = self._entry_draft = self._entry_draft or EntryDraft()
        if text:
            draft.defaults = {}  # the folder of the links that were left is not that of others

        def left(rest: str | None) -> None:
            self._text_left, self._add_box = rest or "", None
            if not self._text_left:
                self._entry_draft = None
            if screen.report:
                say(screen.report)

        text = "\n".join(filter(None, (self._text_left, text)))
        screen = self._add_box = AddScreen(self._client, self._edits, self._rows, draft, text)
        self._app.push_screen(screen, left)

    def load(self, say: Callable[[str], None]) -> None:
        """Open the dialog that loads a list; pass the sentence about added downloads to `say`."""
        from .load import LoadScreen

        def loaded(count: int | None) -> None:
            if count:
                say(f"Added {count_text(count)}.")

        screen = LoadScreen(self._client, self._edits, self._rows, self._memory)
        self._app.push_screen(screen, loaded)

    def edit(self, rows: Sequence[DownloadSnapshot], closed: Callable[[str], None]) -> None:
        """Open the dialog that edits `rows`; several get the fields that the user changes.

        Then call `closed` with "" if it was saved, with a sentence if typed texts were not. They
        come back the next time, unless the downloads have finished meanwhile.
        """
        from rheo_tui.edit_fields import FIELDS, SHARED_FIELDS, edited

        from .edit import EditScreen

        service, ids = self._edits.service, tuple(row.id for row in rows)
        draft = self._drafts.pop(ids, {})

        def left(draft: Mapping[str, str] | None) -> None:
            listed = [self._rows[each] for each in ids if each in self._rows]
            if draft is None:
                closed("")
            elif draft and any(map(can_edit, listed)):
                self._drafts[ids] = draft
                closed("Not saved. Edit the download again to continue.")
            elif draft:
                closed(f"Not saved: {ended(bool(listed))}.")

        def ended(is_listed: bool) -> str:
            what = printable(rows[0].name) if is_one else "These downloads"
            return f"{what} {'finished' if is_listed else 'left the list'} meanwhile"

        async def save(texts: Mapping[str, str]) -> None:
            configs = {
                each: edited(config, texts)
                for each in ids
                if (config := await service.config_of(each)) is not None
            }
            if not await self._edits.edit(configs):
                raise ValueError(f"{ended(bool(configs))}, so nothing was saved")

        is_one = len(rows) == 1
        title = rows[0].name if is_one else count_text(len(rows))
        fields = tuple(FIELDS) if is_one else SHARED_FIELDS
        first = "login" if rows[0].failure_kind in LOGIN_KINDS else ""
        load = partial(service.config_of, ids[0])
        self._app.push_screen(EditScreen(title, load, save, draft, fields, first), left)

    async def replace_links(
        self, rows: Sequence[DownloadSnapshot], say: Callable[[str], None]
    ) -> None:
        """Open the dialog that replaces the links of `rows`; pass its result to `say`."""
        from .links import Link, LinksScreen

        service = self._edits.service
        configs = [(row, await service.config_of(row.id)) for row in rows]
        links = [Link(row.id, row.name, config) for row, config in configs if config is not None]
        ids = tuple(each.id for each in links)

        async def save(changed: Mapping[str, FileConfig]) -> int:
            count = await self._edits.renew(changed)
            if count:
                say(f"Replaced {count_text(count, 'link')}. Queued again: {count_text(count)}.")
            return count

        def left(text: str | None) -> None:
            if text:
                self._link_texts[ids] = text

        text = self._link_texts.pop(ids, "")
        self._app.push_screen(LinksScreen(links, save, text), left)

    def existing_file(
        self, rows: Sequence[DownloadSnapshot], decided: Callable[[Decision | None], None]
    ) -> None:
        """Open the choices for files on the disk; call `decided` with the decision, or None."""
        from .existing_file import ExistingFileScreen

        folder = self._client.service.settings.download_dir
        paths = [path_of(row, folder) for row in rows]
        self._app.push_screen(ExistingFileScreen(paths), decided)

    async def is_sure_to_delete(self, count: int) -> bool:
        """Ask before `count` files are deleted; return True for yes. Needs a worker."""
        from .confirm import ConfirmScreen

        text = (
            f"Delete {count_text(count, 'file')} and remove their downloads from the list? "
            "Undo brings them back for 10 minutes, unless the trash is emptied."
        )
        return await self._app.push_screen_wait(
            ConfirmScreen("Delete files?", text, yes="delete", no="keep")
        )

    async def is_sure_for_folded(self, title: str, count: int) -> bool:
        """Ask before an action changes all of `count` folded downloads; needs a worker."""
        from .confirm import ConfirmScreen

        text = (
            f"The cursor is on the line of the finished downloads. This changes all {count:,} of "
            "them."
        )
        return await self._app.push_screen_wait(
            ConfirmScreen(f"{title}?", text, yes="continue", no="cancel")
        )

    def sort(self, sort: Sort, chosen: Callable[[Column | None], None]) -> None:
        """Open the choice of a column; call `chosen` with it, or with None."""
        from .sort import SortScreen

        self._app.push_screen(SortScreen(sort), chosen)

    def columns(
        self, choice: ColumnChoice, choose: Callable[[ColumnChoice], None], width: int
    ) -> None:
        """Open the choice of columns for a table of `width` cells; pass changes to `choose`."""
        from .columns import ColumnsScreen

        self._app.push_screen(ColumnsScreen(choice, choose, width))

    def menu(self, title: str, items: Sequence[MenuItem], chosen: Callable[[str], None]) -> None:
        """Open a menu; call `chosen` with the id of the chosen item."""
        from .menu import MenuScreen

        def close(item_id: str | None) -> None:
            if item_id is not None:
                chosen(item_id)

        self._app.push_screen(MenuScreen(title, items), close)

    def keep_tab(self, filter_text: str, name: str, chosen: Callable[[str | None], None]) -> None:
        """Ask for the name of a tab; call `chosen` with it, with "" to remove `name`, or None."""
        from .keep_tab import KeepTabScreen

        self._app.push_screen(KeepTabScreen(filter_text, name), chosen)

    def history(self) -> None:
        """Open the history."""
        from .history import HistoryScreen

        self._app.push_screen(HistoryScreen(self._client))

    def settings(
        self,
        apply: Callable[[Settings], Awaitable[bool]],
        preview: Callable[[Settings], None],
        reload: Callable[[], Awaitable[Settings]],
    ) -> None:
        """Open the settings; see `SettingsScreen`."""
        from .settings import SettingsScreen

        service = self._client.service
        screen = SettingsScreen(service.settings, service.settings_file, apply, preview, reload)
        self._app.push_screen(screen)

    def failures(
        self,
        groups: Sequence[FailureGroup],
        keymap: Mapping[str, str],
        chosen: Callable[["GroupAction | None"], None],
    ) -> None:
        """Open the failures; call `chosen` with an action for a group, or with None."""
        from .failures import FailuresScreen

        self._app.push_screen(FailuresScreen(groups, keymap), chosen)

    def help(self, keymap: Mapping[str, str]) -> None:
        """Open the help, which begins with the keys of the dialog that is open."""
        from .help import HelpScreen

        self._app.push_screen(HelpScreen(self._app.screen, keymap))

    def palette(self) -> None:
        """Open the command palette."""
        from rheo_tui.palette import ActionPalette

        self._app.push_screen(ActionPalette())
