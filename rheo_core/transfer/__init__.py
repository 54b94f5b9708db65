"""How bytes get from a URL into a file."""

from .limits import TokenBucket
from .part_file import PartFile
from .transfer import Transfer, TransferOptions

__all__ = ["PartFile", "TokenBucket", "Transfer", "TransferOptions"]
