import asyncio

from rheo_core.domain import FileConfig
from rheo_tui.engine_link import EngineLink
from rheo_tui.log_book import LogBook
from tests.tui.fake_service import FakeService


async def test_what_is_added_before_the_engine_runs_waits_for_it() -> None:
    told: list[str] = []
    service = FakeService()
    link = EngineLink(service, LogBook(), lambda text, error: told.append(text), lambda event: None)

    adding = asyncio.create_task(link.add([FileConfig(url="https://example.org/a")]))
    await asyncio.sleep(0)
    assert not adding.done()
    await link.start()

    assert await adding
    assert [name for name, _ in service.calls] == ["start", "add"]
    assert told == []
