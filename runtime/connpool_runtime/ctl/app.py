"""The command `connpoolctl`: its groups of commands, each in a file of its own."""

from __future__ import annotations

import typer

from connpool_runtime.ctl.config_commands import config_app

__all__ = ["app", "main"]

app = typer.Typer(
    name="connpoolctl",
    help="Look at the config and the pools of services.",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(config_app, name="config")


def main() -> None:
    """Run the command."""
    app()
