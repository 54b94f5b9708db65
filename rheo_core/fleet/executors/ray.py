"""Ray: start a local cluster, or connect to a Ray Client server."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import Any

from .cluster import SHARDS_AT_ONCE, Cluster, ClusterError, Question, rheo_version

_ATTEMPTS = 5
"""A Ray server forks a process for each client, although it has gRPC threads. That process may die
at once: https://github.com/ray-project/ray/issues/63202."""


class RayExecutor(Executor):
    """Executor whose calls are Ray tasks. A call whose process is killed raises an error."""

    def __init__(self, remote: Any) -> None:
        self._remote = remote

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a call in a process of the cluster."""
        future: Future[Any] = self._remote.remote(call, *args, **kwargs).future()
        return future


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """Connect to a cluster.

    Args:
        address: HOST:PORT of its server for clients.

    Raises:
        ClusterError: it does not answer.
        ImportError: Ray is not installed.
    """
    import ray

    try:
        _init(address)
    except (ConnectionError, RuntimeError, TimeoutError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".:")
        raise ClusterError(f"no Ray server answers at {address}: {reason}") from error
    try:
        # No retries by Ray, because the driver resubmits shards itself.
        call = ray.remote(num_cpus=1 / SHARDS_AT_ONCE, max_retries=0)(_call)
        executor = RayExecutor(call)
        slots = int(ray.cluster_resources().get("CPU", 0)) * SHARDS_AT_ONCE
        if not slots:
            raise ClusterError(f"the Ray cluster at {address} has no CPUs")
        ask = partial(_ask, executor)
        yield Cluster(executor, slots, ask(rheo_version), ask=ask)
    finally:
        ray.shutdown()


def _init(address: str) -> None:
    """Connect, and try again if the server answers but cannot start its process for this client.

    Raises:
        ConnectionError, RuntimeError, TimeoutError: it does not answer, or cannot start one.
    """
    import ray

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(f"ray://{address}", log_to_driver=False, logging_level="critical")
        except ConnectionAbortedError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _call(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return call(*args, **kwargs)


def _ask(executor: Executor, question: Question) -> dict[str, str]:
    """Return the answer of one process of the cluster; "" if it cannot answer."""
    try:
        return {"a worker": str(executor.submit(question).result())}
    except Exception:  # it cannot even unpickle the question
        return {"a worker": ""}
