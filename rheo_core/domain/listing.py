"""ListedDownload: a download as JSON, for `rheo list --json` and the clipboard of the app."""

import json
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from .downloads import DownloadSnapshot, DownloadStatus

SCHEMA_VERSION: Literal[1] = 1
"""Version of the lines. New fields do not change it; removed or changed ones do."""


class ListedDownload(BaseModel):
    """One download of the list. Times are in UTC; secrets in the URL are replaced by `***`."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    schema_: Literal[1] = Field(
        default=SCHEMA_VERSION, alias="schema", description="Version of this schema"
    )
    download_id: str = Field(description="ID; any unique prefix identifies the download")
    url: str = Field(description="URL, without secrets")
    name: str = Field(description="Name of the file")
    status: DownloadStatus = Field(description="State of the download")
    reason: str = Field(description="Reason for the state; empty if there is none")
    error: str | None = Field(description="Error of the last attempt; null if there was none")
    priority: int = Field(description="Priority; higher ones start first")
    bytes_downloaded: int = Field(description="Bytes received so far")
    total_bytes: int | None = Field(description="Size in bytes; null if it is unknown")
    speed_bps: float = Field(description="Speed in bytes per second; 0 while nothing arrives")
    attempts: int = Field(description="Number of attempts, including the running one")
    added_at: datetime | None = Field(description="Time when it was added")
    started_at: datetime | None = Field(description="Start of the first attempt")
    finished_at: datetime | None = Field(description="Time when it ended")
    destination_path: str | None = Field(description="Path of the file; null if it is not known")

    @classmethod
    def of(cls, row: DownloadSnapshot) -> Self:
        """Return the line of a download."""
        return cls(
            download_id=row.id,
            url=row.url,
            name=row.name,
            status=row.status,
            reason=row.reason,
            error=row.error,
            priority=row.priority,
            bytes_downloaded=row.bytes_downloaded,
            total_bytes=row.total_bytes,
            speed_bps=row.speed_bps,
            attempts=row.attempt,
            added_at=_time(row.added_at or None),
            started_at=_time(row.started_at),
            finished_at=_time(row.finished_at),
            destination_path=row.destination or None,
        )

    def to_line(self) -> str:
        """Return JSON on one line."""
        return json_line(self)


def json_line(model: BaseModel) -> str:
    """Return a model as JSON on one line, under the aliases of its fields.

    A path need not be UTF-8. Python reads its other bytes as lone surrogates, which become escapes
    such as `\\udce9`.
    """
    try:
        return model.model_dump_json(by_alias=True)
    except ValueError:
        values = model.model_dump(mode="json", by_alias=True)
        return json.dumps(values, separators=(",", ":"))


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
