"""`rheo fleet`: download millions of URLs with many workers."""

from typing import Any

import typer
from typer.core import TyperGroup


class FleetGroup(TyperGroup):
    """Group of commands that are imported when it runs. No other command needs them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the commands, then parse."""
        from .fleet_commands import fleet_commands

        group: Any = typer.main.get_command(fleet_commands)
        self.commands.update(group.commands)
        return super().parse_args(ctx, args)


fleet = typer.Typer(
    name="fleet",
    cls=FleetGroup,
    help="Download a long list of URLs with many workers, on this machine or on a cluster.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
