"""The languages page: alive before any download, true after it, and the way to a first project."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from streamlit.testing.v1 import AppTest

from pipeline import languages
from pipeline.adapters.store import open_store
from tests.fakes.hub import Hub
from tests.visitor import visitor

FILE = "data/train-00000-of-00001.parquet"


@pytest.fixture
def page(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The real entry script on an empty workspace, at the languages page, with a hub that does not have the dataset."""
    with Hub({}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("STUDIO_WORKSPACE", str(workspace))
        at = visitor().run()
        yield at.switch_page("../pages/languages.py").run()


def texts(at: AppTest) -> str:
    """Everything the page says, HTML blocks included."""
    every = [*at.markdown, *at.caption, *at.info, *at.error, *at.warning, *at.subheader, *at.get("html")]
    return "\n".join(str(getattr(each, "value", None) or each.proto.body) for each in every)


def use_file(at: AppTest, path: Path, rows: list[dict[str, str]]) -> AppTest:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    at.radio(key="source").set_value("file").run()
    return at.text_input(key="path").set_value(str(path)).run()


def language_box(at: AppTest):
    return next(box for box in at.selectbox if box.label == "Language")


def test_the_page_opens_on_published_figures_and_says_so(page: AppTest):
    assert not page.exception
    assert page.title[0].value == "Which language shall we work on?"
    assert {metric.label: metric.value for metric in page.metric}["Rows"] == "202,362"
    assert "Published figures of CohereForAI/aya_dataset" in texts(page)
    table = page.dataframe[0].value
    assert len(table) == 71
    assert table.set_index("language").loc["Dutch", "rows"] == 1733
    assert "contributors" not in table  # not published: not shown rather than shown empty


def test_the_search_finds_other_names_codes_and_scripts(page: AppTest):
    for words, found in (
        ("farsi", {"Iranian Persian"}),
        ("zho", {"Simplified Chinese", "Traditional Chinese"}),
        ("ethiopic", {"Amharic"}),
    ):
        at = page.text_input(key="search").set_value(words).run()
        assert set(at.dataframe[0].value["language"]) == found
    at = page.text_input(key="search").set_value("qqq").run()
    assert "No language has these words" in texts(at)
    assert not at.exception


def test_a_language_of_which_only_figures_are_here_leads_to_its_rows(page: AppTest):
    at = language_box(page).set_value("Dutch").run()
    assert "start a project" in texts(at)
    at = next(button for button in at.button if "All of Aya" in button.label).click().run()
    assert at.radio(key="source").value == "hub"
    assert any(button.label == "Download Aya (137 MB)" for button in at.button)


def test_a_download_that_fails_says_what_to_do(page: AppTest):
    page.radio(key="source").set_value("hub").run()
    next(button for button in page.button if button.label.startswith("Download Aya")).click().run()
    deadline = time.monotonic() + 30
    while not page.error and time.monotonic() < deadline:
        time.sleep(0.3)
        page.run()
    assert "does not have this dataset" in page.error[0].value
    assert "demonstration sample" in page.error[0].value
    assert any(button.label.startswith("Download Aya") for button in page.button)


def test_a_download_ends_in_figures_counted_from_its_rows(page: AppTest, monkeypatch: pytest.MonkeyPatch):
    rows = {"inputs": ["p1", "p2"], "targets": ["t1", "t2"], "language": ["Dutch", "Urdu"], "language_code": ["nld", "urd"]}
    content = io.BytesIO()
    pa.parquet.write_table(pa.table(rows), content)
    facts = languages.totals()
    with Hub({FILE: content.getvalue()}, dataset=facts.dataset, revision=facts.revision) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        page.radio(key="source").set_value("hub").run()
        next(button for button in page.button if button.label.startswith("Download Aya")).click().run()
        deadline = time.monotonic() + 30
        while "Counted from the rows" not in texts(page) and time.monotonic() < deadline:
            time.sleep(0.3)
            page.run()
    assert "Counted from the rows" in texts(page)
    assert set(page.dataframe[0].value["language"]) == {"Dutch", "Urdu"}
    assert not page.exception


def test_the_demonstration_shows_examples_and_says_that_it_is_not_aya(page: AppTest):
    page.radio(key="source").set_value("sample").run()
    assert any("not Aya" in info.value for info in page.info)
    at = language_box(page).set_value("Dutch").run()
    assert not at.exception
    cards = [each.proto.body for each in at.get("html") if "Human answer" in each.proto.body]
    assert len(cards) == 3
    shown = list(cards)
    at = next(button for button in at.button if button.label == "Show others").click().run()
    assert [each.proto.body for each in at.get("html") if "Human answer" in each.proto.body] != shown


def test_the_rules_count_at_once_what_they_leave_out(page: AppTest, tmp_path: Path):
    rows = [
        {"inputs": inputs, "targets": "An answer.", "language": "Dutch"}
        for inputs in ("Is this a long enough prompt?", "is this a long enough prompt", "ok", "A second prompt, also long.")
    ]
    at = language_box(use_file(page, tmp_path / "rows.jsonl", rows)).set_value("Dutch").run()
    counts = at.dataframe[2].value.set_index("these rows")["rows"].to_dict()
    assert counts == {"become prompts": 3, "almost the same prompt is there already": 1}
    at = at.number_input(key="min-prompt-Dutch").set_value(5).run()
    counts = at.dataframe[2].value.set_index("these rows")["rows"].to_dict()
    assert counts["prompt or answer is shorter than the rules allow"] == 1
    at = at.selectbox(key="why-Dutch").set_value("too_short").run()
    assert at.dataframe[3].value["prompt"].to_list() == ["ok"]


def test_every_row_left_out_can_be_seen(page: AppTest, tmp_path: Path):
    rows = [{"inputs": f"Prompt {i} is here?", "targets": " ", "language": "Dutch"} for i in range(300)]
    at = language_box(use_file(page, tmp_path / "rows.jsonl", rows)).set_value("Dutch").run()
    assert len(at.dataframe[3].value) == 300


def test_rules_that_no_row_meets_say_so_and_offer_no_form(page: AppTest, tmp_path: Path):
    rows = [{"inputs": "Short", "targets": "An answer.", "language": "Dutch"}]
    language_box(use_file(page, tmp_path / "rows.jsonl", rows)).set_value("Dutch").run()
    at = page.number_input(key="min-prompt-Dutch").set_value(50).run()
    assert "No row passes these rules" in at.warning[0].value
    at = at.number_input(key="max-prompt-Dutch").set_value(10).run()
    assert "at least 50 and at most 10" in at.error[0].value


def test_a_project_starts_with_the_rules_limit_and_seed_chosen(page: AppTest, workspace: Path, tmp_path: Path):
    rows = [{"inputs": f"Prompt number {i}?", "targets": "An answer.", "language": "Urdu"} for i in range(9)]
    language_box(use_file(page, tmp_path / "rows.jsonl", rows)).set_value("Urdu").run()
    form = {widget.label.split(" (")[0]: widget for widget in [*page.text_input, *page.number_input]}
    form["Name"].set_value("our-urdu")
    form["How many prompts"].set_value(4)
    form["Votes wanted on each pair"].set_value(2)
    page.button(key=next(b.key for b in page.button if b.label == "Start with Urdu")).click().run()
    assert not page.exception
    store = open_store(f"sqlite:///{workspace / 'studio.db'}")
    project = store.project("our-urdu")
    assert (project.language, project.code, project.votes_wanted) == ("Urdu", "urd", 2)
    assert len(store.prompts("our-urdu")) == 4
    assert store.exclusions("our-urdu")["reason"].value_counts().to_dict() == {"over_limit": 5}
    store.close()


def test_a_name_that_is_taken_is_refused_and_nothing_is_lost(page: AppTest, tmp_path: Path):
    rows = [{"inputs": "A prompt?", "targets": "An answer.", "language": "Dutch"}]
    use_file(page, tmp_path / "rows.jsonl", rows)
    for _ in range(2):
        page.switch_page("../pages/languages.py").run()
        use_file(page, tmp_path / "rows.jsonl", rows)
        language_box(page).set_value("Dutch").run()
        next(button for button in page.button if button.label == "Start with Dutch").click().run()
    assert "already there" in page.error[0].value


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"prompt": "p", "targets": "t", "language": "Dutch"}', "no column inputs"), ("", "holds no rows"), ("{", "not JSON")],
)
def test_a_file_that_cannot_be_used_says_why(page: AppTest, tmp_path: Path, content: str, message: str):
    (tmp_path / "rows.jsonl").write_text(content, encoding="utf-8")
    page.radio(key="source").set_value("file").run()
    at = page.text_input(key="path").set_value(str(tmp_path / "rows.jsonl")).run()
    shown = at.error[0].value.replace("\\", "")
    assert message in shown
    assert not at.exception


def test_hostile_text_is_shown_as_text(page: AppTest, tmp_path: Path):
    hostile = "<script>alert(1)</script> **bold** $x$ :smile:"
    rows = [{"inputs": hostile, "targets": hostile, "language": "<b>Dutch</b> *x*"}]
    at = language_box(use_file(page, tmp_path / "rows.jsonl", rows)).set_value("<b>Dutch</b> *x*").run()
    assert not at.exception
    cards = [each.proto.body for each in at.get("html") if each.proto.body.startswith('<div class="studio-card"')]
    assert all("&lt;script&gt;" in card and "<script>" not in card for card in cards)
    assert len(cards) == 2
