"""Facts about failures, as rows have them."""

from typing import Any

from rheo_core.domain.exceptions import failure_of


def facts_of(error: Exception) -> dict[str, Any]:
    """Return the fields of a row whose last attempt ended with this error."""
    return {"error": str(error), "failure": failure_of(error)}
