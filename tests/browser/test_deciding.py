"""A reviewer finds a contested pair, reads it blind and decides it; the pair then goes into the dataset."""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from pipeline.adapters.store import Store
from pipeline.settings import Settings
from pipeline.studio import Studio
from tests.browser.conftest import OpenPage
from tests.pages.judging import NAME, add_project
from tests.serving import dashboard

ROW_PX = 35


def choose_row(page: Page, table: int, row: int) -> None:
    """Tap the box at the left of a row; tables are drawn on a canvas, so there is nothing else to name."""
    grid = page.get_by_test_id("stDataFrame").nth(table)
    expect(grid).to_be_visible()
    grid.scroll_into_view_if_needed()
    grid.click(position={"x": 14, "y": ROW_PX * (row + 1) + ROW_PX // 2})


def screenshot(page: Page, name: str) -> None:
    """Keep a picture where STUDIO_SCREENSHOTS names a folder."""
    if folder := os.environ.get("STUDIO_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.browser
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("desktop", "dark"), ("phone", "light")])
def test_a_contested_pair_is_one_tap_away_and_a_decision_brings_it_in(
    workspace: Path, store: Store, open_page: OpenPage, size: str, scheme: str
):
    add_project(Studio(Settings(workspace=workspace), store), *["hhh"] * 12, *["mmm"] * 8, *["hhm"] * 6, "hmt")
    shot: Callable[[Page, str], None] = lambda page, name: screenshot(page, f"{name}-{size}-{scheme}")  # noqa: E731
    with dashboard(workspace) as address, open_page(size=size, scheme=scheme) as page:
        page.goto(f"{address}/agreement?project={quote(NAME)}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Can we trust the votes?")
        expect(page.get_by_text("Raw agreement").or_(page.get_by_text("Same choice (raw agreement)")).first).to_be_visible()
        shot(page, "agreement-numbers")
        for tab in ("People", "Parts of the data", "Judges"):
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_role("tabpanel", name=tab)).to_be_visible()
            expect(page.get_by_test_id("stException")).to_have_count(0)
            page.wait_for_timeout(1500)
            shot(page, f"agreement-{tab.split()[0].lower()}")
        page.get_by_role("tab", name="Contested pairs").click()
        expect(page.get_by_text("7 pairs. Choose a row")).to_be_visible()
        choose_row(page, 0, 0)
        expect(page.get_by_text("Names are left out")).to_be_visible()
        shown = page.get_by_role("tabpanel", name="Contested pairs").inner_text()
        assert "model-m" not in shown
        page.get_by_role("button", name="Decide", exact=True).click()
        expect(page.get_by_text("Choose what is better first.")).to_be_visible()
        page.get_by_text("Both bad", exact=True).first.click()
        page.get_by_role("textbox", name="Why?").fill("Neither answers the question")
        page.get_by_role("textbox", name="Your name").fill("Rosa")
        shot(page, "agreement-contested")
        page.get_by_role("button", name="Decide", exact=True).click()
        # The decided pair goes to the end, and the next one takes its place.
        expect(page.get_by_text("Choose what is better first.")).to_have_count(0)
        expect(page.get_by_role("textbox", name="Your name")).to_have_value("Rosa")
        page.goto(f"{address}/curate?project={quote(NAME)}")
        expect(page.get_by_text("26 of 27")).to_be_visible()
        page.wait_for_timeout(1500)
        shot(page, "curate")
    (decision,) = store.decisions(NAME).to_dict("records")
    assert (decision["choice"], decision["annotator"], decision["reason"]) == ("both_bad", "Rosa", "Neither answers the question")
    assert len(store.votes(NAME)) == 27 * 3
