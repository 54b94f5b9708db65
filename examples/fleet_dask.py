"""Download a long list with Dask, from a program of your own.

    python examples/fleet_dask.py urls.txt -o crawl
    python examples/fleet_dask.py urls.parquet -o s3://bucket/crawl --scheduler tcp://head:8786

After an interruption, run it again: it keeps complete shards. The exit status is 0 if
everything was downloaded, 1 if a download failed or the input is not valid, 3 if the run is not
complete. `rheo-tui --fleet crawl` shows its progress.
"""

import argparse
import os
import sys

from distributed import Client, LocalCluster, Security

from rheo_core.domain.fleet import FleetStatus
from rheo_core.fleet.planning import PlanRequest, plan_fleet
from rheo_core.fleet.shard import run_shard
from rheo_core.fleet.shard_scheduler import ClusterLostError, ShardScheduler
from rheo_core.fleet.status import error_lines, status_line
from rheo_core.fleet.targets import open_target

SHARDS_AT_ONCE = 2  # in a process: one continues while another waits for slow hosts


def connect(scheduler: str | None, processes: int) -> Client:
    """Return a client of a scheduler, or of a new cluster on this machine."""
    if scheduler is not None:
        try:
            return Client(scheduler, timeout=10)
        except (OSError, ValueError):
            sys.exit(f"No Dask scheduler answers at {scheduler}.")
    # Workers run what they are sent, so this cluster speaks TLS with certificates of its own.
    cluster = LocalCluster(
        n_workers=processes,
        threads_per_worker=SHARDS_AT_ONCE,
        security=Security.temporary(),
        dashboard_address=":0",
    )
    return Client(cluster)


def download(lists: list[str], out: str, client: Client) -> FleetStatus:
    """Plan the run if the folder has no plan, complete its shards, and return the status."""
    target = open_target(out)
    slots = sum(client.nthreads().values())  # shards that the cluster runs at a time
    plan = plan_fleet(target, PlanRequest(sources=lists), usual_lanes=slots)
    scheduler = ShardScheduler(
        target,
        out if target.path is None else str(target.path),  # the same folder for all workers
        plan,
        client.get_executor(pure=False),
        slots,
        run_shard,
        on_status=lambda status: print(status_line(status)),
    )
    return scheduler.run()


def main(lists: list[str], out: str, scheduler: str | None, processes: int) -> int:
    with connect(scheduler, processes) as client:
        try:
            status = download(lists, out, client)
        except ClusterLostError as error:
            print(f"{error}. Run the same command again to continue.", file=sys.stderr)
            return 3
        except (OSError, ValueError) as error:
            print(f"{error}.", file=sys.stderr)
            return 1
        finally:
            if scheduler is None:
                client.shutdown()  # the cluster on this machine
    for line in error_lines(status):
        print(f"  {line}")
    if status.state != "complete":
        return 3
    return 0 if status.counts.get("completed", 0) == status.entries else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Download a long list with Dask.")
    parser.add_argument("lists", nargs="+", metavar="LIST")
    parser.add_argument("-o", "--output", default="crawl", metavar="OUT")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="such as tcp://head:8786")
    parser.add_argument("-n", "--processes", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if args.processes < 1:
        sys.exit("--processes must be 1 or more.")
    sys.exit(main(args.lists, args.output, args.scheduler, args.processes))
