"""The Argilla page in a real browser asks the server while somebody looks, says when it is down, and fits a phone."""

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.adapters.argilla_links import ArgillaLink, ArgillaLinks
from pipeline.adapters.store import Store
from pipeline.records import Project
from pipeline.settings import Settings
from pipeline.studio import Studio
from pipeline.wiring import open_studio
from tests.argilla.people import Site
from tests.argilla.stack import API_KEY, OWNER, PASSWORD
from tests.browser.conftest import OpenPage
from tests.fakes.web import Reply, web
from tests.pages.judging import NAME as NAME_JUDGED
from tests.pages.judging import add_project
from tests.serving import dashboard, free_port

pytestmark = pytest.mark.browser
NAME = "Vraag en antwoord"
DATASET = "/api/v1/datasets/d1"
ANSWERS = {
    DATASET: {"id": "d1", "name": NAME, "workspace_id": "w"},
    f"{DATASET}/progress": {"total": 4321, "completed": 1, "pending": 4320},
    f"{DATASET}/users/progress": {"users": [{"username": "ana", "completed": {}, "pending": {"submitted": 7}}]},
}


def counting_server(port: int) -> AbstractContextManager[tuple[str, list[str]]]:
    """A server that answers to the three questions of a poll as Argilla does."""
    return web({path: Reply(body) for path, body in ANSWERS.items()}.get, port=port)


def test_the_page_asks_while_it_is_looked_at_and_no_longer(tmp_path: Path, open_page: OpenPage):
    port, workspace = free_port(), tmp_path / "workspace"
    url = f"http://127.0.0.1:{port}"
    studio = open_studio(Settings(workspace=workspace))
    studio.store.add_project(Project(name=NAME, language="Dutch", code="nld", source="rows.csv", revision="1"))
    link = ArgillaLink(
        project=NAME, url=url, workspace="w", dataset_id="d1", votes_wanted=3, pushed_at="2026-01-01T00:00:00+00:00"
    )
    ArgillaLinks(studio.store).save(link)
    studio.store.close()
    env = {"ARGILLA_API_URL": url, "ARGILLA_API_KEY": "secret-key-123"}
    with dashboard(workspace, **env) as address, open_page(size="phone") as page:
        with counting_server(port) as (_, asked):
            page.goto(f"{address}/argilla?project={NAME}")
            expect(page.get_by_text("4,321")).to_be_visible()
            begun = time.monotonic()
            # Looked at, it asks again, three small questions each time, and no more often than every four seconds.
            while len(asked) < 6 and time.monotonic() - begun < 30:
                page.wait_for_timeout(500)
            assert set(asked) == set(ANSWERS)
            assert 6 <= len(asked) <= 3 * (3 + (time.monotonic() - begun) / 4)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert "secret-key-123" not in page.content()
        expect(page.get_by_text("does not answer")).to_be_visible()
        with counting_server(port) as (_, asked):
            expect(page.get_by_text("4,321")).to_be_visible()
            page.get_by_role("link", name="Board").first.click()
            expect(page.get_by_text("Where do our projects stand?")).to_be_visible()
            time.sleep(3)
            before = len(asked)
            page.wait_for_timeout(7_000)
            assert len(asked) == before


@pytest.fixture
def argilla_page(site: Site, chromium: Browser) -> Iterator[Page]:
    """Argilla's own page, with its owner signed in; what it would fetch from elsewhere is left out."""
    context = chromium.new_context()
    context.route(re.compile(r"^(?!http://127\.0\.0\.1:|data:|blob:)"), lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{site.stack.url}/sign-in")
    page.locator("input").nth(0).fill(OWNER)
    page.locator("input").nth(1).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("sign-in"))
    yield page
    context.close()


@pytest.mark.argilla
def test_a_link_opens_its_pair_in_argillas_own_page(site: Site, store: Store, argilla_page: Page):
    add_project(Studio(Settings(workspace=Path()), store), n_pairs=3)
    settings = Settings(workspace=Path(), argilla_url=site.stack.url, argilla_key=API_KEY, argilla_workspace=site.workspace)
    studio = Studio(settings, store)
    studio.push(NAME_JUDGED, "argilla")
    answers = studio.store.pairs(NAME_JUDGED).set_index("pair_id")["first"]
    urls = studio.tracking.pair_urls(NAME_JUDGED, list(answers.index))
    for pair_id, answer in reversed(list(answers.items())):
        argilla_page.goto(urls[str(pair_id)])
        expect(argilla_page.get_by_text(answer, exact=True)).to_be_visible()
        assert not [other for other in answers if other != answer and argilla_page.get_by_text(other, exact=True).count()]
