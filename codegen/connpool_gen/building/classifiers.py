"""Finds the runtime's classifier for the errors of a client's library, by the client's package.

The generator does not import the runtime; a test holds this table to the runtime's own.
"""

from __future__ import annotations

from connpool_gen.reading.facts import Ref

CLASSIFIERS = {
    "aiobotocore": "botocore",
    "aiohttp": "aiohttp",
    "aiokafka": "kafka",
    "anthropic": "openai",
    "asyncpg": "asyncpg",
    "azure": "azure",
    "azure.core": "azure",
    "boto3": "botocore",
    "botocore": "botocore",
    "bson": "pymongo",
    "cassandra": "cassandra",
    "elastic_transport": "elasticsearch",
    "elasticsearch": "elasticsearch",
    "etcd3aio": "etcd3aio",
    "etcd3gw": "etcd3gw",
    "google": "google",
    "google.api_core": "google",
    "google.auth": "google",
    "gridfs": "pymongo",
    "grpc": "grpc",
    "grpc_health": "grpc",
    "httpcore": "httpx",
    "httpcore2": "httpx",
    "httpx": "httpx",
    "httpx2": "httpx",
    "kafka": "kafka",
    "kubernetes": "kubernetes",
    "kubernetes_asyncio": "kubernetes",
    "mypy_boto3": "botocore",
    "nats": "nats",
    "neo4j": "neo4j",
    "openai": "openai",
    "opensearchpy": "opensearch",
    "pika": "pika",
    "psycopg": "psycopg",
    "psycopg2": "psycopg",
    "psycopg_pool": "psycopg",
    "pymilvus": "pymilvus",
    "pymongo": "pymongo",
    "qdrant_client": "qdrant",
    "redis": "redis",
    "requests": "requests",
    "sqlalchemy": "sqlalchemy",
    "urllib3": "urllib3",
    "valkey": "redis",
}


def classifier_of(module: str) -> str | None:
    """Find the classifier for a client of a module; the nearest enclosing package decides."""
    while module:
        if module in CLASSIFIERS:
            return CLASSIFIERS[module]
        if "." not in module and module.startswith("mypy_boto3"):
            return CLASSIFIERS["mypy_boto3"]
        module = module.rpartition(".")[0]
    return None


def library_of(module: str, home: Ref | None) -> str | None:
    """Find the classifier for a client class: by the module it is imported from, else by the one that defines it."""
    modules = [module, *([home.module] if home is not None else [])]
    return next((name for one in modules if (name := classifier_of(one)) is not None), None)
