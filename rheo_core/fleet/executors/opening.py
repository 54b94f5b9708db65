"""Open a cluster by name: `local`, or the URL of a scheduler."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from urllib.parse import urlsplit

from rheo_core.domain.text import at_most
from rheo_core.fleet.worker_check import worker_problem
from rheo_core.version import __version__

from . import dask, ray
from .cluster import Cluster, ClusterError

LOCAL = "local"
_ENGINES = {"dask": "Dask", "ray": "Ray"}
_FORMS = "local, dask://HOST:PORT or ray://HOST:PORT"
_MAX_NAMED = 5


def check_name(name: str) -> None:
    """Check the name of a cluster.

    Raises:
        ClusterError: it is neither `local` nor the URL of a scheduler.
    """
    if name == LOCAL:
        return
    try:
        parts = urlsplit(name)
        is_usable = parts.scheme in _ENGINES and parts.hostname and parts.port
    except ValueError:
        is_usable = False
    if not is_usable or "@" in name:
        raise ClusterError(f"--cluster is {name!r}; it must be {_FORMS}")


@contextmanager
def open_cluster(name: str, processes: int) -> Iterator[Cluster]:
    """Connect to a cluster, or start one on this machine, until the context ends.

    Args:
        name: `local`, or the URL of a scheduler.
        processes: number of processes of a local cluster.

    Raises:
        ClusterError: its engine is not installed, it does not answer, it has no workers, one of its
            processes has another version of rheo, or a worker is unusable.
    """
    check_name(name)
    engine = "dask" if name == LOCAL else urlsplit(name).scheme
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(_opening(name, processes))
        except ImportError:
            raise ClusterError(
                f"--cluster {name} needs {_ENGINES[engine]}: pip install 'rheo-tui[fleet,{engine}]'"
            ) from None
        _check_versions(cluster.versions)
        _check_workers(cluster.ask(worker_problem))
        yield cluster


def _opening(name: str, processes: int) -> AbstractContextManager[Cluster]:
    if name == LOCAL:
        return dask.local(processes)
    parts = urlsplit(name)
    return dask.connect(parts.netloc) if parts.scheme == "dask" else ray.connect(parts.netloc)


def _check_versions(versions: Mapping[str, str]) -> None:
    others = [f"{process} has {version or 'none'}" for process, version in versions.items()
              if version != __version__]  # fmt: skip
    if others:
        named = at_most(others, ", ", _MAX_NAMED)
        raise ClusterError(f"install rheo {__version__} on the whole cluster: {named}")


def _check_workers(problems: Mapping[str, str]) -> None:
    unable = [f"{worker}: {problem}" for worker, problem in problems.items() if problem]
    if unable:
        raise ClusterError(
            f"{len(unable):,} of {len(problems):,} workers are not usable, such as "
            f"{unable[0].rstrip('.')}"
        )
