"""Starlette: pools live as long as the application does. `uvicorn frameworks.starlette_app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from connpool_runtime.admin import admin_app
from frameworks.services import new_async_manager

__all__ = ["app"]

manager = new_async_manager()


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
    """Open the pools before the first request, and drain them after the last."""
    async with manager:
        await manager.start()
        yield {"cache": await manager.get_pool("cache")}  # each request has it in its state


async def visit(request: Request) -> JSONResponse:
    """Count a visit."""
    return JSONResponse({"visits": await request.state.cache.incr("visits")})


app = Starlette(
    lifespan=lifespan,
    routes=[Route("/", visit), Mount("/ops", admin_app(manager, required=["cache"]))],
)
