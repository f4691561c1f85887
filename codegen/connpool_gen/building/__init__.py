"""Turns plans into a model of ready strings: names, imports, literals."""
