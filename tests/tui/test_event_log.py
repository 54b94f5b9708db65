"""The lines of the log."""

from rheo_core.events import DownloadRepairingEvent
from rheo_tui.event_log import log_line


def test_a_repair_is_told_with_its_source() -> None:
    event = DownloadRepairingEvent(
        download_id="1", url="http://x/a.iso", bad_pieces=3, pieces=1400, host="b.example\x1b[2J"
    )
    line = log_line(event)
    assert (line.name, line.level) == ("a.iso", "warning")
    assert line.text.startswith("repairing: bad pieces: 3 of 1,400; fetched again from b.example")
    assert line.text.isprintable()
