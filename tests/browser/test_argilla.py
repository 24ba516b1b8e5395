"""Real prompts and answers in a real Argilla: what people click in its own web page and send over REST is what is exported."""

import html
import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from pipeline import wiring
from pipeline.adapters.argilla_backend import ArgillaBackend
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.adapters.store import Store
from pipeline.curate import Rules
from pipeline.records import HUMAN
from pipeline.settings import Settings
from pipeline.studio import Studio
from tests.argilla.people import Body, Person, Site
from tests.argilla.project import MODEL, NAME, TEXT, by_record, fill
from tests.argilla.stack import API_KEY
from tests.browser.conftest import LOOPBACK
from tests.real_rows import aya_rows, oasst_rows, write_rows

pytestmark = [pytest.mark.argilla, pytest.mark.browser]

LANGUAGES = ("Standard Arabic", "Spanish", "Russian", "English")
PROMPTS, BY_BO, BY_CY, CLICKED = 65, 40, 20, 6
SLOTS = ("first", "second", "tie", "both_bad", "skip")
ANSWERED_BY = "gpt-3.5-turbo"
Ledger = dict[tuple[str, str], str]
"""What each person chose on each pair, as this test knows it: annotator's name and pair to choice."""


@contextmanager
def signed_in(chromium: Browser, site: Site, person: Person) -> Iterator[Page]:
    """Argilla's own page as a person sees it; what it would fetch from elsewhere (fonts) it does not get."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})

    def guard(route: Route) -> None:
        (route.continue_ if route.request.url.startswith(LOOPBACK) else route.abort)()

    context.route("**/*", guard)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{site.stack.url}/sign-in")
    page.fill("input[type=text]", person.name)
    page.fill("input[type=password]", person.password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "sign-in" not in url)
    try:
        yield page
    finally:
        context.close()


def shown(page: Page) -> list[str]:
    """The prompt and the two answers on the screen, letter for letter."""
    return [content.text_content() or "" for content in page.locator(".content-area > div").all()]


def as_html_reads(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def studio_for(site: Site, folder: Path) -> Studio:
    env = {"ARGILLA_API_URL": site.stack.url, "ARGILLA_API_KEY": API_KEY, "ARGILLA_WORKSPACE": site.workspace}
    return wiring.open_studio(Settings.from_env(env, workspace=folder))


def second_answers(folder: Path) -> dict[str, str]:
    """Another model's answer to each of the real prompts."""
    oasst = (folder / "oasst1_val_single_turn.jsonl").read_text(encoding="utf-8").splitlines()
    aya = (folder / "lcb_human_prompts_10_completions.jsonl").read_text(encoding="utf-8").splitlines()
    answers = {row["prompt"]: row["gpt35_reply"] for row in map(json.loads, oasst)}
    for row in map(json.loads, aya):
        answers.setdefault(row["prompt"], next(text for name, text in row["completions"].items() if name == ANSWERED_BY))
    return answers


def real_project(studio: Studio, language: str, folder: Path, scratch: Path) -> None:
    """A project of real prompts of a language, each with a person's answer and a model's."""
    source = write_rows(scratch / "rows.jsonl", oasst_rows(folder) + aya_rows(folder))
    studio.new_project(language, language, str(source), limit=PROMPTS, seed=1)
    answers = second_answers(folder)
    rows = [
        {"prompt": prompt.text, "response": answers[prompt.text], "model": ANSWERED_BY}
        for prompt in studio.store.prompt_records(language)
        if prompt.text in answers
    ]
    file = scratch / f"{language}.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    studio.import_responses(language, file)


def dataset_of(store: Store, project: str) -> str:
    link = ArgillaLinks(store).link(project)
    assert link is not None
    return link.dataset_id


def expected_choice(slot: str, texts: tuple[str, str], pair: Body) -> str:
    """What a slot says of the pair: the person's response is its first."""
    if slot not in ("first", "second"):
        return slot
    return "first" if as_html_reads(pair["first"]) == texts[0 if slot == "first" else 1] else "second"


