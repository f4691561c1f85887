"""Celery: each process of the prefork pool has pools of its own. `celery -A frameworks.celery_app worker`."""

from contextlib import ExitStack
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from connpool_runtime.admin import serve_admin
from frameworks.services import manager

__all__ = ["app"]

app = Celery("shop")  # CELERY_BROKER_URL and CELERY_RESULT_BACKEND say where its own servers are
opened = ExitStack()


@worker_process_init.connect
def begin(**_: Any) -> None:
    """Begin a process that was forked; in vain, if servers are away: tasks then try again to open pools."""
    opened.enter_context(serve_admin(manager, run_folder=True, name="shop-tasks"))
    manager.start()  # Celery waits for four seconds: `connect_timeout` is shorter


@worker_process_shutdown.connect
def end(**_: Any) -> None:
    """End a process that has done its last task."""
    manager.stop(drain_timeout=5.0)
    opened.close()


@app.task
def visit() -> int:
    """Count a visit."""
    return manager.get_pool("cache").incr("visits")
