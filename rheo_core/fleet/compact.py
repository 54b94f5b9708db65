"""Reader of Thrift's compact protocol, in which a Parquet file describes itself.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_MAX_DEPTH = 16
_LONG_LIST = 15
_NUMBER_BITS = 64
_T = TypeVar("_T")

Struct = dict[int, Any]
"""Values by the numbers of their fields. Text is bytes."""


class CompactReader:
    """Reader of values, one after the other.

    Every method raises IndexError if the data end before, TypeError if they are damaged, and
    ValueError if the lists have more items than allowed.

    Args:
        data: the values.
        max_items: largest number of items in all lists.

    Attributes:
        place: number of bytes that are read.
    """

    def __init__(self, data: bytes, max_items: int = sys.maxsize) -> None:
        self._data = data
        self._max_items = max_items
        self._items = 0
        self._depth = 0
        self.place = 0

    def struct(self) -> Struct:
        """Return a structure."""
        found: Struct = {}
        for number, kind in self.fields():
            if number in found:  # of two, another reader may take the other one
                raise TypeError("a field occurs twice")
            found[number] = self.value(kind)
        return found

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and kind of each field of a structure; the caller reads its value."""
        number = 0
        while byte := self._byte():
            step, kind = divmod(byte, 16)
            number = number + step if step else self._signed()
            yield number, kind

    def items(self) -> Iterator[int]:
        """Yield the kind of each item of a list; the caller reads its value."""
        count, kind = divmod(self._byte(), 16)
        if kind in (1, 2):  # flags take bytes in lists only, and Parquet has no such list
            raise TypeError("a list of flags")
        count = self._unsigned() if count == _LONG_LIST else count
        self._items += count
        if self._items > self._max_items:
            raise ValueError(f"its lists have {self._items:,} items, more than {self._max_items:,}")
        for _ in range(count):
            yield kind

    def value(self, kind: int) -> Any:
        """Return a value of this kind."""
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._unsigned())
            case 9 | 10:
                return self._deeper(lambda: [self.value(each) for each in self.items()])
            case 12:
                return self._deeper(self.struct)
        raise TypeError(f"an unknown kind of value: {kind}")

    def _deeper(self, read: Callable[[], _T]) -> _T:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise TypeError("too many levels")
        value = read()
        self._depth -= 1
        return value

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _bytes(self, length: int) -> bytes:
        self.place += length
        if self.place > len(self._data):
            raise IndexError(self.place)
        return self._data[self.place - length : self.place]

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, _NUMBER_BITS, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise TypeError("a number without end")

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
