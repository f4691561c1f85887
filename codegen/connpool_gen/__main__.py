"""`python -m connpool_gen`."""

from connpool_gen.cli import OWN_PYTHON, main

main(OWN_PYTHON)
