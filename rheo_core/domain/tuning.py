"""Tuning: intervals and thresholds that no setting changes, such as the time to undo."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Intervals and thresholds of an engine; tests shorten them.

    Args:
        checkpoint_seconds: time between two checkpoints of a part file. A crash costs the bytes
            of this time.
        join_after_seconds: time for which a transfer is measured before more connections join.
        join_threshold_seconds: more connections join if the largest segment takes longer.
        min_join_threshold_seconds: lower limit of that threshold when connections begin fast.
        min_segment_bytes: a segment is not split if its halves would be smaller.
        takeover_seconds: time without a byte after which a connection loses its segment to a free
            one.
        min_takeover_seconds: lower limit of that time near the end of a file.
        speed_after_seconds: age of a connection from which its speed counts.
        max_batch_seconds: received bytes are written after this time, even if they are few.
        buffer_bytes: data that all connections together collect before they write. Each has two
            buffers.
        response_patience_seconds: time without a response after which a download says that it waits
            for one.
        sidecar_seconds: limit for fetching one checksum file. A trickle of bytes is not a stall,
            and a slot waits for the end.
        lead_seconds: time for which rheo assumes that all links of a host lead to the full host
            that one of them led to. Others may lead elsewhere, so some are requested again
            afterwards.
        passing_seconds: time that a download waits in its slot for room at a host before it
            returns to the queue.
        shortage_growth_seconds: time after which one more download may run.
        shortage_rest_seconds: time before another try if no download runs whose end would help.
        shortage_patience_seconds: time for such tries. Other programs may end meanwhile.
        disk_look_seconds: time between two checks of full disks.
        max_disk_wait_seconds: time between two tries of a download that repeatedly finds its disk
            full. A quota may stop it although the disk has room.
        network_look_seconds: time between two checks of the network during an outage.
        session_write_seconds: minimum time between two transactions.
        session_progress_seconds: time between two saves of the progress of running downloads. The
            part files know it exactly; the next start shows the saved one in the list.
        session_retry_seconds: time until a failed write is tried again if there is nothing else to
            write.
        undo_seconds: time for which cancelled downloads keep their partial data, and removed ones
            can be restored.
    """

    checkpoint_seconds: float = 5.0
    join_after_seconds: float = 0.1
    join_threshold_seconds: float = 1.0
    min_join_threshold_seconds: float = 0.1
    min_segment_bytes: int = 512 << 10
    takeover_seconds: float = 3.0
    min_takeover_seconds: float = 0.1
    speed_after_seconds: float = 1.0
    max_batch_seconds: float = 1.0
    buffer_bytes: int = 32 << 20
    response_patience_seconds: float = 5.0
    sidecar_seconds: float = 60.0
    lead_seconds: float = 5.0
    passing_seconds: float = 5.0
    shortage_growth_seconds: float = 10.0
    shortage_rest_seconds: float = 1.0
    shortage_patience_seconds: float = 30.0
    disk_look_seconds: float = 5.0
    max_disk_wait_seconds: float = 60.0
    network_look_seconds: float = 2.0
    session_write_seconds: float = 0.5
    session_progress_seconds: float = 5.0
    session_retry_seconds: float = 5.0
    undo_seconds: float = 600.0


DEFAULT_TUNING = Tuning()
