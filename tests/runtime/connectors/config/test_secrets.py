"""Secrets that are kept elsewhere."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.connectors import TLS, InvalidConfig
from connpool_runtime.connectors.config.secrets import SecretSource, is_reference, reveal
from connpool_runtime.connectors.redis import RedisConfig


def test_references() -> None:
    """A variable and a file are named by what stands before the colon; a host called `file` is none."""
    assert all(map(is_reference, ["env:NAME", "file:/run/secret", "file:secret"]))
    assert not any(map(is_reference, ["file:6379", "env:", "secret", b"env:NAME", None]))


def test_a_file_is_read_again_when_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it was swapped in by a link, as Kubernetes does; and only then."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(f"{name}\n")
    (tmp_path / "data").symlink_to("one")
    source = SecretSource(f"file:{tmp_path}/data/secret", "password")
    reads: list[Path] = []
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, **rest: (reads.append(self), read(self, **rest))[1]
    )
    assert (source(), source(), reads) == ("one", "one", [])
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "data")
    assert (source(), source(), len(reads)) == ("two", "two", 1)
    assert source.seen == ("one", "two")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("env:NOWHERE_TO_BE_FOUND", "an environment variable that is set"),
        ("file:/no/such/secret", "a file that can be read"),
        (3, "or a function that returns it"),
        ("", "a non-empty string"),
    ],
)
def test_a_wrong_reference_is_told_at_once(given: Any, told: str) -> None:
    """When the config is made, by the name of the field."""
    with pytest.raises(InvalidConfig, match=told) as caught:
        RedisConfig(endpoints="h:1", password=given)
    assert caught.value.field == "password"


def test_a_function_is_called_when_it_is_wanted() -> None:
    """Not when the config is made; what is no text is refused then, without being shown."""
    calls: list[object] = ["first", 7]
    config = RedisConfig(endpoints="h:1", password=lambda: calls.pop(0))  # type: ignore[arg-type,return-value]  # the second is wrong
    assert len(calls) == 2
    assert reveal(config.password) == "first"
    with pytest.raises(
        InvalidConfig, match=r"password must be a function .* not one that returned a int"
    ):
        reveal(config.password)

    async def coroutine() -> str:
        return "secret"

    with pytest.raises(InvalidConfig, match="or a function that returns it"):
        RedisConfig(endpoints="h:1", password=coroutine)  # type: ignore[arg-type]  # it must be awaited


def test_configs_with_sources_are_compared(tmp_path: Path) -> None:
    """Equal are those of one place that held the same; another content makes another config, and new clients."""
    file = tmp_path / "secret"
    file.write_text("first")

    def made() -> RedisConfig:
        return RedisConfig(endpoints="h:1", password=f"file:{file}", tls=TLS(key_password=None))

    before = made()
    assert before == made()
    assert pickle.loads(pickle.dumps(before)) == before
    assert "first" not in repr(before)
    file.write_text("second")
    assert before != made()
