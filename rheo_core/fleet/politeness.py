"""Limits of one shard: its share of the limits for the whole cluster and of the settings."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from rheo_core.config import Settings
from rheo_core.domain.fleet import FleetEntry, FleetPlan
from rheo_core.domain.hosts import HostLimits, find_host, host_key

from .lanes import authority_of, site_of


def plan_within(plan: FleetPlan, settings: Settings, at_once: int) -> FleetPlan:
    """Return a plan with the limits that the user of a worker has set, if they are smaller.

    Somebody else may have written the plan. The defaults of `max_concurrent` and
    `connections_per_host` are for a person's downloads, so they do not limit a fleet.

    Args:
        plan: plan of the run.
        settings: settings of the worker.
        at_once: shards of the run at a time, which share `max_concurrent`.
    """
    concurrency, connections = plan.concurrency, plan.host_connections
    if "max_concurrent" in settings.model_fields_set:
        concurrency = min(concurrency, max(settings.max_concurrent // at_once, 1))
    if "connections_per_host" in settings.model_fields_set:
        connections = min(connections, settings.connections_per_host)
    bounds = [size for size in (plan.max_size, settings.max_size) if size is not None]
    return replace(
        plan,
        concurrency=concurrency,
        host_connections=connections,
        max_size=min(bounds, default=None),
    )


def shard_limits(
    plan: FleetPlan, entries: Iterable[FleetEntry], own: Mapping[str, HostLimits]
) -> dict[str, HostLimits]:
    """Return the host limits of a shard.

    All URLs of a site are in one lane, which runs one shard at a time. A large site has several
    lanes, each with its share of connections and rate.

    Args:
        plan: plan of the run.
        entries: entries of the shard.
        own: limits in the worker's settings, by host or pattern; they take precedence.
    """
    limits = dict(own)
    if plan.host_rate is None and not plan.split_sites:
        return limits
    for authority in {authority_of(each.url) for each in entries if each.problem is None}:
        lanes = plan.split_sites.get(site_of(authority), 1)
        shared = HostLimits(
            speed_limit_bps=None if plan.host_rate is None else max(int(plan.host_rate / lanes), 1),
            connections=max(plan.host_connections // lanes, 1),
        )
        host = host_key(urlsplit(f"//{authority}").hostname or "")
        known = find_host(own, host)
        limits[host] = shared if known is None else known.over(shared)
    return limits
