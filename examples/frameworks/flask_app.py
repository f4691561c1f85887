"""Flask: each process drains its pools when it ends. `gunicorn -c frameworks/gunicorn_conf.py frameworks.flask_app:app`."""

import atexit

from flask import Flask

from frameworks.services import manager

__all__ = ["app"]

app = Flask(__name__)
atexit.register(manager.stop)  # the end of a request is no place for it: pools outlive requests


@app.get("/")
def visit() -> dict[str, int]:
    """Count a visit."""
    return {"visits": manager.get_pool("cache").incr("visits")}
