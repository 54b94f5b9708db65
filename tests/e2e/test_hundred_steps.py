"""A long session in a real terminal: a hundred steps, each with what the screen then shows."""

import asyncio
import base64
import hashlib
from pathlib import Path

import pytest

from tests.core.engine import names_in, serving
from tests.e2e.terminal import APP, Terminal
from tests.programs import needs_app
from tests.servers.misbehaving import Exchange, MisbehavingServer, body_of

pytestmark = [needs_app, pytest.mark.long]  # test_terminal.py has the short sessions

ENTER, ESCAPE, TAB, BACK_TAB, BACKSPACE = "\r", "\x1b", "\t", "\x1b[Z", "\x7f"
UP, DOWN, SHIFT_DOWN, CTRL_D, CTRL_R = "\x1b[A", "\x1b[B", "\x1b[1;2B", "\x04", "\x12"
CTRL_HOME, CTRL_END, DELETE = "\x1b[1;5H", "\x1b[1;5F", "\x1b[3~"
HELD = {f"held-{n}.iso": body_of(3_000_000, f"held {n}") for n in (1, 2)}
QUICK = {f"quick-{n}.bin": body_of(40_000, f"quick {n}") for n in (1, 2, 3)}
QUEUED = {f"next-{n}.dat": body_of(30_000, f"next {n}") for n in range(1, 6)}
LISTED = {f"part-{n:02}.zip": body_of(20_000, f"part {n}") for n in range(1, 13)}
PRIVATE, LATE, MOVED = body_of(50_000, "private"), body_of(60_000, "late"), body_of(70_000, "moved")
SINGLE = {"private.bin": PRIVATE, "late.bin": LATE, "moved.bin": MOVED}
HELD_AT = 1_200_000
"""Bytes of a held file that come at once."""
MIN_STEPS = 100


class Held:
    """Serves a file, but not its last part before `opened` is set, whatever range is asked for."""

    def __init__(self, body: bytes) -> None:
        self.opened = asyncio.Event()
        self._body = body

    async def __call__(self, exchange: Exchange) -> None:
        start, total = exchange.request.range_start or 0, len(self._body)
        status = "206 Partial Content" if start else "200 OK"
        place = {"Content_Range": f"bytes {start}-{total - 1}/{total}"} if start else {}
        await exchange.head(status, Content_Length=total - start, ETag='"v1"', **place)
        first = max(HELD_AT - start, 0)
        await exchange.send(self._body[start : start + first])
        await self.opened.wait()
        await exchange.send(self._body[start + first :])


