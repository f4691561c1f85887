"""What users install works in an environment where this checkout is not at hand."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packaging.environment import Environment, oldest
from tests.pythons import make_environment, need_python
from tests.thorough import thorough

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]

CLIENT = '''
from collections.abc import Sequence


class Shop:
    """Sells things."""

    def __init__(self, name: str) -> None:
        self.name = name

    def buy(self, thing: str, *, coupons: Sequence[str] = ()) -> str:
        """Buy one thing."""
        return f"{thing} from {self.name}"
'''

USE = """
from shop import Shop
from generated.shop_pool import ShopPool

shops = ShopPool(balancer="round_robin", max_fails=3, cooldown=5.0)
shops.pool.add_client(Shop("a"), name="a")
shops.pool.add_client(Shop("b"), name="b")
print(sorted(shops.buy("tea", coupons=["x"]) for _ in range(2)))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, each built from its source distribution, by the distribution's name."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, ROOT / "runtime"):
        build = [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(folder),
            str(project),
        ]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


def generate_and_use(environment: Environment, folder: Path) -> None:
    """Generate a wrapper for a client of the user's, in the user's folder, and call through it."""
    (folder / "shop.py").write_text(CLIENT)
    (folder / "use.py").write_text(USE)
    environment.run("connpool-gen", "--client", "shop:Shop", folder=folder)
    environment.run("connpool-gen", "--client", "shop:Shop", "--check", folder=folder)
    environment.run(
        "python", "-m", "connpool_gen", "--client", "shop:Shop", "--check", folder=folder
    )
    assert environment.run("python", "use.py", folder=folder) == "['tea from a', 'tea from b']\n"


def test_wheels_are_complete(wheels: dict[str, Path]) -> None:
    """The wheels hold every template, the typing markers, the plugin of pytest and the licence, and nothing of the tests."""
    generator = ZipFile(wheels["connpool_gen"]).namelist()
    runtime = ZipFile(wheels["connpool_runtime"]).namelist()
    templates = {path.name for path in (ROOT / "templates").glob("*.j2")}
    assert templates
    assert {f"connpool_gen/templates/{name}" for name in templates} <= set(generator)
    assert "connpool_gen/py.typed" in generator
    assert "connpool_runtime/py.typed" in runtime
    runtime.remove("connpool_pytest.py")
    wheel = ZipFile(wheels["connpool_runtime"])
    (entries,) = [name for name in runtime if name.endswith("/entry_points.txt")]
    assert "[pytest11]\nconnpool_pytest = connpool_pytest\n" in wheel.read(entries).decode()
    for names, package in ((generator, "connpool_gen"), (runtime, "connpool_runtime")):
        others = {name.partition("/")[0] for name in names} - {package}
        assert len(others) == 1
        assert others.pop().endswith(".dist-info")
        assert any(name.endswith("licenses/LICENSE") for name in names)


@thorough
def test_the_runtime_installs_nothing_else(wheels: dict[str, Path], tmp_path: Path) -> None:
    """`pip install connpool-runtime` brings one distribution, and it can be imported."""
    environment = Environment(tmp_path / "venv")
    environment.install(str(wheels["connpool_runtime"]))
    assert environment.packages() == {"connpool-runtime"}
    environment.run("python", "-W", "error", "-c", "import connpool_runtime", folder=tmp_path)


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the two wheels and what they ask for."""
    environment = Environment(tmp_path_factory.mktemp("installed") / "venv")
    environment.install(str(wheels["connpool_runtime"]), str(wheels["connpool_gen"]))
    return environment


@thorough
def test_the_wheels_generate_and_run(installed: Environment, tmp_path: Path) -> None:
    """From the two wheels alone, connpool-gen makes a wrapper that works."""
    generate_and_use(installed, tmp_path)


@thorough
def test_the_tool_in_an_environment_of_its_own(installed: Environment, tmp_path: Path) -> None:
    """A tool without redis makes, for a project on another Python, the bytes that one beside redis makes."""
    assert "redis" not in installed.packages()
    redis = importlib.util.find_spec("redis")
    assert redis is not None
    assert redis.origin is not None
    python = need_python("3.13", "3.12")
    make_environment(python, tmp_path / ".venv", Path(redis.origin).parent)
    targets = (ROOT / "pyproject.toml").read_text().split("[[tool.connpool-gen.target]]")
    [target] = [text for text in targets if 'output = "generated/redis_pool.py"' in text]
    manifest = f"[[tool.connpool-gen.target]]{target}verify = false\n"
    (tmp_path / "pyproject.toml").write_text(manifest)
    installed.run("connpool-gen", folder=tmp_path)
    name = Path("generated", "redis_pool.py")
    assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()


@thorough
def test_the_oldest_libraries_do(
    installed: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    """With the oldest versions that the tool allows, its commands work, and lay wrappers out as with the newest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    others = [text for text in project["dependencies"] if not text.startswith("connpool-runtime")]
    environment = Environment(tmp_path / "venv")
    environment.install(*map(str, wheels.values()), *map(oldest, others))
    generate_and_use(environment, tmp_path)
    for command in (
        "--help",
        "--version",
        "schema",
        "add shop:Shop",
        "list",
        "templates list",
        "adopt --help",
    ):
        assert environment.run("connpool-gen", *command.split(), folder=tmp_path)
    client = "http.client:HTTPConnection"
    made = [
        one.run(
            "connpool-gen", "--client", client, "--exclude", "set_*", "--stdout", folder=tmp_path
        )
        for one in (environment, installed)
    ]
    old, new = (re.sub(r"(?m)^# (formatter|fingerprint): .*\n", "", text) for text in made)
    assert old == new


@thorough
def test_editable_installs_generate_and_run(tmp_path: Path) -> None:
    """From editable installs of both projects, connpool-gen makes a wrapper that works."""
    environment = Environment(tmp_path / "venv")
    environment.install("-e", str(ROOT / "runtime"), "-e", str(ROOT))
    generate_and_use(environment, tmp_path)
