"""The pilot waits for work that goes on, also where the tests spare it messages of Textual."""

import asyncio

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Button


class _Slow(App[None]):
    """An app whose key and button wait for a thread."""

    done = 0

    def __init__(self) -> None:
        super().__init__()
        self.bind("a", "work")

    def compose(self) -> ComposeResult:
        yield Button("Work", action="app.work")

    async def action_work(self) -> None:
        await asyncio.to_thread(asyncio.run, asyncio.sleep(0.2))
        self.done += 1


@pytest.mark.parametrize("key", ["a", "enter"])
async def test_a_key_ends_with_the_thread_that_its_handler_waits_for(key: str) -> None:
    app = _Slow()
    async with app.run_test() as pilot:
        app.query_one(Button).focus()
        await pilot.press(key)
        assert app.done == 1


async def test_a_click_ends_with_the_thread_that_its_handler_waits_for() -> None:
    app = _Slow()
    async with app.run_test() as pilot:
        await pilot.click(Button)
        assert app.done == 1


async def test_a_pause_waits_for_a_callback() -> None:
    app = _Slow()
    async with app.run_test() as pilot:
        app.query_one(Button).call_later(app.action_work)
        await pilot.pause()
        assert app.done == 1
