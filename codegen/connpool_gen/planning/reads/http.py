"""Methods of HTTP clients that send only requests with a safe method (RFC 9110, section 9.2.1)."""

from __future__ import annotations

METHODS = "get head options"
