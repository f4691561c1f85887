"""Room: ways to export the numbers of pools, one file per library."""
