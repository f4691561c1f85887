"""The model becomes text: templates, layout, header."""
