"""The random numbers of pools, apart from those of the module `random`.

A program may seed that module, as training and simulation programs do. All processes of a fleet would then draw the
same cooldowns and the same waits before retries, and meet at the server that these numbers are to keep them from
overrunning; and the numbers that the program wants to repeat would depend on what its pools drew meanwhile.
"""

from __future__ import annotations

import os
from random import Random

__all__ = ["draw", "generator"]

generator = Random()  # its methods are atomic

draw = generator.random  # floats in [0, 1)

if hasattr(os, "register_at_fork"):
    # else all children of one parent would draw the same numbers
    os.register_at_fork(after_in_child=generator.seed)
