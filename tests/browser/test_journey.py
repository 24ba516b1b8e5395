"""A coordinator's first hour, in a real browser: from the first screen to an exported file."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SIZES, OpenPage
from tests.fakes.model_server import ModelServer
from tests.serving import dashboard

N_PROMPTS = 4
# A press in the moment a pair appears is ignored, for nobody can have read it.
READ_MS = 800


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard that was never opened before; each journey starts a project of its own there."""
    with dashboard(tmp_path_factory.mktemp("journey") / "workspace") as address:
        yield address


def go(page: Page, title: str) -> None:
    """Open a page by the navigation: at the top, on a phone a row of links."""
    is_phone = page.viewport_size == SIZES["phone"]
    links = page.locator(".st-key-phone-navigation" if is_phone else "header").get_by_role("link", name=title, exact=True)
    links.click()
    expect(page).to_have_url(re.compile(r"/(\?|$)" if title == "Board" else f"/{title.lower()}"))


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1, name=text)).to_be_visible()


def choose(page: Page, label: str, option: str) -> None:
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    box.fill(option)
    page.get_by_role("option", name=re.compile(rf"^{re.escape(option)}( \(|$)")).click()


def start_project(page: Page, name: str) -> None:
    """Languages page: the demonstration's Arabic, four prompts, one vote on each pair."""
    heading(page, "Which language shall we work on?")
    page.get_by_text("Demonstration", exact=True).click()
    choose(page, "Language", "Standard Arabic")
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    page.get_by_role("spinbutton", name="Votes wanted on each pair").fill("1")
    page.get_by_role("spinbutton", name="How many prompts").fill(str(N_PROMPTS))
    page.get_by_role("button", name="Start with Standard Arabic").click()


def generate(page: Page, server: ModelServer) -> None:
    """Generate page: a server at an address, its only model, and a run to the end."""
    heading(page, "Which model writes the second answers?")
    choose(page, "Where does the model run?", "Another address")
    page.get_by_role("textbox", name="Address").fill(server.base_url)
    page.get_by_role("textbox", name="Address").press("Enter")
    page.get_by_role("button", name=f"Start: ask for {N_PROMPTS} answers").click()
    expect(page.get_by_text("tiny has answered every prompt of this project.").first).to_be_visible(timeout=90_000)
    page.get_by_role("button", name="Next: let people vote").click()


def vote(page: Page, *, by_key: bool) -> None:
    """Annotate page: every pair gets one vote, by key or by tap."""
    heading(page, "Which answer is better?")
    page.get_by_role("textbox", name="Your name or a nickname").fill("Noor")
    page.get_by_role("button", name="Start", exact=True).click()
    for number in range(1, N_PROMPTS + 1):
        expect(page.get_by_text(f"Pair {number} of {N_PROMPTS}")).to_be_visible()
        assert "tiny" not in page.locator("body").inner_html()
        page.wait_for_timeout(READ_MS)
        if by_key:
            page.keyboard.press("1")
        else:
            page.get_by_role("button", name="Answer B is better").tap()
    expect(page.get_by_text(f"You answered {N_PROMPTS} pairs.")).to_be_visible()


def export(page: Page, folder: Path) -> list[dict[str, object]]:
    """Export page: write the release, download it, and return its DPO rows."""
    heading(page, "Ready to take the dataset with you?")
    page.get_by_role("button", name="Write the release").click()
    expect(page.get_by_text("Written:").first).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download all files (zip)").click()
    path = folder / "release.zip"
    waiting.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        name = next(name for name in archive.namelist() if name.endswith("dpo/train.parquet"))
        return pq.read_table(io.BytesIO(archive.read(name))).to_pylist()


@pytest.mark.browser
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_from_the_first_screen_to_an_exported_file(served: str, open_page: OpenPage, tmp_path: Path, size: str, scheme: str):
    with ModelServer() as server, open_page(size=size, scheme=scheme) as page:
        page.goto(served)
        heading(page, "Where do our projects stand?")
        expect(page.get_by_text("Demonstration English")).to_be_visible()
        expect(page.get_by_text("This is a demonstration, not Aya").first).to_be_visible()
        go(page, "Languages")
        start_project(page, f"العربية {size}")
        generate(page, server)
        vote(page, by_key=size == "desktop")
        page.get_by_role("button", name="See how far we are").click()
        heading(page, "How far are we?")
        go(page, "Agreement")
        heading(page, "Can we trust the votes?")
        go(page, "Curate")
        heading(page, "Which pairs go into the dataset?")
        page.get_by_role("spinbutton", name="Least number of votes").fill("1")
        page.get_by_role("spinbutton", name="Least number of votes").press("Enter")
        page.get_by_role("button", name="Save these rules").click()
        expect(page.get_by_text("These rules are saved")).to_be_visible()
        expect(page.get_by_text(f"{N_PROMPTS} of {N_PROMPTS}")).to_be_visible()
        go(page, "Export")
        rows = export(page, tmp_path)
    assert len(rows) == N_PROMPTS
    for row in rows:
        answers = {row["chosen"][0]["content"], row["rejected"][0]["content"]}
        assert f"Answer to: {row['prompt'][0]['content']}" in answers


@pytest.mark.browser
@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_shows_the_demonstration_without_a_mistake(served: str, open_page: OpenPage, size: str, scheme: str):
    with open_page(size=size, scheme=scheme) as page:
        page.goto(served)
        for title in ("Board", "Languages", "Generate", "Annotate", "Progress", "Agreement", "Curate", "Export"):
            go(page, title)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
            expect(page.get_by_test_id("stException")).to_have_count(0)
            expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
            overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, f"{title} is wider than the screen"
