import asyncio

from rheo_core.domain import FileConfig
from rheo_tui.services.event_log import EventLog
from rheo_tui.services.poller import EngineClient
from tests.tui.fake_service import FakeService


async def test_downloads_added_before_the_engine_runs_wait_for_it() -> None:
    messages: list[str] = []
    service = FakeService()
    client = EngineClient(
        service, EventLog(), lambda text, error: messages.append(text), lambda event: None
    )

    adding = asyncio.create_task(client.add([FileConfig(url="https://example.org/a")]))
    await asyncio.sleep(0)
    assert not adding.done()
    await client.start()

    assert await adding
    assert [name for name, _ in service.calls] == ["start", "add"]
    assert messages == []
