"""The live page in a real Chromium."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from connpool_runtime import Pool
from tests.runtime.admin.pools import GET, TOKEN, Shop, break_member, served, shop_pool
from tests.waiting import eventually

sync_api = pytest.importorskip("playwright.sync_api", reason="PLAYWRIGHT IS NOT INSTALLED")

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None,
    reason="THERE IS NO CHROMIUM: the page is not tested (apt-get install chromium)",
)
pytestmark = [needs_browser, pytest.mark.servers]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Shown:
    """A page, and what went wrong in it."""

    page: Any
    pool: Pool[Shop]
    wrong: list[str] = field(default_factory=list)

    def row(self, name: str) -> Any:
        return self.page.locator(
            "#member-table tbody tr", has=self.page.get_by_text(name, exact=True)
        )

    def expect(self, locator: Any, text: str) -> None:
        sync_api.expect(locator).to_contain_text(text, timeout=15_000)


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> Pool[Shop]:
    return shop_pool(getattr(request, "param", 100))


@pytest.fixture
def shown(browser: Any, pool: Pool[Shop]) -> Iterator[Shown]:
    with served({"shop": pool}) as (server, _):
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        shown = Shown(page, pool)
        page.on("pageerror", lambda error: shown.wrong.append(str(error)))
        page.on(
            "console",
            lambda message: shown.wrong.append(message.text) if "Policy" in message.text else None,
        )
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(server.url) else shown.wrong.append(request.url)
            ),
        )
        page.goto(server.url)
        shown.expect(page.locator("#count"), "members")
        yield shown
        page.close()
        assert shown.wrong == []


def enter_token(page: Any) -> None:
    page.get_by_role("button", name="Token").click()
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.keyboard.press("Enter")


def test_a_member_is_ejected_and_let_back(shown: Shown) -> None:
    """By keyboard alone a member is found, ejected after a confirmation with the token, and let back."""
    page = shown.page
    page.get_by_label("Name").focus()
    page.keyboard.type("m77")
    shown.expect(page.locator("#count"), "1 of 100")
    page.get_by_role("button", name="Eject m77").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#confirm")
    shown.expect(dialog, "Eject m77?")
    assert page.evaluate("document.activeElement.id") == "confirm-no"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    shown.expect(dialog, "This takes a token")
    assert shown.pool.members[77].ready
    page.keyboard.press("Escape")
    enter_token(page)
    page.get_by_role("button", name="Eject m77").press("Enter")
    page.locator("#confirm-yes").press("Enter")
    shown.expect(shown.row("m77"), "ejected")
    assert not shown.pool.members[77].ready
    assert page.evaluate("sessionStorage.getItem('connpool-token')") == TOKEN
    shown.expect(page.locator("#events"), "ejected by hand")
    shown.expect(page.locator("#timeline"), "m77")
    page.get_by_role("button", name="Let back m77").press("Enter")
    page.locator("#confirm-yes").press("Enter")
    shown.expect(shown.row("m77"), "closed")
    assert shown.pool.members[77].ready


def test_drain_asks_first(shown: Shown) -> None:
    """A drain that is not confirmed does nothing; one that is takes the member out of pool and page."""
    page = shown.page
    enter_token(page)
    page.get_by_label("Name").fill("m42")
    drain = page.get_by_role("button", name="Drain m42", exact=True)
    drain.click()
    page.get_by_role("button", name="Cancel").click()
    assert len(shown.pool.members) == 100
    drain.click()
    page.locator("#confirm-yes").click()
    assert eventually(lambda: len(shown.pool.members) == 99)
    sync_api.expect(drain).to_have_count(0, timeout=15_000)


def test_what_goes_wrong_is_seen(shown: Shown) -> None:
    """A breaker that opens comes first among the members, and is in the head, the timeline and the events."""
    for _ in range(50):
        shown.pool.call(GET)
    break_member(shown.pool, "m60")
    first = shown.page.locator("#member-table tbody tr:not(.gap)").first
    shown.expect(first, "m60")
    shown.expect(first, "open")
    shown.expect(first, "ConnectionResetError")
    shown.expect(shown.page.locator("#health"), "degraded: 1 of 100")
    shown.expect(shown.page.locator("#timeline"), "m60")
    shown.expect(shown.page.locator("#events"), "closed → open (ConnectionResetError)")
    shown.expect(shown.page.locator("#methods"), "get")


@pytest.mark.parametrize("pool", [1000], indirect=True)
def test_a_thousand_members_are_few_elements(shown: Shown) -> None:
    """Only the rows in sight are drawn, wherever one scrolls to, and drawing all that is new takes no frame's time."""
    page = shown.page
    rows = page.locator("#member-table tbody tr:not(.gap)")
    assert rows.count() < 60
    page.evaluate("document.getElementById('window').scrollTop = 1e6")
    sync_api.expect(rows.last).to_contain_text("m999", timeout=15_000)
    assert rows.count() < 60
    assert page.locator("#member-table").get_attribute("aria-rowcount") == "1001"
    assert rows.last.get_attribute("aria-rowindex") == "1001"
    spent = page.evaluate(
        "(async () => { const text = await look(); const begin = performance.now();"
        " for (let i = 0; i < 10; i++) take(text); return (performance.now() - begin) / 10; })()"
    )
    parse = page.evaluate(
        "(() => { const text = JSON.stringify(latest); const begin = performance.now();"
        " for (let i = 0; i < 10; i++) JSON.parse(text); return (performance.now() - begin) / 10; })()"
    )
    assert spent < 30 * max(parse, 0.5), "drawing a look costs far more than reading it"


