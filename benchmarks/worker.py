"""Runs one group in this process and prints what it measured as JSON: `python -m benchmarks.worker calls`."""

import json
import sys
from dataclasses import asdict
from importlib import import_module

if __name__ == "__main__":
    print(json.dumps(asdict(import_module(f"benchmarks.{sys.argv[1]}").measure())))
