"""Build an engine from the settings, for the command and the app."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import reduce
from pathlib import Path

from rheo_core.config.settings import Notify, Settings
from rheo_core.domain import RetryConfig
from rheo_core.domain.engine_options import CompletionHooks, EngineOptions
from rheo_core.domain.hosts import HostLimits, entries_for
from rheo_core.domain.request_rules import RequestRules, Unclear
from rheo_core.downloads import DownloadManager, RetryHandler
from rheo_core.infrastructure.http.option_problems import faults_of
from rheo_core.infrastructure.http.proxies import environment_proxies, proxy_problems
from rheo_core.infrastructure.shortage_errors import raise_descriptor_limit
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
    """Return a manager that is not open yet, and let the process open more files.

    The *_PROXY variables apply if the settings name no proxy.

    Args:
        settings: the user's settings.
        tracker: see `DownloadManager`.
        session_path: file for queue and history; None: no session.
        on_problem: see `DownloadManager`.
        insecure: hosts whose certificates are not checked. The settings cannot name them.
        wait_for_settings: see `EngineOptions`.
    """
    raise_descriptor_limit()
    options = options_of(settings, insecure)
    rules = with_faults(options.request_rules) if wait_for_settings else options.request_rules
    has_session = session_path is not None  # an app continues, and a script wants to know
    return DownloadManager.from_options(
        replace(
            options,
            network_timeout=None if has_session else options.network_timeout,
            request_rules=rules,
            wait_for_settings=wait_for_settings,
            session_path=session_path,
        ),
        tracker=tracker,
        retry_handler=make_retry_handler(settings),
        on_problem=on_problem,
    )


def options_of(settings: Settings, insecure: Iterable[str] = ()) -> EngineOptions:
    """Return the engine options for these settings, without a session."""
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
    """Return the rules for requests. An unclear setting blocks the hosts that it applies to."""
    proxies = environment_proxies()
    return RequestRules(
        settings.request,
        {host: each.request for host, each in settings.hosts.items()},
        frozenset(insecure),
        proxies if proxies.keys() - {"no"} else {},
        settings.unclear,
    )


def with_faults(rules: RequestRules) -> RequestRules:
    """Return the same rules, which unusable settings block too. Reads files.

    Without this, each request that needs such a file, interface or variable fails. An engine that
    waits for a correction must know before.
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
    """Return the limits of single hosts. A missing value comes from the next table above."""
    limits = {
        pattern: HostLimits(host.speed_limit, host.connections, host.max_concurrent)
        for pattern, host in settings.hosts.items()
    }
    return {pattern: reduce(HostLimits.over, entries_for(limits, pattern)) for pattern in limits}


def make_retry_handler(settings: Settings) -> RetryHandler:
    """Return a retry handler with the number and delays of the settings."""
    return RetryHandler(
        RetryConfig(
            max_retries=settings.max_retries,
            base_delay=settings.retry_base_delay,
            max_delay=settings.retry_max_delay,
        )
    )
