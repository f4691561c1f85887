"""FastAPI: pools live as long as the application does; routes ask for them. `uvicorn frameworks.fastapi_app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI

from connpool_runtime.admin import admin_app
from frameworks.services import new_async_manager
from generated.async_redis_pool import AsyncRedisPool

__all__ = ["app"]

manager = new_async_manager()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the pools before the first request, and drain them after the last."""
    async with manager:
        await manager.start()
        yield


async def cache_pool() -> AsyncRedisPool:
    """Return the pool of the cache; tests put another one in by `app.dependency_overrides`."""
    return await manager.get_pool("cache")


app = FastAPI(lifespan=lifespan)
app.mount("/ops", admin_app(manager, required=["cache"]))


@app.get("/")
async def visit(cache: Annotated[AsyncRedisPool, Depends(cache_pool)]) -> dict[str, int]:
    """Count a visit."""
    return {"visits": await cache.incr("visits")}
