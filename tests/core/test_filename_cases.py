"""Names from the test suites of other programs, and the cases in which this one differs."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rheo_core import DownloadManager, FileConfig
from rheo_core.domain import FileExistsStrategy
from rheo_core.domain.filenames import MAX_NAME_BYTES, filename_from_url, sanitise_filename
from rheo_core.transfer.content_disposition import filename_from_disposition
from tests.core.engine import Journal, serving
from tests.core.test_filenames import LONGEST_SUFFIX, assert_safe
from tests.servers.misbehaving import MisbehavingServer

TABLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "cases" / "filenames.json").read_text(encoding="utf-8")
)
CASES = {case["id"]: case for case in TABLE["cases"]}
ATTACKS = [
    "\udcff" if attack["name"] is None else attack["name"]  # JSON has no undecodable byte
    for attack in TABLE["attack"]
]
LONG = {
    "firefox/validateFileNameForSaving/13": ".png",
    "firefox/validateFileNameForSaving/15": ".png",
    "firefox/validateFileNameForSaving/16": ".png",
    "firefox/validateFileNameForSaving/17": ".png",
    "firefox/validateFileNameForSaving/18": ".png",
    "firefox/validateFileNameForSaving/20": "noextensionfile",
    "firefox/validateFileNameForSaving/23": ".png",
    "firefox/validateFileNameForSaving/26": ".fairlyLongExtension",
    "firefox/validateFileNameForSaving/27": ".long_invalid#_ ch_ars",
}
"""Names cut at 255 bytes there, and earlier here: our suffix needs room. How they end."""

OURS: dict[str, str | None] = {
    # The host where the URL's path gives no name; about: and data: URLs are refused before.
    "chromium/selection_tests/16": "www.google.com",
    "chromium/selection_tests/25": "chrome",
    "chromium/selection_tests/26": "a.path",
    "chromium/selection_tests/27": "plain;base64,VG8gYmUgb3Igbm90IHRvIGJlLg=",
    "chromium/selection_tests/28": "a.path",
    "chromium/selection_tests/29": "a.path",
    # No page tells in which charset a URL is.
    "chromium/selection_tests/30": "V%FDvojov%E1%20psychologie.doc",
    # Of a path only its last segment counts (RFC 6266 4.3); a slash is in no token.
    "chromium/generation_tests/4": "download",
    "chromium/generation_tests/5": "download",
    "chromium/generation_tests/6": "a_file_name.txt",
    "chromium/generation_tests/7": "a_file_name.txt",
    "chromium/generation_tests/10": "bar.jpg",
    "firefox/save_filenames/1": "a_b_ccd.png",
    # Dots and spaces at the ends go, and white space is one space.
    "chromium/generation_tests/17": "evil.exe",
    "chromium/generation_tests/20": "meh.exe",
    "chromium/generation_tests/45": "foo",
    "chromium/generation_tests/50": "岡 岡.txt",
    "chromium/ReplaceIllegalCharactersInPath/16": "download",
    "chromium/ReplaceIllegalCharactersInPath/17": "( )",
    "chromium/ReplaceIllegalCharactersInPath/20": "download",
    "chromium/ReplaceIllegalCharactersInPath/21": "( )",
    "firefox/validateFileNameForSaving/22": "f__ift h.jpe__g",
    "firefox/validateFileNameForSaving/37": "filename. lnk",
    # Device names get their mark behind, on every system.
    "chromium/generation_tests/24": "COM1_",
    "chromium/generation_tests/27": "clock$_.txt",
    "chromium/generation_tests/28": "clock$_.txt",
    "chromium/generation_tests/33": "Desktop.ini_",
    "chromium/GenerateSafeFileName/win/10": "con_.htm",
    "chromium/GenerateSafeFileName/win/12": "con_",
    "firefox/save_filenames/9": "com1_",
    "firefox/save_filenames/10": "com2_.any",
    # Launchers keep their extension before the new one, on every system.
    "chromium/generation_tests/30": "Setup.exe.local.download",
    "chromium/generation_tests/32": "Setup.exe.lnk.download",
    "chromium/GenerateSafeFileName/posix/15": "harmless.local.download",
    "chromium/GenerateSafeFileName/posix/16": "harmless.lnk.download",
    "chromium/GenerateSafeFileName/win/15": "harmless.local.download",
    "firefox/validateFileNameForSaving/36": "filename.lnk.download",
    "firefox/validateFileNameForSaving/40": "filename.DESKTOP.download",
    # No extension is made up from the type.
    "chromium/generation_tests/42": "npdf.php",
    "chromium/GenerateSafeFileName/posix/3": "bar",
    "chromium/GenerateSafeFileName/win/3": "bar",
    "firefox/save_filenames/8": "sömeescapes.÷ng",
    # What is not allowed becomes `_`; zero-width and bidi characters go.
    "chromium/ReplaceIllegalCharactersInPath/1": "bad_file_name_.jpg",
    "chromium/ReplaceIllegalCharactersInPath/5": "bad_file_name_.jpg",
    "chromium/ReplaceIllegalCharactersInPath/8": "\u0635\u0644.mp3",
    "chromium/ReplaceIllegalCharactersInPath/11": "bad_file_name.jpg",
    "chromium/ReplaceIllegalCharactersInPath/13": "(..............)",
    "chromium/ReplaceIllegalCharactersInPath/14": "config~1",
    "firefox/validateFileNameForSaving/8": "white.png",
    # Where nothing is left the URL names the file.
    "pip/sanitize_content_filename/4": None,
    "pip/sanitize_content_filename/5": None,
    "pip/sanitize_content_filename/6": None,
    "pip/sanitize_content_filename/10": None,
    "pip/sanitize_content_filename/11": None,
    "pip/sanitize_content_filename/12": None,
}
"""Names that are another program's decision there and ours here."""


