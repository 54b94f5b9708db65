"""Simulated power loss: replay the system calls of a run, recorded by strace, to any point.

A disk keeps of a file what was synced. The rest is gone, and the file is as short as it was then;
or its new length is kept, and there are zeros. Names (made, linked, renamed, removed) are kept at
once, or only from the sync of their folder on. (After ALICE, OSDI'14, and LazyFS, VLDB'24.)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rheo_core.infrastructure.user_key import user_key
from rheo_core.transfer import source_of
from rheo_core.transfer.part_marks import put_mark

CALLS = "openat,write,pwrite64,ftruncate,fdatasync,fsync,linkat,link,unlink,rename,renameat2"

_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_CALL = re.compile(
    r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?:<(?P<opened>[^>]*)>)?"
)
_PATHS = re.compile(r'(?:^|, )"(?P<path>/[^"]*)"')
_DESCRIPTOR = re.compile(r"\d+<(?P<path>[^>]*)>")
_WRITE = re.compile(
    r'\d+<[^>]*>(?:\(deleted\))?, "(?P<text>.*)"(?P<cut>\.\.\.)?, (?P<count>\d+)(?:, (?P<at>\d+))?'
)
_CREATING = re.compile("O_CREAT|O_TMPFILE")
_SYNCS = ("fsync", "fdatasync")


@dataclass(frozen=True)
class Call:
    """A call that has ended, or where `begins`, a sync that only began."""

    name: str
    arguments: str
    begins: bool = False
    opened: str = ""  # what the descriptor that it returns is of

    @property
    def paths(self) -> list[Path]:
        """Return the paths of a call: names, the file of the descriptor, or both for a link.

        A file without a name (`O_TMPFILE`) has one for strace: its number, in its folder.
        """
        if "O_TMPFILE" in self.arguments:
            return [Path(self.opened)]
        names = [Path(found["path"]) for found in _PATHS.finditer(self.arguments)]
        described = _DESCRIPTOR.match(self.arguments)
        if described is None:
            return names
        # linkat(2): the descriptor, what /proc calls it, and the name it gets
        return [Path(described["path"]), *(names[1:] if self.name == "linkat" else [])]


def read_calls(log: Path) -> Iterator[Call]:
    """The calls that did something, in order; a sync comes twice, as it begins and as it ends."""
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        found = _LINE.match(line)
        assert found is not None, line
        thread, rest = found["thread"], found["rest"]
        if (resumed := _RESUMED.match(rest)) is not None:
            rest = begun.pop(thread) + resumed["rest"]
        is_begun = rest.endswith("<unfinished ...>")
        name, _, arguments = rest.partition("(")
        if name in _SYNCS and resumed is None:
            yield Call(name, arguments, begins=True)
        if is_begun:
            begun[thread] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        ended = _CALL.match(rest)
        if ended is not None and int(ended["result"]) >= 0:
            yield Call(ended["name"], ended["arguments"], opened=ended["opened"] or "")


@dataclass
class Inode:
    """A file, as programs see it and as it is on the disk."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    syncing: bytes = b""

    def left(self, *, zeros: bool) -> bytes:
        """Its content after the loss."""
        if not zeros:
            return self.synced
        return self.synced[: len(self.data)].ljust(len(self.data), b"\0")


@dataclass(frozen=True)
class Left:
    """The files in a folder, each by all its names."""

    contents: dict[tuple[str, ...], bytes]

    @property
    def files(self) -> dict[str, bytes]:
        return {name: data for names, data in self.contents.items() for name in names}

    def put(self, folder: Path, url: str) -> None:
        """Make a folder that looks so: a disk keeps modes and attributes too."""
        folder.mkdir()
        for (first, *others), data in self.contents.items():
            (folder / first).touch(0o600 if ".part.state" in first else 0o666)
            (folder / first).write_bytes(data)
            if ".part" in "".join((first, *others)) and ".part.state" not in first:
                with (folder / first).open("r+b") as file:
                    put_mark(file.fileno(), source_of(url), user_key())
            for other in others:
                (folder / other).hardlink_to(folder / first)


class Disk:
    """One folder. `body` tells what is written to the part file, of which strace cuts the text.

    A file that has no name yet is on no disk, whatever was synced.
    """

    def __init__(self, folder: Path, body: bytes) -> None:
        self._folder, self._body = folder, body
        self.names: dict[str, Inode] = {}
        self._unnamed: dict[str, Inode] = {}  # lost in any case
        for path in folder.glob("*"):
            data = path.read_bytes()
            self.names[path.name] = Inode(bytearray(data), data)
        self._synced_names = dict(self.names)

    def play(self, call: Call) -> bool:
        """Let a call happen; returns whether it is about this folder."""
        if call.name in _SYNCS and call.paths == [self._folder]:
            self._synced_names = dict(self.names)
            return True
        paths = [path for path in call.paths if path.parent == self._folder]
        if not paths or (call.name == "openat" and not _CREATING.search(call.arguments)):
            return False
        getattr(self, f"_{call.name}")(call, *[path.name for path in paths])
        return True

    def left(self, *, zeros: bool, names: bool) -> "Left":
        """Return the files after the loss; with `names`, names that were not synced are kept."""
        there = self.names if names else self._synced_names
        same: dict[int, list[str]] = {}
        for name, inode in there.items():
            same.setdefault(id(inode), []).append(name)
        return Left({tuple(all_): there[all_[0]].left(zeros=zeros) for all_ in same.values()})

    def _inode(self, name: str) -> Inode:
        return self._unnamed[name] if name in self._unnamed else self.names[name]

    def _openat(self, call: Call, name: str) -> None:
        if "O_TMPFILE" in call.arguments:
            self._unnamed[name] = Inode()
            return
        inode = self.names.setdefault(name, Inode())
        if "O_TRUNC" in call.arguments:
            inode.data.clear()

    def _write(self, call: Call, name: str) -> None:
        found = _WRITE.match(call.arguments)
        assert found is not None, call
        data = self._inode(name).data
        if name in self._unnamed:  # as with the part file, its text is cut
            data += self._body[len(data) : len(data) + int(found["count"])]
            return
        assert not found["cut"], call
        data += found["text"].encode().decode("unicode_escape").encode("latin-1")

    def _pwrite64(self, call: Call, name: str) -> None:
        found = _WRITE.match(call.arguments)
        assert found is not None, call
        start, end = int(found["at"]), int(found["at"]) + int(found["count"])
        data = self.names[name].data
        data.extend(bytes(max(start - len(data), 0)))
        data[start:end] = self._body[start:end]

    def _ftruncate(self, call: Call, name: str) -> None:
        data, size = self.names[name].data, int(call.arguments.rpartition(", ")[2])
        data[size:] = bytes(max(size - len(data), 0))

    def _fsync(self, call: Call, name: str) -> None:
        inode = self._inode(name)
        if call.begins:
            inode.syncing = bytes(inode.data)
        else:
            inode.synced = inode.syncing

    _fdatasync = _fsync

    def _linkat(self, call: Call, old: str, new: str) -> None:
        self.names[new] = self._unnamed.pop(old) if old in self._unnamed else self.names[old]

    _link = _linkat

    def _unlink(self, call: Call, name: str) -> None:
        del self.names[name]

    def _rename(self, call: Call, old: str, new: str) -> None:
        self.names[new] = self.names.pop(old)

    _renameat2 = _rename