class Person:
    """Somebody at the terminal, who presses keys and reads what they do."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.steps = 0

    async def press(self, keys: str, *shown: str, gone: str = "") -> None:
        """Press keys; wait until the screen shows these texts, and does not show `gone`."""
        self.steps += 1
        await self.terminal.type(keys)
        await self.sees(*shown, gone=gone)

    async def paste(self, text: str, *shown: str) -> None:
        self.steps += 1
        await self.terminal.paste(text)
        await self.sees(*shown)

    async def resize(self, columns: int, lines: int, *shown: str) -> None:
        self.steps += 1
        self.terminal.resize(columns, lines)
        await self.sees(*shown)

    async def sees(self, *shown: str, gone: str = "") -> None:
        def fits() -> bool:
            text = self.terminal.text
            return all(each in text for each in shown) and not (gone and gone in text)

        await self.terminal.until(fits, f"step {self.steps}: {shown}, without {gone!r}")


def serve(server: MisbehavingServer) -> list[Held]:
    """Serve all files; return the large ones, which are held back."""
    held = {name: Held(body) for name, body in HELD.items()}

    async def private(exchange: Exchange) -> None:
        expected = "Basic " + base64.b64encode(b"ann:secret").decode()
        if exchange.request.headers.get("authorization") == expected:
            await exchange.serve(PRIVATE)
        else:
            challenge = {"WWW-Authenticate": 'Basic realm="files"'}
            await exchange.head("401 Unauthorized", Content_Length=0, **challenge)

    async def late(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.head("404 Not Found", Content_Length=0)
        else:
            await exchange.serve(LATE)

    for name, behaviour in held.items():
        server.on(f"/{name}", behaviour)
    for name, body in (QUICK | QUEUED | LISTED).items():
        server.on(f"/{name}", serving(body))
    server.on("/private.bin", private)
    server.on("/late.bin", late)
    server.on("/elsewhere/moved.bin", serving(MOVED))
    return [*held.values()]


async def test_a_hundred_steps(server: MisbehavingServer, tmp_path: Path) -> None:
    held = serve(server)
    folder = tmp_path / "files"
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(server.url(f"/{name}") for name in LISTED))
    environ = {"RHEO_MAX_CONCURRENT": "2", "RHEO_CONNECTIONS": "1"}
    command = [APP, "-d", str(folder)]
    async with Terminal(command, tmp_path / "home", environ=environ) as terminal:
        person = Person(terminal)
        await add(person, server)
        await steer(person)
        await limit(person)
        await filter_and_mark(person)
        await recover(person, server)
        await load(person, listing)
        await inspect(person)
        await configure(person)
        await quit_and_stay(person)
        assert await terminal.exit_code() == 0
    steps = person.steps
    for behaviour in held:
        behaviour.opened.set()
    async with Terminal(command, tmp_path / "home", environ=environ) as terminal:
        person = Person(terminal)
        await finish(person)
        assert await terminal.exit_code() == 0
    assert steps + person.steps >= MIN_STEPS

    expected = HELD | QUICK | QUEUED | LISTED | SINGLE
    assert names_in(folder) == sorted(expected)
    for name, body in expected.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert found == hashlib.sha256(body).hexdigest(), name


async def add(person: Person, server: MisbehavingServer) -> None:
    await person.sees("Nothing to download yet", "files ·", "free", "quit")
    quick = [server.url(f"/{name}") for name in QUICK]
    await person.paste("\n".join(quick), "Add links", "3 to add", *quick)
    await person.press(ENTER, "Added 3 downloads", "6 Done 3", "✓ done")
    await person.press("a", "Add links")
    await person.press("nonsense", "nonsense")
    await person.press("\x15" + server.url("/held-1.iso"), "1 to add", gone="nonsense")
    await person.press(ENTER, "Added 1 download", "2 Active 1")
    await person.paste(server.url("/held-2.iso"), "1 to add")
    await person.press(ENTER, "2 Active 2")
    await person.sees("40%")
    queued = "\n".join(server.url(f"/{name}") for name in QUEUED)
    await person.paste(queued, "5 to add")
    await person.press(ENTER, "3 Queued 5", "2 of 2 slots")


async def steer(person: Person) -> None:
    await person.press("G", "▌ ▸ 3 done")
    await person.press("g", "▌ held-1.iso")
    await person.press("jj", "▌ next-1.dat")
    await person.press("J", "Moved next-1.dat", "undo")
    await person.press("u", "Undid the move of next-1.dat")
    await person.press(CTRL_R, "Redid the move of next-1.dat")
    await person.press("u", "Undid the move of next-1.dat")
    await person.press(CTRL_END, "Moved next-1.dat")
    await person.press("u", "Undid the move of next-1.dat")
    await person.press("+", "Priority is 2 for next-1.dat", "Pri")
    await person.press("u", "Undid the priority change of next-1.dat", gone="Pri ")
    await person.press("p", "Paused next-1.dat", "5 Paused 1")
    await person.press("p", "Resumed next-1.dat", "5 Paused 0")
    await person.press("P", "Paused 7 downloads", "5 Paused 7", "2 Active 0")
    await person.press("u", "Undid the pause of 7 downloads", "5 Paused 0", "2 Active 2")
    await person.press("c", "Cancelled", "7 Cancelled 1")
    await person.press("u", "Undid the cancellation of next-1.dat", "7 Cancelled 0")
    await person.press("x", "Removed", "1 All 9")
    await person.press("u", "Undid the removal of next-1.dat", "1 All 10")
    await person.press("r", "This download has not failed")
    await person.press(":cancel name:held-2*" + ENTER, "Cancelled held-2.iso")
    await person.press("u", "Undid the cancellation of held-2.iso", "7 Cancelled 0")


async def limit(person: Person) -> None:
    await person.press("g" + "L", "Limit held-1.iso", "100 kB/s")
    await person.press("1M" + ENTER, "Speed limit is 1 MB/s for held-1.iso")
    await person.press("u", "Undid the speed limit of 1 MB/s for held-1.iso")
    await person.press("La", "Limit all together")
    await person.press("2M" + ENTER, "limit 2 MB/s")
    await person.press("]", "limit 5 MB/s")
    await person.press("u", "limit 2 MB/s")
    await person.press("t", "slow mode")
    await person.press("t", "Slow mode is off", gone="(slow mode)")
    await person.press(":limit all off" + ENTER, "Speed limit is off", gone="limit 2 MB/s")
    await person.press(":stop-after 5G" + ENTER, "after 5.0 GB")
    await person.press(":stop-after off" + ENTER, "Automatic stop is off")
    await person.press(":quit-when-done" + ENTER, "quits when done")
    await person.press(":quit-when-done" + ENTER, "stays open")


async def filter_and_mark(person: Person) -> None:
    await person.press("/next", "5 of 10")
    await person.press(ENTER, gone="held-1.iso  ")
    await person.press("*", "◆ 5 marked")
    await person.press("^", gone="marked")
    await person.press(" ", "◆ 1 marked")
    await person.press(SHIFT_DOWN, "◆ 3 marked")
    await person.press(ESCAPE, "held-1.iso")
    await person.press(ESCAPE)
    await person.press(ESCAPE, gone="marked")
    await person.press("&name:*.iso" + ENTER, "Marked 2 downloads", "◆ 2 marked")
    await person.press("p", "Paused 2 downloads", "5 Paused 2")
    await person.press("p", "Resumed 2 downloads", "5 Paused 0")
    await person.press(ESCAPE, gone="◆ 2 marked")
    await person.press("g" + "v" + "j", "marking")  # the others may have ended meanwhile
    await person.press("v", gone=" marking ")
    await person.press(ESCAPE, gone="◆ 2 marked")
    await person.press("/size>1m" + ENTER, "2 of 10")
    await person.press("F", "Save filter as a tab", "size>1m")
    await person.press("big" + ENTER, "8 big 2")
    await person.press("1", "1 All 10", "held-1.iso")
    await person.press("8", "held-2.iso", gone="▸ 8 done")
    await person.press("1", "held-1.iso")


async def recover(person: Person, server: MisbehavingServer) -> None:
    await person.press(":cancel host:127.0.0.1 size>1m" + ENTER, "Cancelled 2", "7 Cancelled 2")
    await person.press("u", "7 Cancelled 0", "2 Active 2")
    await person.press("P", "5 Paused 2")
    links = [server.url(f"/{name}") for name in SINGLE]
    await person.paste("\n".join(links), "3 to add")
    await person.press(ENTER, "4 Failed 3", "401 needs a login", "404 Not Found")
    await person.press("!", "2 × 404 Not Found", "1 × 401 needs a login")
    await person.press(ESCAPE, gone="2 × 404")
    await person.press("/late" + ENTER, "1 of 13", "▌ late.bin")
    await person.press("r", "✓ done")
    await person.press(ESCAPE + "/moved" + ENTER, "▌ moved.bin")
    await person.press("e", "Edit moved.bin", "Link")
    await person.press("\x15" + server.url("/elsewhere/moved.bin"), "elsewhere")
    await person.press(ENTER, "moved.bin is done.", "✓ done")
    await person.press(ESCAPE + "/private" + ENTER, "▌ private.bin")
    await person.press("e", "Edit private.bin")
    await person.press("ann:wrong" + ENTER, "✗ 401 wrong login", "private.bin failed again")
    await person.press("e", "Edit private.bin")
    await person.press("\x15ann:secret" + ENTER, "✓ done", "private.bin is done.")
    await person.press(ESCAPE, "6 Done 11", "held-1.iso")
    await person.press("S", "Resumed 2 downloads", "2 Active 2")


async def load(person: Person, listing: Path) -> None:
    await person.press("o", "Load a list")
    await person.press("/nowhere.txt", "Cannot read")
    await person.press("\x15" + str(listing), "12 to add")
    await person.press(ENTER, "Added 12 downloads")


async def inspect(person: Person) -> None:
    await person.press("/held-1" + ENTER, "▌ held-1.iso")
    await person.press(ENTER, "Overview", "Connections", "Started")
    await person.press(TAB, "1.2 MB")
    await person.press(TAB, "mean")
    await person.press(TAB, "GET", "ETag")
    await person.press(TAB, "started")
    await person.press(BACK_TAB, "GET")
    await person.press(CTRL_D, "GET")
    await person.resize(160, 50, "held-1.iso", "GET")
    await person.resize(80, 24, "held-1.iso", "quit")
    await person.resize(40, 10, "held-1.iso", "quit")
    await person.resize(120, 36, "held-1.iso", "GET")
    await person.press(ESCAPE, gone="Overview")
    await person.press(ESCAPE, "held-2.iso", "part-01.zip")
    await person.press("l", gone="─ Log ·")
    await person.press("l", "─ Log ·")


async def configure(person: Person) -> None:
    await person.press(",", "Settings", "Parallel downloads")
    await person.press("theme" + ENTER, "rheo-light")
    await person.press(DOWN + ENTER, "Saved.")
    await person.press(ESCAPE)
    await person.press(ESCAPE, gone="Settings")
    await person.press("?", "Help", "Add links")
    await person.press("undo", "Undo the last change")
    await person.press(ESCAPE)
    await person.press(ESCAPE, gone="Help")
    await person.press("h", "History", "quick-1.bin")
    await person.press(ESCAPE, gone="History")
    await person.press("s", "Sort by")
    await person.press(DOWN + ENTER, "Name ▲")
    await person.press("s" + UP + ENTER, gone="Name ▲")
    await person.press(".", "Remove from the list", "Copy")
    await person.press(ESCAPE, gone="Remove from the list")
    await person.press("y" + "n", "Name copied")
    await person.press(":nonsense" + ENTER, "Unknown command")
    await person.press(ESCAPE, gone="Unknown")
    await person.press(":" + UP, ":cancel host:127.0.0.1 size>1m")
    await person.press(ESCAPE, gone=":cancel host")
    await person.press("\x10", "Search for an action")
    await person.press(ESCAPE, gone="Search for an action")


async def quit_and_stay(person: Person) -> None:
    await person.press("q", "Quit?", "kept")
    await person.press("n", gone="Quit?")
    await person.press("q", "Quit?")
    await person.press(ENTER)


async def finish(person: Person) -> None:
    await person.sees("6 Done 25")
    await person.press("X", "Removed 25 downloads", "Nothing to download yet")
    await person.press("u", "Undid the removal of 25 downloads", "6 Done 25")
    await person.press("q")
