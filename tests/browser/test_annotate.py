"""Voting in a real browser: keys, taps, exact texts, a held key, a double tap, a restarted server, and a phone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.adapters.store import Store
from pipeline.records import HUMAN, DocumentKind, Project, Prompt, Response, make_pair, prompt_id, response_id
from tests.browser.conftest import OpenPage
from tests.browser.test_journey import READ_MS
from tests.serving import dashboard, free_port, start

pytestmark = pytest.mark.browser
LONG = "Een lang verhaal. " * 400


def fill(store: Store, texts: list[str]) -> None:
    """A project with one pair for each text, which is the prompt and part of both answers."""
    prompts = [Prompt(id=prompt_id("Dutch", text), text=text, position=n) for n, text in enumerate(texts)]
    pairs, responses = [], []
    for prompt in prompts:
        one, other = (
            Response(id=response_id(prompt.id, source, text), prompt_id=prompt.id, source=source, text=text)
            for source, text in ((HUMAN, prompt.text + "x"), ("secret-model", prompt.text + "y"))
        )
        responses += [one, other]
        pairs.append(make_pair(one, other, position=prompt.position))
    store.add_project(Project(name="nl", language="Dutch", code="nld", source="test", revision="1", order_key="k"))
    store.add_prompts("nl", prompts)
    store.add_responses("nl", responses)
    store.add_pairs("nl", pairs)


@pytest.fixture
def address(store: Store, workspace: Path) -> Iterator[str]:
    fill(store, [f"Vraag {n}" for n in range(40)])
    with dashboard(workspace) as served:
        yield f"{served}/annotate?project=nl"


def place(page: Page, text: str) -> None:
    # A list: on a busy machine the place of the pair before may still stand beside it for a moment.
    expect(page.locator(".voting-place")).to_have_text([re.compile(re.escape(text))])


def shown(page: Page, part: str) -> str:
    return page.locator(f".voting-card .{part} .studio-text").evaluate("element => element.textContent")


def chosen(store: Store) -> list[str]:
    """The text each vote chose, or its choice where it names none, in order."""
    pairs = store.pairs("nl").set_index("pair_id")
    return [
        pairs.loc[vote.pair_id, vote.choice] if vote.choice in ("first", "second") else vote.choice
        for vote in store.votes("nl").itertuples()
    ]


def test_every_key_answers_and_the_side_pressed_is_the_response_stored(open_page: OpenPage, store: Store, address: str):
    with open_page() as page:
        page.goto(address)
        page.get_by_label("Your name or a nickname").fill("Ana")
        page.get_by_role("button", name="Start").click()
        expected = []
        for n, key in enumerate(["1", "2", "3", "4", "5", "ArrowLeft", "ArrowRight", "s"]):
            place(page, f"Pair {n + 1} of 40")
            page.wait_for_timeout(READ_MS)
            word = {"3": "tie", "4": "both_bad", "5": "skip", "s": "skip"}.get(key)
            expected.append(word or shown(page, "a" if key in ("1", "ArrowLeft") else "b"))
            page.keyboard.press(key)
        place(page, "Pair 9 of 40")
        assert chosen(store) == expected
        assert "annotator=Ana" in page.url
        page.reload()
        place(page, "Pair 9 of 40")
        expect(page.get_by_role("button", name="Change my last answer")).to_be_visible()
        page.wait_for_timeout(150)
        page.keyboard.press("u")
        place(page, "Again: you said “Skip”")
        expect(page.get_by_role("button", name="✓ Skip")).to_be_visible()
        page.keyboard.press("u")
        place(page, "Pair 9 of 40")
        assert chosen(store) == expected


@pytest.mark.parametrize("between_ms", [60, 150, 400])
def test_a_double_press_or_tap_answers_one_pair(open_page: OpenPage, store: Store, address: str, between_ms: int):
    with open_page(size="phone") as page:
        page.goto(f"{address}&annotator=Ana")
        place(page, "Pair 1 of 40")
        page.wait_for_timeout(READ_MS)
        page.keyboard.press("3")
        page.wait_for_timeout(between_ms)
        page.keyboard.press("3")
        place(page, "Pair 2 of 40")
        page.wait_for_timeout(READ_MS)
        box = page.get_by_role("button", name="Equally good").bounding_box()
        assert box is not None
        for _ in range(2):
            page.touchscreen.tap(box["x"] + 20, box["y"] + 20)
            page.wait_for_timeout(between_ms)
        place(page, "Pair 3 of 40")
        page.wait_for_timeout(READ_MS)
        expect(page.locator(".voting-note")).to_have_count(0)
        assert chosen(store) == ["tie", "tie"]


def test_after_a_restart_of_the_server_an_open_page_votes_on(open_page: OpenPage, store: Store, workspace: Path):
    fill(store, [f"Vraag {n}" for n in range(3)])
    port = free_port()
    process = start(workspace, port)
    try:
        with open_page() as page:
            page.goto(f"http://localhost:{port}/annotate?project=nl&annotator=Ana")
            place(page, "Pair 1 of 3")
            process.terminate()
            process.wait()
            expect(page.locator("[data-test-connection-state=CONNECTED]")).to_have_count(0)
            process = start(workspace, port)
            expect(page.locator("[data-test-connection-state=CONNECTED]")).to_have_count(1)
            expect(page.get_by_role("button", name="Equally good")).to_be_enabled()
            page.keyboard.press("3")
            place(page, "Pair 2 of 3")
            assert chosen(store) == ["tie"]
    finally:
        process.terminate()
        process.wait()


def test_new_guidelines_are_open_before_the_first_vote_that_counts_under_them(open_page: OpenPage, store: Store, address: str):
    old = store.save_document("nl", DocumentKind.GUIDELINES, "The old way.")
    with open_page() as page:
        page.goto(f"{address}&annotator=Ana")
        place(page, "Pair 1 of 40")
        new = store.save_document("nl", DocumentKind.GUIDELINES, "الطريقة الجديدة.")
        page.wait_for_timeout(READ_MS)
        page.keyboard.press("3")
        expect(page.get_by_text("The guidelines have changed.")).to_be_visible()
        text = page.get_by_text("الطريقة الجديدة.")
        expect(text).to_be_visible()
        assert text.evaluate("element => getComputedStyle(element).direction") == "rtl"
        page.wait_for_timeout(READ_MS)
        page.keyboard.press("3")
        place(page, "Pair 3 of 40")
        expect(page.get_by_text("The guidelines have changed.")).to_have_count(0)
        expect(text).to_be_hidden()
        assert store.votes("nl")["guidelines_version"].tolist() == [old, new]


def test_what_is_typed_stands_in_its_own_direction(open_page: OpenPage, address: str):
    with open_page() as page:
        page.goto(f"{address}&annotator=Ana")
        place(page, "Pair 1 of 40")
        page.get_by_text("Add a reason or a better answer").click()
        for label in ("Why?", "A better answer"):
            style = "element => [getComputedStyle(element).unicodeBidi, getComputedStyle(element).textAlign]"
            assert page.get_by_role("textbox", name=label).evaluate(style) == ["plaintext", "start"]


def test_on_a_phone_the_pair_comes_first_and_the_buttons_stay_where_they_are(open_page: OpenPage, store: Store, workspace: Path):
    fill(store, ["Kort?", LONG])
    with dashboard(workspace) as served, open_page(size="phone") as page:
        page.goto(f"{served}/annotate?project=nl&annotator=Ana")
        boxes = []
        for n in (1, 2):
            place(page, f"Pair {n} of 2")
            page.wait_for_timeout(READ_MS)
            card, bar = page.locator(".voting-card").bounding_box(), page.locator(".st-key-voting-bar").bounding_box()
            assert card is not None
            assert card["y"] < 844 / 4
            boxes.append(bar)
            colour = page.locator(".st-key-voting-bar").evaluate("element => getComputedStyle(element).backgroundColor")
            assert colour == "rgb(255, 255, 255)"
            page.keyboard.press("3")
        assert boxes[0] == boxes[1]


def test_the_page_is_blind(open_page: OpenPage, address: str):
    with open_page() as page:
        page.goto(f"{address}&annotator=Ana")
        place(page, "Pair 1 of 40")
        content = page.content()
        assert "secret-model" not in content
        assert "human" not in content.lower()


def test_a_key_held_down_answers_one_pair(open_page: OpenPage, store: Store, address: str):
    with open_page() as page:
        page.goto(f"{address}&annotator=Ana")
        place(page, "Pair 1 of 40")
        page.wait_for_timeout(READ_MS)
        for _ in range(20):
            page.keyboard.down("1")
            page.wait_for_timeout(40)
        page.keyboard.up("1")
        place(page, "Pair 2 of 40")
        assert len(store.votes("nl")) == 1


def test_typing_a_reason_answers_nothing_until_a_button_is_pressed(open_page: OpenPage, store: Store, address: str):
    with open_page() as page:
        page.goto(f"{address}&annotator=Ana")
        place(page, "Pair 1 of 40")
        page.get_by_text("Add a reason or a better answer").click()
        page.get_by_label("Why?").press_sequentially("12345 us")
        page.wait_for_timeout(READ_MS)
        page.get_by_role("button", name="Equally good").click()
        place(page, "Pair 2 of 40")
        assert store.votes("nl")["reason"].tolist() == ["12345 us"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_reaches_every_button_and_taps_vote(open_page: OpenPage, store: Store, address: str, scheme: str):
    with open_page(size="phone", scheme=scheme) as page:
        page.goto(f"{address}&annotator=Ana")
        place(page, "Pair 1 of 40")
        page.wait_for_timeout(READ_MS)
        for name in ("Answer A is better", "Answer B is better", "Equally good", "Both bad", "Skip"):
            box = page.get_by_role("button", name=name).bounding_box()
            assert box is not None
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= 844
            assert box["height"] >= 40
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Answer B is better").tap()
        place(page, "Pair 2 of 40")
        assert len(store.votes("nl")) == 1


def test_naughty_and_long_texts_are_shown_exactly_and_run_nothing(
    open_page: OpenPage, store: Store, workspace: Path, real_data: Path
):
    naughty = [text for text in json.loads((real_data / "blns.json").read_text(encoding="utf-8")) if text]
    whole = "\n".join(naughty)
    texts = [
        whole,
        LONG,
        "</script><script>alert(1)</script>",
        " \n\n  a\r\nb\t ",
        "مرحبا. 1!",
        "```\n# **x** $y$ :material/home:\n```",
    ]
    fill(store, texts)
    with dashboard(workspace) as served, open_page() as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a text ran: {dialog.message}"))
        page.goto(f"{served}/annotate?project=nl&annotator=Ana")
        for n, text in enumerate(texts):
            place(page, f"Pair {n + 1} of {len(texts)}")
            page.wait_for_timeout(READ_MS)
            # A browser knows one kind of line break; the store keeps both characters.
            exact = text.replace("\r\n", "\n")
            assert shown(page, "prompt") == exact
            assert {shown(page, "a"), shown(page, "b")} == {exact + "x", exact + "y"}
            page.keyboard.press("3")
        expect(page.get_by_text("Thank you!")).to_be_visible()
