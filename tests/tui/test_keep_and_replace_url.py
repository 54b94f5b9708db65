"""Keep data with a wrong checksum; replace the URL of a download."""

from rheo_core.domain import (
    DownloadError,
    DownloadStatus,
    HashAlgorithm,
    ValidationResult,
    WebPageError,
)
from tests.tui.driving import Driver, running

NEW = "https://mirror.example.org/file.iso?token=new"


def refuse(app: Driver, download_id: str) -> None:
    """Fail the checksum of a download."""
    app.service.fail(download_id, "the hash is another one")
    check = ValidationResult(
        algorithm=HashAlgorithm.MD5, expected_hash="ab", calculated_hash="cd", duration_ms=1.0
    )
    app.service.change(download_id, validation=check)


async def test_keep_is_for_a_failed_hash_check_alone() -> None:
    async with running() as app:
        first, _, third = await app.fill()
        await app.press("w")
        assert "There is no unverified data to keep." in app.messages()
        app.service.fail(first, "404 Not Found")
        await app.update()
        await app.press("w")
        assert not app.called("keep")
        refuse(app, first)
        await app.update()
        await app.press("w")
        await app.until(lambda: "Kept as file-00000.iso.unverified." in app.messages())
        refuse(app, third)
        await app.update()
        await app.press("*", "w")
        await app.until(lambda: "Kept the data of 2 downloads." in app.messages())
        assert app.called("keep") == [first, first, third]


async def test_a_page_that_came_instead_of_a_file_is_taken() -> None:
    async with running() as app:
        first, second, third = await app.fill()
        for row in (first, second):
            app.service.fail(row, WebPageError("text/html", "a.zip"))
        refuse(app, third)
        await app.update()
        await app.press("enter")
        details = str(app.app.export_screenshot()).replace("&#160;", " ")
        assert "press w to save the page" in details
        await app.press("enter", "w")
        await app.until(lambda: app.called("accept_html") == [first])
        assert not app.called("keep")
        await app.update()
        await app.press("*", "w")
        await app.until(lambda: app.called("accept_html") == [first, second])
        assert app.called("keep") == [third]
        message = (
            "Queued again to save the web page: 1 download. Kept as file-00002.iso.unverified."
        )
        await app.until(lambda: message in app.messages())


async def test_errors_of_keep_are_shown() -> None:
    async with running() as app:
        first, *_ = await app.fill()
        refuse(app, first)
        await app.update()
        app.service.fail_with = DownloadError("the disk is full")
        await app.press("w")
        message = "Keep unverified data: the disk is full."
        await app.until(lambda: message in app.messages())
        app.service.unkept = True
        await app.press("w")
        await app.until(lambda: "No data is left to keep." in app.messages())


async def test_keep_from_the_command_line() -> None:
    async with running() as app:
        first, *_ = await app.fill()
        await app.command(f"keep {first[:6]}")
        assert "There is no unverified data to keep." in app.messages()
        refuse(app, first)
        await app.update()
        await app.command(f"keep {first[:6]}")
        await app.until(lambda: app.called("keep") == [first])


async def test_link_from_the_command_line() -> None:
    async with running() as app:
        first, second, _ = await app.fill()
        await app.command("link")
        assert "link needs an argument, such as “link 3fa9 https://" in app.messages()
        await app.press("escape")
        await app.command(f"link {second[:6]}")
        assert "link needs an ID and a URL" in app.messages()
        await app.press("escape")
        await app.command(f"link {second[:6]} {NEW}")
        await app.until(lambda: "URL replaced." in app.messages())
        assert app.called("replace_url") == [(second, NEW)]
        await app.command(f"link {first[:6]} nonsense")
        await app.until(lambda: "link: URL 'nonsense' has no scheme" in app.messages())
        app.service.change(second, status=DownloadStatus.COMPLETED)
        await app.update()
        await app.command(f"link {second[:6]} {NEW}")
        assert "This download is already done." in app.messages()
