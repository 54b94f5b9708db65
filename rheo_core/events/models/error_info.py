"""An exception as a value."""

import traceback
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from rheo_core.domain.text import printable, redact


class ErrorInfo(BaseModel):
    """What went wrong, fit to be shown, stored and sent."""

    model_config = ConfigDict(frozen=True)

    exc_type: str = Field(description="Class of the exception, with its module")
    message: str = Field(description="What it says, on one line")
    traceback: str | None = Field(default=None, description="Full traceback, where asked for")

    @classmethod
    def from_exception(cls, exc: BaseException, include_traceback: bool = False) -> Self:
        """Describe `exc`; the message is never empty."""
        kind = type(exc)
        trace = redact("".join(traceback.format_exception(exc))) if include_traceback else None
        return cls(
            exc_type=f"{kind.__module__}.{kind.__qualname__}",
            message=printable(redact(str(exc))) or kind.__name__,
            traceback=trace,
        )
