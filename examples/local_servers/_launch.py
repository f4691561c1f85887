"""Becomes the program that its arguments name, and makes sure that it dies with the process that started it.

Usage: python _launch.py PARENT_PID PROGRAM [ARGUMENT...]
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then replace it by the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the kernel was told.
    if os.getppid() != parent:
        sys.exit("the process that wanted this program is gone")
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
