"""The Big List of Naughty Strings goes from source to export unchanged, byte for byte."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline import wiring
from pipeline.export import ReleaseOptions
from pipeline.records import Choice, Role
from pipeline.settings import Settings
from pipeline.studio import Studio
from tests.real_rows import write_rows


@pytest.fixture
def strings(real_data: Path) -> list[str]:
    every = json.loads((real_data / "blns.json").read_text(encoding="utf-8"))
    # An empty string is no prompt; the others are told apart by a number so that none is a duplicate of another.
    return [f"{text} #{number}" for number, text in enumerate(every) if text.strip()]


@pytest.fixture
def studio(tmp_path: Path):
    opened = wiring.open_studio(Settings.from_env({}, workspace=tmp_path / "workspace"))
    yield opened
    opened.store.close()


def vote_for_the_human(studio: Studio, name: str, strings: list[str]) -> None:
    """Two annotators vote through the embedded backend; the reason is a naughty string too. A pair may be asked again."""
    for annotator in ("ana", "بو"):
        for text in strings:
            card = studio.local.next_card(name, annotator, now=datetime.now(UTC))
            while card is not None and card.role is Role.REPEAT:
                studio.local.cast(card, Choice.FIRST, seconds=1.0, now=datetime.now(UTC))
                card = studio.local.next_card(name, annotator, now=datetime.now(UTC))
            assert card is not None
            assert {card.shown_first, card.shown_second} == {f"human {card.prompt}", f"model {card.prompt}"}
            studio.local.cast(card, Choice.FIRST, reason=text, edited=text, seconds=1.0, now=datetime.now(UTC))


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_naughty_strings_pass_through_the_whole_chain_unchanged(strings, studio, tmp_path, ending):
    rows = [{"inputs": text, "targets": f"human {text}", "language": "English"} for text in strings]
    source = write_rows(tmp_path / "rows.jsonl", rows)
    if ending == "parquet":
        source = tmp_path / "rows.parquet"
        pd.DataFrame(rows).to_parquet(source)
    studio.new_project("naughty", "English", str(source), votes_wanted=2)
    kept = {prompt.text for prompt in studio.store.prompt_records("naughty")}
    excluded = studio.store.exclusions("naughty")
    assert kept <= set(strings)
    assert len(kept) + len(excluded) == len(strings)
    assert set(excluded["reason"]) <= {"near_duplicate"}
    assert set(excluded["text"]) | kept == set(strings)

    answers = [{"prompt": text, "response": f"model {text}", "model": "m"} for text in kept]
    file = write_rows(tmp_path / "answers.jsonl", answers)
    assert studio.import_responses("naughty", file)["stored"] == len(kept)
    # Screens set such answers aside, for they are strange; here the coordinator brings every one of them back.
    studio.set_aside("naughty", [each.id for each in studio.store.response_records("naughty")], is_out=False)
    vote_for_the_human(studio, "naughty", sorted(kept))
    votes = studio.store.votes("naughty")
    assert set(votes["reason"]) == kept
    assert set(votes["choice"]) == {"first"}

    written = studio.export("naughty", ["dpo", "votes"], tmp_path / "release", ReleaseOptions(jsonl=True))
    dpo = [file for file in written.files if file.format == "dpo"]
    from_parquet = [row for file in dpo if file.path.endswith("parquet") for row in pq.read_table(file.path).to_pylist()]
    # A line ends with "\n" alone: the strings hold other characters that Python's splitlines would cut at.
    from_jsonl = [
        json.loads(line)
        for file in dpo
        if file.path.endswith("jsonl")
        for line in Path(file.path).read_bytes().decode().split("\n")
        if line
    ]
    for exported in (from_parquet, from_jsonl):
        assert {row["prompt"][0]["content"] for row in exported} == kept
        for row in exported:
            assert row["chosen"][0]["content"] == "human " + row["prompt"][0]["content"]
            assert row["rejected"][0]["content"] == "model " + row["prompt"][0]["content"]
