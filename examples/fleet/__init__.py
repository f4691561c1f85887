"""Three services that a registry knows: a rolling restart and a killed server, while callers go on and lose nothing."""
