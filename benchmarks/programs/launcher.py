"""Runs one command and writes what it took: `launcher.py REPORT WATCHED SECONDS COMMAND…`.

A program of its own, and a small one, because Linux counts the peak memory of a process from the
fork on, when it still is that of its parent: about 8 MB here, which is the least it can show.

REPORT gets one line: wall seconds, CPU seconds of the process and those it waited for, the peak
memory of the largest of them in KiB, the exit status, and the seconds until the file WATCHED was
not empty (-1: never). Then the command is killed after another SECONDS. WATCHED may be "".
"""

import os
import signal
import sys
import time


def main() -> None:
    report, watched, seconds, *command = sys.argv[1:]
    begin = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    first_byte = _watch(process, watched, float(seconds), begin) if watched else -1.0
    _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - begin
    code = 0 if first_byte >= 0 else os.waitstatus_to_exitcode(status)
    with open(report, "w") as file:  # noqa: PTH123 - pathlib would be a third of the memory
        print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, code, first_byte, file=file)


def _watch(process: int, watched: str, seconds: float, begin: float) -> float:
    """Wait for the first byte or the end, and end the process; seconds to the first byte."""
    while not os.stat(watched).st_size:  # noqa: PTH116
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return -1.0
        time.sleep(0.005)
    first_byte = time.monotonic() - begin
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return first_byte
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    return first_byte


main()
