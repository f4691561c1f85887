"""Plans become a model of ready strings: names, imports, literals."""
