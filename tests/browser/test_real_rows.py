"""Real prompts of three scripts: answered over HTTP, voted on in a real browser, exported, and loaded back."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from playwright.sync_api import expect

from pipeline import wiring
from pipeline.curate import Rules
from pipeline.settings import Settings
from pipeline.studio import Studio
from tests import terminal
from tests.browser.conftest import OpenPage
from tests.browser.test_journey import READ_MS
from tests.fakes.model_server import ModelServer
from tests.real_rows import aya_rows, oasst_rows, write_rows
from tests.serving import dashboard

N_PROMPTS = 5
LANGUAGES = ("Standard Arabic", "Russian", "Simplified Chinese")


@pytest.fixture
def studio(real_data: Path, workspace: Path, tmp_path: Path) -> Iterator[Studio]:
    """A project of five real prompts in each language, with an answer to each from a server."""
    opened = wiring.open_studio(Settings.from_env({}, workspace=workspace))
    source = write_rows(tmp_path / "real.jsonl", aya_rows(real_data) + oasst_rows(real_data))
    with ModelServer() as server:
        for language in LANGUAGES:
            opened.new_project(language, language, str(source), limit=N_PROMPTS, votes_wanted=1)
            terminal.studio(workspace, "generate", language, "--model", "tiny", "--base-url", server.base_url)
            opened.save_rules(language, Rules(min_votes=1))
    yield opened
    opened.store.close()


@pytest.mark.browser
def test_votes_cast_in_the_browser_become_the_rows_of_the_export(
    studio: Studio, workspace: Path, tmp_path: Path, open_page: OpenPage
):
    with dashboard(workspace) as address, open_page() as page:
        for language in LANGUAGES:
            texts = {pair["prompt"]: pair for pair in studio.store.pairs(language).to_dict("records")}
            page.goto(f"{address}/annotate?project={language}&annotator=noor")
            expected = {}
            for number in range(1, N_PROMPTS + 1):
                expect(page.get_by_text(f"Pair {number} of {N_PROMPTS}")).to_be_visible()
                shown = [part.text_content() for part in page.locator(".voting-card .studio-text").all()]
                pair = texts[shown[0]]
                assert set(shown[1:]) == {pair["first"], pair["second"]}
                expected[pair["prompt"]] = tuple(shown[1:])
                page.wait_for_timeout(READ_MS)
                page.get_by_role("button", name="Answer A is better").click()
            expect(page.get_by_text(f"You answered {N_PROMPTS} pairs.")).to_be_visible()
            written = studio.export(language, ["dpo"], tmp_path / language)
            path = next(file.path for file in written.files if file.path.endswith(".parquet"))
            rows = list(datasets.Dataset.from_parquet(path, cache_dir=str(tmp_path / "cache")))
            assert {
                row["prompt"][0]["content"]: (row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows
            } == expected