def name_of(case: dict[str, Any]) -> str | None:
    """Return the name that this program makes of a case, by its kind."""
    given = case["input"]
    match case["kind"]:
        case "url+header->filename":
            header = given["content_disposition_latin1"].encode("latin-1")
            name = filename_from_disposition(header.decode("utf-8", "surrogateescape"))
            asked = given["suggested_name"]
            return name or (sanitise_filename(asked) if asked else filename_from_url(given["url"]))
        case "Content-Disposition filename (percent-decoded by the test server)":
            return filename_from_disposition(f"attachment; filename*=UTF-8''{given['filename']}")
        case "basename":
            escaped = given["name"].replace("\\", "\\\\")
            return filename_from_disposition(f'attachment; filename="{escaped}"')
        case _:
            return sanitise_filename(given["name"])


def expected(case: dict[str, Any]) -> set[str]:
    return {case[key] for key in ("expected_posix", "expected_windows") if key in case}


@pytest.mark.parametrize("case_id", CASES)
def test_every_case_gives_a_safe_name_or_none(case_id: str) -> None:
    name = name_of(CASES[case_id])
    if name is not None:
        assert_safe(name)


@pytest.mark.parametrize("case_id", [case_id for case_id in CASES if case_id not in LONG])
def test_names_are_those_of_the_other_suites_or_differ_on_purpose(case_id: str) -> None:
    if case_id in OURS:
        assert name_of(CASES[case_id]) == OURS[case_id]
        assert OURS[case_id] not in expected(CASES[case_id])
    else:
        assert name_of(CASES[case_id]) in expected(CASES[case_id])


@pytest.mark.parametrize("case_id", LONG)
def test_long_names_are_cut_and_keep_their_extension(case_id: str) -> None:
    given = CASES[case_id]["input"]["name"]
    name = sanitise_filename(given)
    assert name.endswith(LONG[case_id])
    stem = name.removesuffix(LONG[case_id])
    if set(stem) != {"_"}:  # as private code points become
        assert given.startswith(stem)
        assert MAX_NAME_BYTES - len(f"{name}{LONGEST_SUFFIX}".encode()) < 4


@pytest.mark.parametrize("name", TABLE["portable_basenames"]["safe"])
def test_portable_names_stay(name: str) -> None:
    assert sanitise_filename(name) == name


@pytest.mark.parametrize("name", TABLE["portable_basenames"]["unsafe"])
def test_names_that_are_not_portable_change(name: str) -> None:
    assert_safe(sanitise_filename(name))
    assert sanitise_filename(name) != name


@pytest.mark.parametrize("how", ["header", "url", "asked"])
async def test_no_attack_leaves_the_folder(
    server: MisbehavingServer, tmp_path: Path, how: str
) -> None:
    """Each name from a real server, twice: every file is a new one directly in the folder."""
    folder, configs = tmp_path / "files", []
    for number, name in enumerate([*ATTACKS, *ATTACKS]):
        escaped = quote(name, safe="", errors="surrogateescape")
        header = {"Content_Disposition": f"attachment; filename*=UTF-8''{escaped}"}
        path = f"/{escaped}?{number}" if how == "url" else f"/{number}"
        given = serving(b"%d" % number, **(header if how == "header" else {}))
        filename = name if how == "asked" else None
        configs.append(FileConfig(url=server.on(path, given), filename=filename))
    folder.mkdir()
    (folder / "bashrc").write_bytes(b"mine")
    async with DownloadManager(
        download_dir=folder, file_exists_strategy=FileExistsStrategy.RENAME
    ) as manager:
        journal = Journal(manager)
        await manager.add(configs)
        await manager.wait_until_complete(timeout=60)
        rows = manager.snapshot().downloads
    assert journal.endings() == {config.id: 1 for config in configs}
    assert manager.stats.completed == len(configs)
    files = {path: path.read_bytes() for path in folder.iterdir()}
    assert files.pop(folder / "bashrc") == b"mine"
    assert sorted(files.values()) == sorted(b"%d" % number for number in range(len(configs)))
    for file in files:
        assert_safe(file.name)
        assert file.is_file() and not file.is_symlink() and file.resolve().parent == folder
    assert sorted(tmp_path.iterdir()) == [folder]
    assert sorted(row.name for row in rows) == sorted(path.name for path in files)
