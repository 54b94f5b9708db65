"""Parse Thrift's compact protocol, which encodes the metadata of Parquet files.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

Readers disagree about damaged data: some truncate large numbers, take the last of two equal fields,
skip a field of an unexpected type, or ignore the type of a list. This parser refuses all of these.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar

INT_32, INT_64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
_BITS = {4: 16, INT_32: 32, INT_64: 64}
_MAX_NUMBER = (1 << 15) - 1
_MAX_DEPTH = 16
_LONG_LIST = 15
_T = TypeVar("_T")

Shape: TypeAlias = "int | list[Shape] | Fields"
"""Kind of a value, list with the shape of its items, or fields of a structure."""
Fields: TypeAlias = dict[int, Shape]
"""Shapes by the numbers of fields. Other fields are skipped. Lists must be included, because other
readers do not check the kind of their items."""
Struct: TypeAlias = dict[int, Any]
"""Values by the numbers of their fields. Text is bytes."""


class CompactReader:
    """Reader of values, one after another.

    Every method raises IndexError if the data end too early, TypeError if they are damaged, and
    ValueError if the lists have more items than allowed.

    Args:
        data: the values.
        max_items: maximum number of items in all lists.

    Attributes:
        place: number of bytes read.
    """

    def __init__(self, data: bytes, max_items: int) -> None:
        self._data = data
        self._max_items = max_items
        self._items = 0
        self._depth = 0
        self.place = 0

    def struct(self, shapes: Fields) -> Struct:
        """Return the fields of a structure that have shapes."""
        return {number: self.value(shapes[number]) for number in self.fields(shapes)}

    def fields(self, shapes: Fields) -> Iterator[int]:
        """Yield the number of each field that has a shape; the caller reads its value."""
        number, numbers = 0, set[int]()
        while byte := self._byte():
            step, kind = divmod(byte, 16)
            number = number + step if step else self._signed(16)
            if number in numbers or not 0 <= number <= _MAX_NUMBER:
                raise TypeError("a field occurs twice, or has no number")
            numbers.add(number)
            if number not in shapes:
                self._skip(kind)
            elif kind == _kind_of(shapes[number]):
                yield number
            else:
                raise TypeError(f"a field of another kind: {kind}")

    def items(self, shape: Shape) -> Iterator[None]:
        """Pause at each item of a list; the caller reads its value."""
        for kind in self._kinds():
            if kind != _kind_of(shape):
                raise TypeError(f"items of another kind: {kind}")
            yield

    def value(self, shape: Shape) -> Any:
        """Return a value of this shape."""
        if isinstance(shape, dict):
            return self._deeper(lambda: self.struct(shape))
        if isinstance(shape, list):
            [each] = shape
            return self._deeper(lambda: [self.value(each) for _ in self.items(each)])
        return self._plain(shape)

    def _skip(self, kind: int) -> None:
        match kind:
            case 9 | 10:  # a list or a set
                self._deeper(lambda: deque(map(self._skip, self._kinds()), maxlen=0))
            case 12:
                self._deeper(lambda: deque(self.fields({}), maxlen=0))
            case _:
                self._plain(kind)

    def _kinds(self) -> Iterator[int]:
        """Yield the kind of each item of a list."""
        count, kind = divmod(self._byte(), 16)
        if kind in (1, 2):  # flags take bytes only in lists, and Parquet has no such list
            raise TypeError("a list of flags")
        count = self._unsigned(32) if count == _LONG_LIST else count
        self._items += count
        if self._items > self._max_items:
            raise ValueError(f"its lists have {self._items:,} items, more than {self._max_items:,}")
        for _ in range(count):
            yield kind

    def _plain(self, kind: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._signed(_BITS[kind])
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._unsigned(32))
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

    def _unsigned(self, bits: int) -> int:
        value = 0
        for shift in range(0, bits, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80 and value < 1 << bits:
                return value
        raise TypeError(f"a number of more than {bits} bits")

    def _signed(self, bits: int) -> int:
        value = self._unsigned(bits)
        return value >> 1 ^ -(value & 1)


def _kind_of(shape: Shape) -> int:
    if isinstance(shape, int):
        return shape
    return LIST if isinstance(shape, list) else STRUCT
