"""Whether, when and why a failed attempt is tried again."""

from .base import BaseRetryHandler
from .categoriser import ErrorCategoriser
from .handler import RetryHandler
from .null import NullRetryHandler

__all__ = ["BaseRetryHandler", "ErrorCategoriser", "NullRetryHandler", "RetryHandler"]
