"""Subcommands of `rheo fleet`."""

import typer

from .fleet_check import check
from .fleet_plan import plan
from .fleet_retry import retry
from .fleet_run import run
from .fleet_status import status, stop
from .fleet_work import work

fleet_commands = typer.Typer(rich_markup_mode=None)

fleet_commands.command()(run)
fleet_commands.command()(plan)
fleet_commands.command()(work)
fleet_commands.command()(status)
fleet_commands.command()(stop)
fleet_commands.command()(check)
fleet_commands.command()(retry)
