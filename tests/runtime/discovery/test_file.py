"""Endpoints from files that are rewritten in all the ways in which files are."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.discovery import (
    AsyncFileSource,
    FileSource,
    FileSourceConfig,
    InvalidEndpoint,
    SourceFailed,
    async_file_changes,
    file_changes,
)
from tests.left_out import need
from tests.runtime.discovery.asking import Asker, asking

TOML = 'endpoints = [{address = "a:1", weight = 2}, "b:2"]\n'
YAML = "services:\n  web:\n    endpoints:\n    - {address: 'a:1', weight: 2}\n    - b:2\n"
JSON = json.dumps({"endpoints": [{"address": "a:1", "weight": 2}, "b:2"]})

both = pytest.mark.parametrize("kind", [FileSource, AsyncFileSource])


def written(path: Path, text: str) -> Path:
    """Replace a file as a whole, as careful programs do."""
    part = path.with_suffix(".new")
    part.write_text(text)
    return part.replace(path)


def json_of(*addresses: str) -> str:
    return json.dumps({"endpoints": addresses})


@both
@pytest.mark.parametrize(
    ("name", "text", "section"),
    [("e.toml", TOML, None), ("e.yaml", YAML, "services.web"), ("e.json", JSON, None)],
)
def test_three_forms(kind: Any, tmp_path: Path, name: str, text: str, section: str | None) -> None:
    """TOML, YAML and JSON hold the same list, at the top or in a section."""
    (tmp_path / name).write_text(text)
    with asking(kind(FileSourceConfig(path=str(tmp_path / name), section=section))) as asker:
        found = asker.ask()
    assert {one.address: one.weight for one in found.values()} == {"a:1": 2, "b:2": 1}


@both
@pytest.mark.parametrize("watched", [True, False], ids=["watchfiles", "polled"])
def test_a_change_is_noticed(
    kind: Any, tmp_path: Path, watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is replaced is read anew while the source waits, with watchfiles and without."""
    if watched:
        need("watchfiles")
    for module in (async_file_changes, file_changes):
        monkeypatch.setattr(module, "watches", lambda: watched)
    path = written(tmp_path / "e.json", json_of("a:1"))
    with asking(kind(FileSourceConfig(path=str(path), wait=30, settle=0.01))) as asker:
        asker.ask()
        threading.Timer(0.05, written, (path, json_of("a:1", "b:2"))).start()
        started = time.monotonic()
        assert set(asker.ask()) == {"a:1", "b:2"}
        assert time.monotonic() - started < 20


@both
def test_a_file_that_is_written_in_pieces_is_read_when_it_is_whole(
    kind: Any, tmp_path: Path
) -> None:
    """A beginning that would pass for a shorter list is not taken for the whole."""
    path = written(tmp_path / "e.toml", 'endpoints = ["a:1"]\n')

    def write() -> None:
        with path.open("w") as file:
            for piece in ["endpoints = [\n", *(f'"x:{port}",\n' for port in range(1, 30)), "]\n"]:
                file.write(piece)
                file.flush()
                time.sleep(0.01)

    with asking(kind(FileSourceConfig(path=str(path), settle=0.2))) as asker:
        asker.ask()
        writer = threading.Thread(target=write)
        writer.start()
        assert len(asker.ask()) == 29
        writer.join()


@both
def test_silence_is_an_answer(kind: Any, tmp_path: Path) -> None:
    """After `wait` seconds without a change the file is read all the same."""
    path = written(tmp_path / "e.json", json_of("a:1"))
    with asking(kind(FileSourceConfig(path=str(path), wait=0.05, settle=0))) as asker:
        asker.ask()
        assert set(asker.ask()) == {"a:1"}


@both
@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (None, SourceFailed, "No such file"),
        ("{", SourceFailed, "e.json"),
        ("{}", InvalidEndpoint, "endpoints must be a list of endpoints, not left out"),
        ('{"endpoints": "a:1"}', InvalidEndpoint, "not str"),
        ('{"endpoints": ["a:99999"]}', InvalidEndpoint, "a:99999"),
    ],
)
def test_what_is_no_list_is_told(
    kind: Any, tmp_path: Path, text: str | None, error: type[Exception], said: str
) -> None:
    """The error names the file and what is wrong; when the file is right again it is read at once."""
    path = tmp_path / "e.json"
    if text is not None:
        path.write_text(text)
    with asking(kind(FileSourceConfig(path=str(path), settle=0))) as asker:
        with pytest.raises(error, match=said) as caught:
            asker.ask()
        assert str(path) in str(caught.value)
        written(path, json_of("a:1"))
        assert set(asker.ask()) == {"a:1"}


def test_a_link_that_is_turned_to_another_folder(tmp_path: Path) -> None:
    """Files behind links, as Kubernetes mounts them, are read anew when the link changes."""
    for name, address in (("one", "a:1"), ("two", "b:2")):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "e.json", json_of(address))
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "e.json").symlink_to("data/e.json")
    with asking(FileSource(FileSourceConfig(path=str(tmp_path / "e.json"), settle=0))) as asker:
        asker.ask()

        def turn() -> None:
            (tmp_path / "new").symlink_to("two")
            (tmp_path / "new").replace(tmp_path / "data")

        threading.Timer(0.05, turn).start()
        assert set(asker.ask()) == {"b:2"}


def test_a_path_is_needed() -> None:
    """Without one there is nothing to read."""
    with pytest.raises(InvalidConfig, match="path must be"):
        FileSourceConfig()


def test_names_tell_the_section() -> None:
    """Two sources from one file have names of their own."""
    asker = Asker(FileSource(FileSourceConfig(path="x.toml", section="services.web")))
    assert asker.source.name == "file x.toml [services.web]"
    asker.close()
