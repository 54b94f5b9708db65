"""Calls that change many downloads: one line in the log, with the number that changed."""

from pathlib import Path

from rheo_core.config.settings import build_settings
from rheo_core.domain import FileConfig
from rheo_tui.services.local import LocalService
from rheo_tui.services.protocol import ManyDownloadsEvent


async def test_the_log_counts_only_what_changed(tmp_path: Path) -> None:
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    await service.start()
    try:
        configs = [FileConfig(url=f"http://x.invalid/{n}", start_at=4e9) for n in range(300)]
        ids = [config.id for config in configs]
        await service.add(configs)
        await service.pause(ids[:100])
        service.take_events()
        assert await service.pause(ids) == 200
        (event,) = service.take_events()
        assert isinstance(event, ManyDownloadsEvent)
        assert event.count == 200
        assert await service.pause(ids) == 0
        assert not service.take_events()
    finally:
        await service.close()


async def test_rows_are_made_once_for_the_screen_and_for_the_service(tmp_path: Path) -> None:
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    await service.start()
    try:
        configs = [FileConfig(url=f"http://x.invalid/{n}", start_at=4e9) for n in range(3)]
        first, second, third = (config.id for config in configs)
        await service.add(configs)
        shown = await service.snapshot()
        assert [service._rows_now()[row.id] is row for row in shown.downloads] == [True] * 3
        await service.pause([second])
        await service.remove([third])
        later = await service.snapshot(shown.revision)
        rows = service._rows_now()
        assert set(rows) == {first, second}
        assert [row is rows[second] for row in later.downloads] == [True]
        await service.resume([second])
        assert rows is service._rows_now()  # a change that no reader has asked for yet
        late = await service.snapshot(shown.revision)  # and a reader that is behind
        assert {row.id: row for row in late.downloads} == {second: rows[second]}
    finally:
        await service.close()


async def test_only_what_waits_again_is_logged_as_queued(tmp_path: Path) -> None:
    service = LocalService(build_settings(download_dir=tmp_path), save=False)
    await service.start()
    try:
        configs = [FileConfig(url=f"http://x.invalid/{n}", start_at=4e9) for n in range(300)]
        ids = [config.id for config in configs]
        await service.add(configs)
        await service.cancel(ids[:100])
        await service.pause(ids[100:150])
        await service.remove(ids)
        service.take_events()
        assert await service.restore(ids) == 300
        (event,) = service.take_events()
        assert isinstance(event, ManyDownloadsEvent) and event.count == 150
    finally:
        await service.close()
