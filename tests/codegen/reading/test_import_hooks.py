"""Clients that Python finds where a type checker does not look: import hooks and archives."""

import zipfile
from pathlib import Path

import pytest

from connpool_gen import generate
from connpool_gen.generated_module import GeneratedModule
from connpool_gen.reading.import_hooks import why_untyped
from tests.codegen.made import Maker

CLIENT = "class Client:\n    def get(self, key: str) -> str:\n        return key\n"
HOOK = """
import importlib.util, sys

class Finder:
    # As an editable install of setuptools does it.
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "hooked":
            return None
        folder = {folder!r}
        file = folder + "/__init__.py"
        found = [folder]
        return importlib.util.spec_from_file_location(name, file, submodule_search_locations=found)

sys.meta_path.append(Finder)
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `sitecustomize` runs in the process that imports the client."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.mark.parametrize("name", ["hooked", "another_name"])
def test_an_import_hook_is_followed(maker: Maker, elsewhere: Path, name: str) -> None:
    """A package that an editable install maps to a folder keeps its types, whatever the folder is called."""
    package = elsewhere / "src" / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from hooked._client import Client as Client\n")
    (package / "_client.py").write_text(CLIENT)
    (elsewhere / "sitecustomize.py").write_text(HOOK.replace("{folder!r}", repr(str(package))))
    made = made_of(maker, "hooked:Client")
    assert "from hooked import Client\n" in made.text
    assert "def get(self, key: str) -> str:" in made.text
    assert made.notes == ()


def test_an_archive_is_told(maker: Maker, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client in an archive has no types, and the run says why and what would help."""
    archive = elsewhere / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("packed/__init__.py", CLIENT)
    monkeypatch.setenv("PYTHONPATH", str(archive))
    made = made_of(maker, "packed:Client")
    assert "def get(self, key: Any) -> Any:" in made.text
    [note] = made.notes
    assert note.startswith("packed is found by an import hook or in an archive")
    assert "--app-dir" in note


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_a_client_without_types_can_be_made_in_every_mode(
    maker: Maker, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Neither a base class nor a proof of which the type checker knows nothing stops the run."""
    archive = elsewhere / "untyped.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("untyped.py", CLIENT)
    monkeypatch.setenv("PYTHONPATH", str(archive))
    assert "get" in made_of(maker, "untyped:Client", mode=mode).ledger.table()


def test_why_a_client_has_no_types() -> None:
    """An installed package without types is told apart from one where the type checker does not look."""
    assert why_untyped("plain", None) == "plain ships no types: no py.typed, no stubs"
    assert "(/a.zip/plain)" in why_untyped("plain", "/a.zip/plain")


def made_of(maker: Maker, client: str, **options: str) -> GeneratedModule:
    """The module, verified; its client is importable in the child process alone."""
    return generate(maker.request(client, app_dirs=(maker.folder,), verify=True, **options))
