"""The same input gives the same bytes, wherever and however often it is read."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from connpool_gen import generate
from connpool_gen.rendering.format import format_source
from tests.codegen.made import ROOT, SAMPLES, Made, Maker
from tests.codegen.sample_clients import CLIENTS

HARD = ("Names", "Defaults", "Checked")
INSTALLED = ("ftplib:FTP", "smtplib:SMTP", "concurrent.futures:Executor")
PROGRAM = """
import sys
from pathlib import Path
from connpool_gen import GenerateRequest, generate
cache, *clients = sys.argv[1:]
for client in clients:
    request = GenerateRequest(client=client, verify=False, cache_dir=Path(cache))
    sys.stdout.buffer.write(generate(request).text.encode())
"""


def generated_in(folder: Path, cache: Path, clients: Sequence[str], **environment: str) -> bytes:
    """Generate in a process of its own, from another folder, in another environment."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(cache), *clients],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_other_folders_and_hash_seeds(tmp_path: Path, checker_cache: Path) -> None:
    """Neither the working directory nor the order of sets and dicts reaches the output."""
    places = ((tmp_path, "0"), (ROOT, "4242"))
    outputs = {
        generated_in(folder, checker_cache, INSTALLED, PYTHONHASHSEED=seed)
        for folder, seed in places
    }
    assert len(outputs) == 1
    assert outputs.pop().count(b"# @generated") == len(INSTALLED)


def test_a_client_on_pythonpath_is_typed(
    tmp_path: Path, checker_cache: Path, sample: Callable[[str], Made]
) -> None:
    """A client that Python finds by PYTHONPATH has its types, whatever the working directory."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    found = generated_in(tmp_path, checker_cache, [f"{SAMPLES}:Checked"], PYTHONPATH=path)
    expected = sample("Checked").text
    assert found.decode().partition('"""')[2] == expected.partition('"""')[2]


def test_installed_packages_on_pythonpath(tmp_path: Path, checker_cache: Path) -> None:
    """A folder of installed packages on PYTHONPATH stops no run, though mypy has some of the modules itself."""
    bundle = tmp_path / "bundle"
    (bundle / "bundled_client").mkdir(parents=True)
    (bundle / "bundled_client" / "__init__.py").write_text(
        "class Client:\n    def get(self, key: str) -> str:\n        return key\n"
    )
    for name in ("typing_extensions", "mypy_extensions"):
        (bundle / f"{name}-1.0.dist-info").mkdir()
        (bundle / f"{name}.py").write_text(
            Path(str(import_module(name).__file__)).read_text("utf-8")
        )
    for folder in (bundle, Path(sysconfig.get_path("purelib"))):
        path = os.pathsep.join([str(folder), str(bundle)])
        found = generated_in(tmp_path, checker_cache, ["bundled_client:Client"], PYTHONPATH=path)
        assert b"def get(self, key: str) -> str:" in found


@pytest.mark.parametrize("name", HARD)
def test_twice_in_one_process(sample: Callable[[str], Made], name: str) -> None:
    """A second run, with what the first one left in memory and in the cache, gives the same bytes."""
    made = sample(name)
    assert generate(made.request).text == made.text


def test_a_cold_cache_and_a_warm_one(sample: Callable[[str], Made], tmp_path: Path) -> None:
    """What is remembered between runs changes their time, not their output."""
    made = sample("Checked")
    cold = Maker(tmp_path, tmp_path / "cache").of(
        made.request.client, app_dirs=made.request.app_dirs
    )
    assert cold.text == made.text


def test_a_package_that_nothing_imports_but_for_its_modules(tmp_path: Path) -> None:
    """The public name of a class in a private module is found, be the package analyzed or remembered."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("from shop._replies import Reply as Reply\n")
    (tmp_path / "shop" / "_replies.py").write_text("class Reply: ...\n")
    maker = Maker(tmp_path, tmp_path / "cache")
    name = maker.write("""
        from shop._replies import Reply
        class Client:
            def get(self, key: str) -> Reply: ...
    """)
    texts = [generate(maker.request(f"{name}:Client")).text for _ in range(2)]
    assert texts[0] == texts[1]
    assert "from shop import Reply" in texts[0]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_formatter_has_nothing_to_do(sample: Callable[[str], Made], name: str) -> None:
    """Every output is as `ruff format` lays it out: formatting it again changes nothing."""
    text = sample(name).text.replace("# fmt: off\n", "")
    assert format_source(text) == text


def test_the_projects_settings_of_ruff_change_nothing(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project's own line length or quotes do not shape what is generated there."""
    source = "class Client:\n    def get(self, key: str, other: str = 'x') -> dict[str, list[int]]: ...\n"
    name = maker.write(source)
    request = maker.request(f"{name}:Client")
    plain = generate(request).text
    settings = "[tool.ruff]\nline-length = 30\nformat.quote-style = 'single'\n"
    (maker.folder / "pyproject.toml").write_text(settings, "utf-8")
    monkeypatch.chdir(maker.folder)
    again = generate(maker.request(f"{name}:Client")).text
    # Only the header's command may differ: it gives the folder relative to where it is run.
    assert plain.partition('"""')[2] == again.partition('"""')[2]


def test_lines_end_alike(sample: Callable[[str], Made]) -> None:
    """The text has line feeds alone, ends with one, and has no blanks at the ends of lines."""
    for name in CLIENTS:
        text = sample(name).text
        assert "\r" not in text
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert [line for line in text.split("\n") if line != line.rstrip()] == []
