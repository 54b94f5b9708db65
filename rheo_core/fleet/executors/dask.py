"""Dask: start a local cluster, or connect to a scheduler."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from .cluster import SHARDS_AT_ONCE, Cluster, ClusterError, Question, rheo_version

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

_CONNECT_SECONDS = 10
_WORKERS_SECONDS = 30
_TTL = "distributed.scheduler.worker-ttl"
_USUAL_TTL = "5 minutes"
_LOCAL_TTL = "60s"  # a process of this machine that hangs is replaced after this time
_LOCAL_SETTINGS: dict[str, Any] = {  # no pages on logs and stacks: every user could read them
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
_LOGS = ("distributed", "tornado.application")
_LOOK_SECONDS = 5.0
_LOST_SECONDS = 60.0
"""Absence after which a process of this machine is replaced. Its start may take a while."""
_SETTINGS = {
    "distributed.worker.profile.enabled": False,  # it would cost time, and nobody reads it
    "distributed.admin.tick.interval": "500ms",  # the usual 20 ms cost 4 % of a core
    "distributed.admin.large-graph-warning-threshold": "1 GB",
}


@contextmanager
def local(processes: int) -> Iterator[Cluster]:
    """Start processes on this machine. Scheduler and workers prove themselves by TLS.

    Args:
        processes: number of worker processes.

    Raises:
        ClusterError: they cannot be started.
        ImportError: Dask is not installed.
    """
    import dask
    from distributed import Client, LocalCluster, Security

    settings: dict[str, Any] = _SETTINGS | _LOCAL_SETTINGS
    if dask.config.get(_TTL) == _USUAL_TTL:
        settings[_TTL] = _LOCAL_TTL
    with dask.config.set(settings), _quiet_log():
        try:
            cluster = LocalCluster(
                n_workers=processes,
                threads_per_worker=SHARDS_AT_ONCE,
                security=Security.temporary(),
                # Any free port, because the usual one may belong to another cluster.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                memory_limit=0,  # Dask can only spill its own data, and it has none
                silence_logs=logging.CRITICAL,  # of the workers
            )
        except (ImportError, OSError, RuntimeError) as error:
            raise ClusterError(f"cannot start the local cluster: {error}") from error
        with cluster, _kept_whole(cluster), Client(cluster) as client:
            yield _described(client, dashboard="")


@contextmanager
def _kept_whole(cluster: "LocalCluster") -> Iterator[None]:
    """Replace lost processes until the context ends.

    Dask restarts a killed process, but only once. If the new one is killed while it starts, or
    takes long to start on a busy machine, its place stays empty, and a run without any process
    would never end.
    """
    from tornado.ioloop import PeriodicCallback

    loop = cluster.loop
    assert loop is not None  # it runs
    keeper = PeriodicCallback(partial(_replace_lost, cluster, {}), _LOOK_SECONDS * 1_000)
    loop.add_callback(keeper.start)
    try:
        yield
    finally:
        loop.add_callback(keeper.stop)


async def _replace_lost(cluster: "LocalCluster", missing: dict[Any, float]) -> None:
    """Start processes in place of those that have been missing for a while.

    Args:
        cluster: the cluster.
        missing: start of each absence on the monotonic clock, by name; updated.
    """
    running = {each["name"] for each in cluster.scheduler_info["workers"].values()}
    now = time.monotonic()
    for name in cluster.worker_spec:
        if name in running:
            missing.pop(name, None)
        elif now - missing.setdefault(name, now) >= _LOST_SECONDS:
            del missing[name]
            if (nanny := cluster.workers.pop(name, None)) is not None:
                await nanny.close(timeout=_LOOK_SECONDS)
    if missing or len(running) < len(cluster.worker_spec):
        cluster.scale(len(cluster.worker_spec))  # starts those that Dask has dropped


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Connect to a scheduler: by TLS if Dask's own configuration names a certificate.

    Args:
        address: HOST:PORT.

    Raises:
        ClusterError: it does not answer, or has no workers.
        ImportError: Dask is not installed.
    """
    import dask
    from distributed import Client, Security

    security = Security()
    scheme = "tls" if dask.config.get("distributed.comm.tls.client.cert") else "tcp"
    with _quiet_log():
        try:
            client = Client(f"{scheme}://{address}", security=security, timeout=_CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:
            reason = _reason(error)
            raise ClusterError(f"no Dask scheduler answers at {address}: {reason}") from error
        with client:
            yield _when_ready(client, address)


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Drop Dask's log, which has a traceback for every lost worker."""
    handlers = [each for name in _LOGS for each in logging.getLogger(name).handlers]
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


def _when_ready(client: "Client", address: str) -> Cluster:
    try:
        client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
    except TimeoutError:
        raise ClusterError(f"the Dask scheduler at {address} has no workers") from None
    return _described(client, client.dashboard_link or "")


def _described(client: "Client", dashboard: str) -> Cluster:
    slots = sum(client.nthreads().values())
    versions = {"the scheduler": _answer(client.run_on_scheduler), **_ask(client, rheo_version)}
    executor = client.get_executor(pure=False)
    return Cluster(executor, slots, versions, dashboard, partial(_ask, client))


def _ask(client: "Client", question: Question) -> dict[str, str]:
    """Return the answer of each worker by address; "" if it cannot answer."""
    answers = client.run(question, on_error="return")
    return {worker: each if isinstance(each, str) else "" for worker, each in answers.items()}


def _answer(run: Any) -> str:
    try:
        return str(run(rheo_version))
    except Exception:  # it cannot even unpickle the question
        return ""


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
