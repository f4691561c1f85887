"""The dashboard and the rules for Prometheus: they parse, they fire, and they ask for series that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from connpool_runtime import Pool
from connpool_runtime.admin import serve_admin
from connpool_runtime.metrics.prometheus import families
from connpool_runtime.middleware import Retry
from local_servers import free_port
from tests.runtime.admin.pools import GET, Shop, break_member, shop_pool
from tests.thorough import thorough
from tests.waiting import eventually

FOLDER = Path(__file__).parents[2] / "examples" / "monitoring"
RULES = FOLDER / "connpool.rules.yml"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "connpool.dashboard.json").read_text())
SERIES = re.compile(r"\bconnpool_\w+")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="THERE IS NO PROMTOOL: apt-get install prometheus"
)


def dashboard_expressions() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return panels + [one["expr"] for one in DASHBOARD["annotations"]["list"]]


def rule_expressions() -> list[str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def exported() -> set[str]:
    """The names of all series that a pool with retries and a source of endpoints exports."""
    pool = shop_pool()
    pool.register_middleware(Retry())
    pool.call(GET)
    names: set[str] = set()
    for family in families([pool.stats()]):
        suffixes = {
            "counter": ("_total",),
            "gauge": ("",),
            "histogram": ("_bucket", "_sum", "_count"),
        }
        names |= {family.name + suffix for suffix in suffixes[family.type]}
    return names


def test_they_ask_for_what_there_is() -> None:
    """Every series of the dashboard and of the rules is one that pools export, under this very name."""
    recorded = set(re.findall(r"record: (\S+)", RULES.read_text()))
    known = exported() | {part for name in recorded for part in SERIES.findall(name)}
    for expression in [*dashboard_expressions(), *rule_expressions()]:
        assert set(SERIES.findall(expression)) <= known, expression
    assert len(known & exported()) > 20


def test_reasons_are_errors_of_the_runtime() -> None:
    """The reasons that an alert names are errors that the runtime has."""
    import connpool_runtime

    found = [re.findall(r'reason=~"([\w|]+)"', one) for one in rule_expressions()]
    reasons = {reason for group in found for words in group for reason in words.split("|")}
    assert reasons
    assert [reason for reason in reasons if not hasattr(connpool_runtime, reason)] == []


def test_the_dashboard_is_whole() -> None:
    """Panels have numbers of their own, lie beside each other, and follow the chosen source and pools."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
    assert all("$pool" in expression for expression in dashboard_expressions())


@needs_promtool
def test_rules_and_dashboard_parse(tmp_path: Path) -> None:
    """A real promtool accepts the rules, and every expression of the dashboard."""
    of_dashboard = [
        {
            "record": f"panel:{number}",
            "expr": expression.replace("$__rate_interval", "5m").replace("$pool", ".*"),
        }
        for number, expression in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": of_dashboard}]}))
    promtool("check", "rules", str(RULES), str(file))


@needs_promtool
def test_alerts_fire_when_they_should() -> None:
    """The alerts fire on the numbers of a pool that is ill, with their words, and not on those of one that is well."""
    promtool("test", "rules", str(FOLDER / "connpool.rules.test.yml"))
    tested = (FOLDER / "connpool.rules.test.yml").read_text()
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    assert [alert for alert in alerts if f"alertname: {alert}\n" not in tested] == []


@needs_promtool
def test_names_pass_the_linter() -> None:
    """promtool's linter finds nothing to say about the names of the series."""
    pool = shop_pool()
    pool.register_middleware(Retry())
    with serve_admin({"shop": pool}) as server:
        text = httpx.get(server.url + "/metrics").text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Any]:
    """Starts a Prometheus that scrapes a target each second, with the rules."""
    if shutil.which("prometheus") is None:
        pytest.skip("THERE IS NO PROMETHEUS: apt-get install prometheus")
    started: list[subprocess.Popen[bytes]] = []

    def start(target: str) -> httpx.Client:
        scrape = {"job_name": "shop", "static_configs": [{"targets": [target]}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [scrape],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml"]
        command += [
            f"--web.listen-address=127.0.0.1:{port}",
            f"--storage.tsdb.path={tmp_path}/data",
        ]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return httpx.Client(base_url=f"http://127.0.0.1:{port}")

    yield start
    for process in started:
        process.kill()
        process.wait()


@thorough
@pytest.mark.servers
def test_a_real_prometheus(prometheus: Any) -> None:
    """A real Prometheus scrapes a real process without a complaint, and its rules see a pool without members."""
    pool: Pool[Shop] = shop_pool(2)
    for _ in range(10):
        pool.call(GET)
    for name in ("m0", "m1"):
        break_member(pool, name)
    with serve_admin({"shop": pool}) as server, prometheus(f"127.0.0.1:{server.port}") as asking:

        def value(query: str) -> float | None:
            try:
                answer = (
                    asking.get("/api/v1/query", params={"query": query}).raise_for_status().json()
                )
            except httpx.HTTPError:
                return None  # it is still starting
            found = answer["data"]["result"] if answer["status"] == "success" else []
            return float(found[0]["value"][1]) if found else None

        # As `break_member` calls until the member has its turn, one call more may have succeeded.
        successes = 'connpool_calls_total{outcome="success"}'
        assert eventually(lambda: value(successes) in (10, 11))
        assert value("up") == 1
        assert eventually(lambda: value('ALERTS{alertname="ConnpoolNoMember"}') == 1)
        assert eventually(lambda: value("pool:connpool_members_ready:ratio") == 0)
        text = asking.get("/api/v1/targets").json()["data"]["activeTargets"][0]
        assert (text["health"], text["lastError"]) == ("up", "")
