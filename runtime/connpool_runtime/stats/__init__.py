"""Counters, histograms and the frozen numbers that users read."""