def test_names_are_text(shown: Shown) -> None:
    """A name of a member that would be code in a page is shown as it is, and runs nowhere."""
    name = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    shown.pool.add_client(Shop(), name)
    shown.page.get_by_label("Name").fill("onerror")
    shown.expect(shown.row(name), name)
    assert shown.page.title().startswith("connpool")


def test_it_has_names_for_screen_readers(shown: Shown) -> None:
    """Every control and table has a name, heads of columns say how they sort, and no heading is left out."""
    page = shown.page
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select')].filter(one => !(one.labels?.length"
        " || one.getAttribute('aria-label') || one.textContent.trim() || one.closest('dialog'))).length"
    )
    assert unnamed == 0
    page.get_by_role("button", name="Weight").click()
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Weight")
    headings = page.get_by_role("heading").all_inner_texts()
    assert headings[1:4] == ["Services", "Members", "Breakers, last 15 minutes"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read(browser: Any, scheme: str) -> None:
    """In light and dark the text of states and of the page has a contrast of 4.5 to 1, as WCAG asks."""
    pool = shop_pool(4)
    break_member(pool, "m1")
    pool.eject("m2")
    with served({"shop": pool}) as (server, _):
        page = browser.new_page(color_scheme=scheme)
        page.goto(server.url)
        sync_api.expect(page.locator("#count")).to_contain_text("4 members", timeout=15_000)
        pairs = page.evaluate(
            """() => [...document.querySelectorAll('.badge, td.name, td, th, .quiet, button')].map(one => {
                let behind = one;
                while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
                return [getComputedStyle(one).color, getComputedStyle(behind).backgroundColor];
            })"""
        )
        page.close()
    assert len(pairs) > 30
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in color.split("(")[1].rstrip(")").split(",")[:3]]
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_fits_a_phone(browser: Any) -> None:
    """On a phone nothing makes the page wider than its screen, and a member can be ejected."""
    with served({"shop": shop_pool(4)}) as (server, _):
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.goto(server.url)
        sync_api.expect(page.locator("#count")).to_contain_text("4 members", timeout=15_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        box = page.get_by_role("button", name="Eject m0").bounding_box()
        page.close()
    assert box["x"] + box["width"] <= 360


def test_it_says_when_the_process_is_gone(browser: Any) -> None:
    """When nobody answers any more, the page says so and keeps what it knew."""
    with served({"shop": shop_pool(4)}) as (server, _):
        page = browser.new_page()
        page.goto(server.url)
        sync_api.expect(page.locator("#count")).to_contain_text("4 members", timeout=15_000)
    sync_api.expect(page.locator("#trouble")).to_contain_text("No new numbers", timeout=15_000)
    assert page.locator("#count").inner_text() == "4 members"
    page.close()