def answer_over_rest(person: Person, dataset: str, pairs: dict[str, Body], seed: int, wanted: int, ledger: Ledger) -> None:
    """Answer the first so many records as this person is shown them, in the order of their ids; `pairs` by record."""
    drawn = random.Random(seed)
    records = sorted(person.records(dataset), key=lambda one: one["external_id"])[:wanted]
    for record in records:
        slot = drawn.choices(SLOTS, weights=(8, 4, 2, 1, 1))[0]
        person.answer(record, slot)
        first, second = (as_html_reads(html.unescape(record["fields"][name])) for name in ("first", "second"))
        pair = pairs[record["external_id"]]
        ledger[person.name, pair["pair_id"]] = expected_choice(slot, (first, second), pair)


def click_through(page: Page, url: str, person: Person, pairs: dict[str, Body], ledger: Ledger, pictures: Path) -> None:
    """Answer some records by clicking, each with a reason typed in; Argilla itself chooses which."""
    by_prompt = {as_html_reads(pair["prompt"]): pair for pair in pairs.values()}
    page.goto(url)
    for number in range(CLICKED):
        expect(page.locator(".content-area > div")).to_have_count(3)
        prompt, *texts = shown(page)
        pair = by_prompt[prompt]
        assert sorted(texts) == sorted(as_html_reads(pair[name]) for name in ("first", "second"))
        page.screenshot(path=pictures / f"argilla-{number}.png")
        slot = SLOTS[number % 5]
        page.get_by_text(("A is better", "B is better", "Equally good", "Both bad", "Skip, I cannot judge")[number % 5]).click()
        page.get_by_role("button", name="Submit").click()
        ledger[person.name, pair["pair_id"]] = expected_choice(slot, (texts[0], texts[1]), pair)
        if number < CLICKED - 1:
            expect(page.locator(".content-area > div").first).not_to_have_text(prompt)
    expect(page.get_by_text("Submitted").last).to_be_visible()


def stored(store: Store, project: str) -> Ledger:
    frame = store.votes(project, history=True)
    assert not frame.duplicated(["annotator", "pair_id"]).any()
    return dict(zip(zip(frame["annotator"], frame["pair_id"], strict=True), frame["choice"], strict=True))


def agreement_by_hand(ledger: Ledger) -> float:
    """The mean over pairs of the share of two opinions that are the same; a skip is none."""
    opinions: dict[str, list[str]] = defaultdict(list)
    for (_, pair), choice in ledger.items():
        if choice != "skip":
            opinions[pair].append(choice)
    shares = []
    for said in opinions.values():
        same = [one == other for one, other in combinations(said, 2)]
        if same:
            shares.append(sum(same) / len(same))
    return sum(shares) / len(shares)


def majority_by_hand(ledger: Ledger, pair: str) -> str:
    """What more than half of at least two opinions on a pair say, else nothing."""
    said = Counter(choice for (_, one), choice in ledger.items() if one == pair and choice != "skip")
    if not said or said.total() < 2:
        return ""
    choice, n = said.most_common(1)[0]
    return choice if 2 * n > said.total() else ""


@pytest.mark.timeout(900)
def test_two_hundred_real_pairs_are_voted_on_in_argilla_and_every_number_agrees_to_the_vote(
    real_data: Path, tmp_path: Path, site: Site, chromium: Browser
):
    studio = studio_for(site, tmp_path / "workspace")
    ana, bo, cy = (site.person(name) for name in ("ana", "bo", "cy"))
    ledgers: dict[str, Ledger] = {}
    n_pushed = 0
    for seed, language in enumerate(LANGUAGES):
        real_project(studio, language, real_data, tmp_path)
        pushed = studio.push(language, "argilla")
        assert pushed["differences"] == []
        n_pushed += pushed["new"]
        pairs = by_record(studio.store, language)
        ledger = ledgers[language] = {}
        dataset = dataset_of(studio.store, language)
        if language == LANGUAGES[0]:
            with signed_in(chromium, site, ana) as page:
                click_through(page, pushed["url"], ana, pairs, ledger, tmp_path)
                assert page.locator(".content-area > .--rtl").count() == 3
            assert len(ledger) == CLICKED
        else:
            answer_over_rest(ana, dataset, pairs, 10 + seed, CLICKED, ledger)
        answer_over_rest(bo, dataset, pairs, 20 + seed, BY_BO, ledger)
        if language == LANGUAGES[1]:
            assert studio.pull(language)["new"] == len(ledger)
            site.stack.kill_server()
            site.stack.start_server()
        answer_over_rest(cy, dataset, pairs, 30 + seed, BY_CY, ledger)
    assert n_pushed >= 200
    for language, ledger in ledgers.items():
        studio.pull(language)
        assert studio.pull(language)["new"] == 0
        assert stored(studio.store, language) == ledger
        check_numbers(studio, language, ledger, tmp_path)
    studio.store.close()


