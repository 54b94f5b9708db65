"""An engine as the settings want it; what the command and the app start from."""

from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from urllib.request import getproxies_environment

from rheo_core.config.settings import Notify, Settings
from rheo_core.domain import RetryConfig
from rheo_core.domain.hosts import HostLimits, entries_for
from rheo_core.domain.request_rules import RequestRules
from rheo_core.downloads import DownloadManager, Following, RetryHandler
from rheo_core.infrastructure.shortage import raise_descriptor_limit
from rheo_core.tracking import BaseTracker


def make_manager(
    settings: Settings,
    *,
    tracker: BaseTracker | None = None,
    session_path: Path | None = None,
    on_problem: Callable[[str], None] | None = None,
    insecure: Iterable[str] = (),
) -> DownloadManager:
    """A manager, not yet open; the other arguments are those of `DownloadManager`.

    The *_PROXY variables hold where the settings name no proxy. `insecure` are hosts whose
    certificates are not checked; the settings have no place for them. The process may open more
    files afterwards.
    """
    raise_descriptor_limit()
    proxies = getproxies_environment()
    return DownloadManager(
        tracker=tracker,
        max_concurrent=settings.max_concurrent,
        download_dir=settings.download_dir,
        file_exists_strategy=settings.file_exists_strategy,
        retry_handler=make_retry_handler(settings),
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
        stall_timeout=settings.stall_timeout,
        speed_limit_bps=settings.speed_limit,
        schedule=settings.schedule,
        slow_limit_bps=settings.slow_limit,
        hosts=make_host_limits(settings),
        chunk_size=settings.chunk_size,
        connections=settings.connections,
        connections_per_host=settings.connections_per_host,
        stall_speed=settings.stall_speed,
        durable=settings.durable,
        history_days=settings.history_days,
        server_time=settings.server_time,
        origin=settings.origin,
        rules=settings.rules,
        following=Following(
            on_complete=settings.on_complete,
            on_error=settings.on_error,
            timeout=settings.command_timeout,
            on_desktop=settings.notify is Notify.DESKTOP,
        ),
        request_rules=RequestRules(
            settings.request,
            {host: each.request for host, each in settings.hosts.items()},
            frozenset(insecure),
            proxies if proxies.keys() - {"no"} else {},
        ),
        session_path=session_path,
        on_problem=on_problem,
    )


def make_host_limits(settings: Settings) -> dict[str, HostLimits]:
    """The limits of single hosts; what a table leaves open is as the next one above has it."""
    own = {
        pattern: HostLimits(host.speed_limit, host.connections, host.max_concurrent)
        for pattern, host in settings.hosts.items()
    }
    return {pattern: reduce(HostLimits.over, entries_for(own, pattern)) for pattern in own}


def make_retry_handler(settings: Settings) -> RetryHandler:
    """Retries as often and as late as the settings say."""
    return RetryHandler(
        RetryConfig(
            max_retries=settings.max_retries,
            base_delay=settings.retry_base_delay,
            max_delay=settings.retry_max_delay,
        )
    )
