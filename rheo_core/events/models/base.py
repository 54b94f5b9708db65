"""What every event carries."""

import time
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


class BaseEvent(BaseModel):
    """Something that happened; immutable."""

    model_config = ConfigDict(frozen=True)

    occurred_at: datetime = Field(default_factory=_now, description="When it happened (UTC)")
