"""Host limits of one shard: its share of the limit for the whole cluster."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from rheo_core.domain.fleet import FleetEntry, FleetPlan
from rheo_core.domain.hosts import HostLimits, find_host, host_key

from .lanes import authority_of, site_of


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
