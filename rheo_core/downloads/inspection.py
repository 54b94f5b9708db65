"""Inspection: collect the details of one download for the inspector."""

from rheo_core.domain.file_config import FileConfig
from rheo_core.domain.inspector_details import DownloadDetails
from rheo_core.domain.text import printable, redact_url
from rheo_core.tracking import DownloadRecord
from rheo_core.tracking.record import AttemptStats

from .queue import PriorityDownloadQueue
from .worker import DownloadWorker


def inspect(
    record: DownloadRecord, queue: PriorityDownloadQueue, worker: DownloadWorker
) -> DownloadDetails:
    """Return the details of a download. The cost does not depend on the number of others."""
    config, stats = record.config, record.stats_or_none or AttemptStats()
    expected = config.hash_config
    return DownloadDetails(
        id=record.id,
        folder=printable(str(worker.destination(record).parent)),
        referer=redact_url(_referer(config)),
        mirrors=tuple(map(redact_url, config.mirrors)),
        expected_hash=f"{expected.algorithm}:{expected.expected_hash}" if expected else "",
        media_type=printable(stats.media_type or config.type or ""),
        place=queue.place(record.id),
        waiting=queue.size(),
        connections=config.connections,
        transferred=stats.transferred,
        elapsed_seconds=stats.elapsed,
        hops=worker.recent_exchanges.of(record.id),
        transfer=stats.transfer_details() if stats.transfer_details is not None else None,
    )


def _referer(config: FileConfig) -> str:
    """Return the page that links to the download; "" if it is unknown."""
    named = [value for name, value in config.headers if name.lower() == "referer"]
    return config.request.referer or (named[-1] if named else "")
