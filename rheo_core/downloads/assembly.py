"""Assemble the parts of a `DownloadManager`."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rheo_core.domain.engine_options import EngineOptions
from rheo_core.domain.schedule import parse_schedule
from rheo_core.events import BaseEmitter
from rheo_core.infrastructure.disk import DiskThreads
from rheo_core.infrastructure.http import BaseHttpClient
from rheo_core.tracking import BaseTracker
from rheo_core.transfer import HostLimiter, RateLimits, TransferOptions

from .admission import Admission
from .control import ControlContext, DownloadController
from .desktop_notifications import DesktopNotifications
from .disk_space_watch import DiskSpaceWatch
from .hooks import HookRunner
from .lifecycle import Lifecycle
from .limit_control import LimitController
from .network_watch import NetworkWatch
from .pool import WorkerPool
from .progress import ProgressReporter
from .queue import PriorityDownloadQueue
from .retry import BaseRetryHandler
from .set_control import SetController
from .total_speed_limit import TotalSpeedLimit
from .worker import DownloadWorker

if TYPE_CHECKING:
    from .session import Session


class Parts(NamedTuple):
    """Parts of a manager that share state; see `assemble`."""

    queue: PriorityDownloadQueue
    tracker: BaseTracker
    emitter: BaseEmitter
    session: "Session | None"
    hosts: HostLimiter
    lifecycle: Lifecycle
    reporter: ProgressReporter
    worker: DownloadWorker
    admission: Admission
    pool: WorkerPool
    control: DownloadController
    sets: SetController
    total_limit: TotalSpeedLimit
    limits: LimitController
    hooks: HookRunner
    notifications: DesktopNotifications | None  # None: the user wants none
    disk_space: DiskSpaceWatch | None  # None: a full disk is a failure
    network: NetworkWatch | None  # None: a missing network is a failure

    def watchers(self) -> list[Coroutine[Any, Any, None]]:
        """Return the work to run in the background while the manager is open."""
        watchers = [
            self.reporter.run(),
            self.total_limit.run(),
            self.limits.stop_when_spent(),
            self.control.kept.run(),
            self.control.discard_left(self.session),
        ]
        if self.disk_space is not None:
            watchers.append(self.disk_space.run())
        if self.network is not None:
            watchers.append(self.network.run())
        return watchers


def assemble(
    options: EngineOptions,
    client: BaseHttpClient,
    queue: PriorityDownloadQueue,
    tracker: BaseTracker,
    emitter: BaseEmitter,
    retry_handler: BaseRetryHandler | None,
    on_problem: Callable[[str], None],
) -> Parts:
    """Make the parts of a manager from its options and the objects of the caller."""
    session = _make_session(options, on_problem)
    disk, limits = DiskThreads(), RateLimits()
    network = _make_network_watch(options, queue)
    hosts = _make_hosts(options, queue, network)
    lifecycle = Lifecycle(tracker, emitter, session)
    worker = _make_worker(
        options, client, tracker, emitter, retry_handler, disk, hosts, limits, lifecycle, network,
        keep_unverified=session is not None,
    )  # fmt: skip
    admission = Admission(queue, tracker, lifecycle, session, worker.names)
    pool = WorkerPool(
        queue,
        worker.attempt,
        admission.requeue,
        options.max_concurrent,
        hosts,
        options.tuning,
        is_forbidden=worker.is_forbidden if options.wait_for_settings else lambda _: False,
        network=network,
    )
    context = ControlContext(queue, tracker, lifecycle, worker, admission, pool)
    control = DownloadController(context, options.tuning)
    sets = SetController(context, control, session)
    # A circle: pool and control end attempts of the worker, which asks them after a failure.
    worker.shortage = pool.shortage
    worker.make_room = control.kept.discard_all
    if _waits_for_room(options):
        worker.disk_space = DiskSpaceWatch(disk, control.resume, options.tuning)
    return Parts(
        queue,
        tracker,
        emitter,
        session,
        hosts,
        lifecycle,
        ProgressReporter(tracker, emitter),
        worker,
        admission,
        pool,
        control,
        sets,
        _make_total_limit(options, limits),
        LimitController(tracker, lifecycle, sets, hosts, limits),
        HookRunner(options.following, emitter, lifecycle.explain_ended),
        DesktopNotifications(emitter) if options.following.on_desktop else None,
        worker.disk_space,
        network,
    )


def _make_total_limit(options: EngineOptions, limits: RateLimits) -> TotalSpeedLimit:
    return TotalSpeedLimit(
        limits,
        rate_bps=options.speed_limit_bps or None,
        slow_bps=options.slow_limit_bps,
        schedule=parse_schedule(options.schedule),
    )


def _make_session(options: EngineOptions, on_problem: Callable[[str], None]) -> "Session | None":
    if options.session_path is None:
        return None
    from .session import Session  # imports SQLite

    return Session(
        options.session_path,
        on_problem,
        history_days=options.history_days,
        tuning=options.tuning,
    )


def _waits_for_room(options: EngineOptions) -> bool:
    if options.wait_for_room is None:
        return options.session_path is not None
    return options.wait_for_room


def _make_network_watch(
    options: EngineOptions, queue: PriorityDownloadQueue
) -> NetworkWatch | None:
    if options.network_timeout == 0:
        return None
    return NetworkWatch(options.network_timeout, queue.look_again, options.tuning)


def _make_hosts(
    options: EngineOptions, queue: PriorityDownloadQueue, network: NetworkWatch | None
) -> HostLimiter:
    return HostLimiter(
        options.connections_per_host,
        queue.look_again,
        options.tuning,
        on_answer=(lambda _: None) if network is None else network.note_answer,
    )


def _make_worker(
    options: EngineOptions,
    client: BaseHttpClient,
    tracker: BaseTracker,
    emitter: BaseEmitter,
    retry_handler: BaseRetryHandler | None,
    disk: DiskThreads,
    hosts: HostLimiter,
    limits: RateLimits,
    lifecycle: Lifecycle,
    network: NetworkWatch | None,
    *,
    keep_unverified: bool,
) -> DownloadWorker:
    folder = Path(options.download_dir)
    if options.session_path is not None:  # the next start may happen in another folder
        folder = folder.absolute()
    return DownloadWorker(
        client,
        download_dir=folder,
        file_exists_strategy=options.file_exists_strategy,
        tracker=tracker,
        emitter=emitter,
        retry_handler=retry_handler,
        disk=disk,
        hosts=hosts,
        limits=limits,
        options=TransferOptions.of(options),
        lifecycle=lifecycle,
        keep_unverified=keep_unverified,
        rules=options.rules,
        request_rules=options.request_rules,
        network=network,
    )
