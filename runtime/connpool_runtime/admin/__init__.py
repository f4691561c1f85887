"""Shows and controls the pools of a running process over HTTP; needs Starlette and uvicorn (extra `admin`)."""

from connpool_runtime._extras import extra
from connpool_runtime.admin.settings import AdminOptions, AdminSettings

with extra("admin"):
    from connpool_runtime.admin.app import admin_app
    from connpool_runtime.admin.server import AdminServer, ServerTLS, serve_admin, serve_workers

__all__ = [
    "AdminOptions",
    "AdminServer",
    "AdminSettings",
    "ServerTLS",
    "admin_app",
    "serve_admin",
    "serve_workers",
]
