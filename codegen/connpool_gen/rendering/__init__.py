"""Turns the model into text: templates, layout, header."""
