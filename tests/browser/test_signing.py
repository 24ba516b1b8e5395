"""Signing in, in a real browser: annotators vote without it, a closed page stays closed by its address, the password opens it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.adapters.store import Store
from tests.browser.conftest import OpenPage
from tests.browser.test_annotate import fill, place
from tests.browser.test_journey import READ_MS
from tests.serving import dashboard

pytestmark = pytest.mark.browser
PASSWORD = "correct horse"
ELSEWHERE = {"X-Forwarded-For": "203.0.113.7"}


@pytest.fixture
def address(store: Store, workspace: Path) -> Iterator[str]:
    fill(store, ["Vraag"])
    with dashboard(workspace, STUDIO_PASSWORD=PASSWORD) as served:
        yield served
    assert PASSWORD not in "".join(log.read_text() for log in workspace.parent.glob("*.log"))


def title(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_an_annotators_link_works_without_a_password_and_leads_to_no_closed_page(open_page: OpenPage, store: Store, address: str):
    with open_page(size="phone") as page:
        page.goto(f"{address}/annotate?project=nl&annotator=Ana")
        place(page, "Pair 1 of 1")
        expect(page.get_by_role("link", name="Generate")).to_have_count(0)
        page.wait_for_timeout(READ_MS)
        page.keyboard.press("3")
        expect(page.get_by_text("Thank you!")).to_be_visible()
        expect(page.get_by_role("button", name="See how far we are")).to_have_count(0)
        assert store.votes("nl")["choice"].tolist() == ["tie"]
        page.get_by_role("link", name="For coordinators").click()
        title(page, "Are you a coordinator?")
        for noun in ("", "argilla", "export"):
            page.goto(f"{address}/{noun}?project=nl")
            title(page, "Are you a coordinator?")
            expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="I came to vote").click()
        title(page, "Which answer is better?")
        assert "project=nl" in page.url


def test_a_wrong_password_is_told_and_the_right_one_opens_the_page_of_the_address(open_page: OpenPage, address: str):
    with open_page() as page:
        page.goto(f"{address}/progress?project=nl")
        sign_in(page, "wrong horse")
        expect(page.get_by_text("That is not the password.")).to_be_visible()
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
        sign_in(page, PASSWORD)
        title(page, re.compile("^(?!Are you a coordinator)"))
        assert page.url.endswith("/progress?project=nl")
        page.get_by_role("link", name="Board").first.click()
        title(page, "Where do our projects stand?")
        page.get_by_role("link", name="Sign out").first.click()
        title(page, "Are you a coordinator?")
        page.go_back()
        title(page, "Are you a coordinator?")


def test_without_a_password_a_visitor_from_elsewhere_can_vote_and_is_told_what_is_closed(
    open_page: OpenPage, store: Store, workspace: Path
):
    fill(store, ["Vraag"])
    with dashboard(workspace) as served, open_page() as page:
        page.goto(served)
        title(page, "Where do our projects stand?")
        # The server believes this header of a proxy on the same machine.
        page.context.set_extra_http_headers(ELSEWHERE)
        page.goto(f"{served}/export?project=nl")
        title(page, "This page is closed")
        expect(page.get_by_text("STUDIO_PASSWORD")).to_be_visible()
        page.goto(f"{served}/annotate?project=nl&annotator=Ana")
        place(page, "Pair 1 of 1")
