"""`python -m connpool_gen`."""

from connpool_gen.cli import main

main()
