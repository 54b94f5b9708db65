"""`rheo fleet`: a long list of URLs, downloaded by many workers."""

import typer

from .fleet_check import check
from .fleet_plan import plan
from .fleet_retry import retry
from .fleet_run import run
from .fleet_status import status, stop
from .fleet_work import work

fleet = typer.Typer(
    name="fleet",
    help="Download a long list of URLs with many workers, on this machine or on a cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

fleet.command()(run)
fleet.command()(plan)
fleet.command()(work)
fleet.command()(status)
fleet.command()(stop)
fleet.command()(check)
fleet.command()(retry)