def check_numbers(studio: Studio, language: str, ledger: Ledger, scratch: Path) -> None:
    """Progress, agreement, curation and export against what was clicked, worked out here from the ledger alone."""
    opinions = {key: choice for key, choice in ledger.items() if choice != "skip"}
    status = studio.status(language)
    assert (status.votes, status.skipped) == (len(opinions), len(ledger) - len(opinions))
    with studio.argilla() as backend:
        told = {one.annotator: one.submitted for one in backend.progress(language).annotators}
    assert told == dict(Counter(name for name, _ in ledger))
    measured = studio.agreement(language)["coefficients"]["percent"]
    assert measured["value"] == pytest.approx(agreement_by_hand(ledger))
    summary = studio.save_rules(language, Rules(min_votes=2))
    pairs = {pair["pair_id"]: pair for pair in studio.store.pairs(language).to_dict("records")}
    decided = {pair: majority_by_hand(ledger, pair) for pair in pairs}
    wins = {pair for pair, choice in decided.items() if choice in ("first", "second")}
    assert summary["consensus"]["decided"] == len(wins)
    written = studio.export(language, ["dpo"], out_dir=scratch / f"release {language}")
    rows = [row for file in written.files for row in pq.read_table(file.path).to_pylist()]
    assert len(rows) == written.preferences > 0
    by_prompt = {pair["prompt"]: pair for pair in pairs.values()}
    for row in rows:
        pair = by_prompt[row["prompt"][0]["content"]]
        assert row["chosen"][0]["content"] == pair[decided[pair["pair_id"]]]
        assert pair["first_source"] == HUMAN


def test_twenty_people_at_once_lose_and_double_no_vote(store: Store, site: Site):
    backend = ArgillaBackend(store, site.owner, site.workspace)
    backend.push(NAME, fill(store, pairs=10))
    dataset, pairs = dataset_of(store, NAME), by_record(store)
    people = [site.person(f"p{number}") for number in range(20)]
    ledgers: list[Ledger] = [{} for _ in people]
    failed: list[BaseException] = []

    def vote(number: int) -> None:
        try:
            answer_over_rest(people[number], dataset, pairs, number, 10, ledgers[number])
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=vote, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    backend.pull(NAME)
    for thread in threads:
        thread.join(timeout=200)
    assert failed == []
    backend.pull(NAME)
    given = {key: choice for ledger in ledgers for key, choice in ledger.items()}
    assert len(given) == 200
    assert stored(store, NAME) == given


def test_the_web_page_shows_texts_as_they_are_and_says_nowhere_who_wrote_them(store: Store, site: Site, chromium: Browser):
    backend = ArgillaBackend(store, site.owner, site.workspace)
    told = backend.push(NAME, fill(store, pairs=1))
    ana = site.person("ana")
    bodies: list[str] = []
    with signed_in(chromium, site, ana) as page:
        page.on("response", lambda got: bodies.append(got.text()) if "/api/" in got.url and got.ok else None)
        page.goto(told.url)
        expect(page.locator(".content-area > div")).to_have_count(3)
        prompt, *texts = shown(page)
        assert prompt == as_html_reads(f"{TEXT} 0")
        assert sorted(texts) == ["human 0", "machine 0"]
        assert page.locator(".content-area b, .content-area iframe").count() == 0
        page.wait_for_load_state("networkidle")
        everything = page.content() + "".join(bodies)
    assert any("records/search" in body or "human 0" in body for body in bodies)
    for secret in (MODEL, '"seal"', "Seal", "first_id", "source_"):
        assert secret not in everything, secret
    (pair,) = store.pairs(NAME).to_dict("records")
    assert pair["first_id"] not in everything
