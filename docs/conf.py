"""How the documentation becomes a site: `make docs`. Sphinx's source folder is the root of the repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "runtime"), str(ROOT / "codegen")]

from connpool_runtime import __version__  # noqa: E402  # found by the line above

project = "connpool-gen"
author = "The connpool-gen maintainers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "benchmarks/simulation/README.md",
    "examples/fleet/README.md",
]
exclude_patterns = ["**/__pycache__"]

myst_heading_anchors = 4
myst_enable_extensions = ["tasklist"]
suppress_warnings = [
    "myst.header"
]  # pages that a tool writes go from the title to what they are about

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Arguments", "params_style")]
default_role = "code"
smartquotes_action = "qe"  # no dashes: two hyphens are a flag

html_theme = "furo"
html_title = f"connpool-gen {version}"
html_static_path = ["static"]
html_extra_path = ["top"]  # what is asked for without a page's name leads to the first one
html_css_files = ["site.css"]
html_show_sphinx = False
html_theme_options: dict[str, Any] = {"navigation_with_keys": True}


def setup(app: Any) -> None:
    """Let examples in docstrings be what they look like, before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", prepare_docstring, priority=400)


def prepare_docstring(
    app: Any, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Put a directive before each block that is indented under a paragraph; keep properties whole.

    Napoleon takes what stands before a colon in the first line of a property for its type. Properties here are
    annotated, and their first line is a sentence: an empty comment before it keeps napoleon from looking.
    """
    marked: list[str] = ["..", ""] if what in {"attribute", "data", "property"} else []
    above = " "  # the last line that is not blank
    for line in lines:
        if line.startswith("    ") and marked and not marked[-1] and not above.startswith(" "):
            marked += [".. code-block:: python", ""]
        above = line or above
        marked.append(line)
    lines[:] = marked
