"""gunicorn: each worker serves its admin in the run folder, and drains its pools after its last request."""

from typing import Any

from connpool_runtime.admin import serve_admin
from frameworks.services import manager

graceful_timeout = 20  # seconds that requests have to end, after SIGTERM


def post_worker_init(worker: Any) -> None:
    """Begin a worker, which was forked before: pools, threads and sockets are its own."""
    worker.admin = serve_admin(manager, run_folder=True, name="shop")


def worker_exit(_server: Any, worker: Any) -> None:
    """End a worker, whose last request has been answered."""
    manager.stop(drain_timeout=5.0)
    if hasattr(worker, "admin"):  # a worker that could not load the application has none
        worker.admin.close()
