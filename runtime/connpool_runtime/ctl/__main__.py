"""Starts `connpoolctl`, and names missing libraries where it cannot be started."""

from __future__ import annotations

import sys

from connpool_runtime._extras import extra

__all__ = ["main"]


def main() -> None:
    """Run the command."""
    try:
        with extra("cli"):
            from connpool_runtime.ctl.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "connpool_runtime":
            raise
        sys.exit(f"connpoolctl: {error}")
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        # names may contain characters that the encoding of Windows lacks
        reconfigure(errors="replace")
    app(prog_name="connpoolctl")


if __name__ == "__main__":
    main()
