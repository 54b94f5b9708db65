"""An engine as the settings want it; what the command and the app start from."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import reduce
from pathlib import Path
from urllib.request import getproxies_environment

from rheo_core.config.settings import Notify, Settings
from rheo_core.domain import RetryConfig
from rheo_core.domain.engine_options import CompletionHooks, EngineOptions
from rheo_core.domain.hosts import HostLimits, entries_for
from rheo_core.domain.request_rules import RequestRules, Unclear
from rheo_core.downloads import DownloadManager, RetryHandler
from rheo_core.infrastructure.http.faults import faults_of
from rheo_core.infrastructure.http.proxies import proxy_problems
from rheo_core.infrastructure.shortage import raise_descriptor_limit
from rheo_core.tracking import BaseTracker

_SHARED_NAMES = {each.name for each in fields(EngineOptions)} & Settings.model_fields.keys() - {
    "hosts"
}
"""Settings that are options of the engine as they are."""


def make_manager(
    settings: Settings,
    *,
    tracker: BaseTracker | None = None,
    session_path: Path | None = None,
    on_problem: Callable[[str], None] | None = None,
    insecure: Iterable[str] = (),
    wait_for_settings: bool = False,
) -> DownloadManager:
    """A manager, not yet open; the other arguments are those of `DownloadManager`.

    The *_PROXY variables hold where the settings name no proxy. `insecure` are hosts whose
    certificates are not checked; the settings have no place for them. The process may open more
    files afterwards.
    """
    raise_descriptor_limit()
    options = options_of(settings, insecure)
    rules = with_faults(options.request_rules) if wait_for_settings else options.request_rules
    return DownloadManager.from_options(
        replace(
            options,
            request_rules=rules,
            wait_for_settings=wait_for_settings,
            session_path=session_path,
        ),
        tracker=tracker,
        retry_handler=make_retry_handler(settings),
        on_problem=on_problem,
    )


def options_of(settings: Settings, insecure: Iterable[str] = ()) -> EngineOptions:
    """Return the options of an engine that these settings ask for, without a session."""
    return EngineOptions(
        **{name: getattr(settings, name) for name in _SHARED_NAMES},
        speed_limit_bps=settings.speed_limit,
        slow_limit_bps=settings.slow_limit,
        hosts=make_host_limits(settings),
        following=CompletionHooks(
            on_complete=settings.on_complete,
            on_error=settings.on_error,
            timeout=settings.command_timeout,
            on_desktop=settings.notify is Notify.DESKTOP,
        ),
        request_rules=make_request_rules(settings, insecure),
    )


def make_request_rules(settings: Settings, insecure: Iterable[str] = ()) -> RequestRules:
    """The rules of requests; what is unclear in the settings closes the hosts it is for."""
    proxies = getproxies_environment()
    return RequestRules(
        settings.request,
        {host: each.request for host, each in settings.hosts.items()},
        frozenset(insecure),
        proxies if proxies.keys() - {"no"} else {},
        settings.unclear,
    )


def with_faults(rules: RequestRules) -> RequestRules:
    """The same rules, closed also by what is understood and of no use now. Reads files.

    Without this each request to which such a file, interface or variable applies fails; who waits
    for a correction wants to know before.
    """
    faults = [
        Unclear(sentence, option, host)
        for host, options in {"": rules.defaults, **rules.hosts}.items()
        for option, sentence in faults_of(options)
    ]
    if not rules.defaults.decide("proxy"):
        faults += [Unclear(sentence, "proxy") for sentence in proxy_problems(rules.proxies)]
    return replace(rules, unclear=(*rules.unclear, *faults))


def make_host_limits(settings: Settings) -> dict[str, HostLimits]:
    """The limits of single hosts; what a table leaves open is as the next one above has it."""
    limits = {
        pattern: HostLimits(host.speed_limit, host.connections, host.max_concurrent)
        for pattern, host in settings.hosts.items()
    }
    return {pattern: reduce(HostLimits.over, entries_for(limits, pattern)) for pattern in limits}


def make_retry_handler(settings: Settings) -> RetryHandler:
    """Retries as often and as late as the settings say."""
    return RetryHandler(
        RetryConfig(
            max_retries=settings.max_retries,
            base_delay=settings.retry_base_delay,
            max_delay=settings.retry_max_delay,
        )
    )
