"""Real people's prompts and answers, from a file to training files, through the terminal and a model server."""

import json
from collections import Counter
from pathlib import Path

import datasets
import pytest

from pipeline import wiring
from pipeline.records import Endpoint
from pipeline.settings import Settings
from tests.fakes.model_server import ModelServer
from tests.real_rows import aya_rows, oasst_rows, write_rows
from tests.studies import pandalm, write_study
from tests.terminal import studio


def votes_for(pairs: list[dict[str, str]], path: Path) -> Path:
    """A finished study on stored pairs: three people, who prefer the human answer two to one on every third pair."""
    lines = []
    for number, pair in enumerate(pairs):
        human, model = ("a", "b") if pair["first_source"] == "human" else ("b", "a")
        choices = [human, human, model] if number % 3 == 0 else [human] * 3 if number % 3 == 1 else ["tie", "both_bad", human]
        lines += [
            {
                "prompt": pair["prompt"],
                "response_a": pair["first"],
                "response_b": pair["second"],
                "source_a": pair["first_source"],
                "source_b": pair["second_source"],
                "annotator": annotator,
                "choice": choice,
            }
            for annotator, choice in zip(("ana", "bo", "cy"), choices, strict=True)
        ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def test_every_language_of_the_real_rows_becomes_a_project_with_answers_from_a_server(real_data: Path, tmp_path: Path):
    rows = oasst_rows(real_data) + aya_rows(real_data)
    assert len(rows) == 1017
    source = write_rows(tmp_path / "real.jsonl", rows)
    opened = wiring.open_studio(Settings.from_env({}, workspace=tmp_path / "workspace"))
    with ModelServer() as server:
        for language, n_rows in Counter(row["language"] for row in rows).items():
            project = opened.new_project(language, language, str(source), seed=1)
            status = opened.status(project.name)
            assert status.prompts + len(opened.store.exclusions(project.name)) == n_rows
            report = opened.generate(language, Endpoint(model="tiny", base_url=server.base_url))
            assert report["stored"] == status.prompts
            assert report["failed"] == {}
        asked = len(server.asked)
    assert asked == sum(one.prompts for one in map(opened.status, (p.name for p in opened.store.projects())))
    opened.store.close()


def test_the_chain_runs_in_the_terminal_and_its_export_loads_back(real_data: Path, tmp_path: Path):
    workspace = tmp_path / "workspace"
    source = write_rows(tmp_path / "real.jsonl", oasst_rows(real_data) + aya_rows(real_data))
    made = studio(workspace, "new", "arabic", "--language", "Standard Arabic", "--source", source, "--limit", 40, "--seed", 3)
    assert made.code == 0, made.messages
    assert made.answer["prompts"] == 40
    with ModelServer() as server:
        endpoint = ("--model", "tiny", "--base-url", server.base_url)
        generated = studio(workspace, "generate", "arabic", *endpoint)
        assert generated.code == 0, generated.messages
        assert generated.answer["stored"] == 40
        again = studio(workspace, "generate", "arabic", *endpoint)
        assert (again.answer["stored"], again.answer["already_stored"]) == (0, 40)
        assert len(server.asked) == 40
    opened = wiring.open_studio(Settings.from_env({}, workspace=workspace))
    pairs = opened.store.pairs("arabic").to_dict("records")
    opened.store.close()
    voted = studio(workspace, "import-votes", "arabic", votes_for(pairs, tmp_path / "votes.jsonl"))
    assert (voted.code, voted.answer["votes"], voted.answer["pairs"]) == (0, 120, 0), voted.messages

    measured = studio(workspace, "agreement", "arabic").answer
    assert (measured["votes"], measured["pairs"], measured["annotators"]) == (120, 40, 3)
    curated = studio(workspace, "curate", "arabic", "--min-votes", 3).answer
    # Pairs 0, 3, ... 39 are won two to one, 1, 4, ... 37 three to none; of 2, 5, ... 38 no choice has two votes.
    assert curated["preferences"] == 27
    assert curated["excluded"] == {"no_consensus": 13}
    assert curated["chosen_by_source"] == {"human": 27}

    first = studio(workspace, "export", "arabic", "--format", "all", "--out", tmp_path / "one")
    second = studio(workspace, "export", "arabic", "--format", "all", "--out", tmp_path / "two")
    assert (first.code, second.code) == (0, 0), first.messages + second.messages
    bytes_of = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "one", tmp_path / "two")
    ]
    assert bytes_of[0] == bytes_of[1]
    for file in first.answer["files"]:
        kind = "parquet" if file["path"].endswith(".parquet") else "json"
        loaded = datasets.load_dataset(kind, data_files=file["path"], split="train", cache_dir=str(tmp_path / "cache"))
        assert len(loaded) == file["rows"]
    dpo = [file["path"] for file in first.answer["files"] if file["format"] == "dpo" and file["path"].endswith(".parquet")]
    rows = [row for path in dpo for row in datasets.Dataset.from_parquet(path, cache_dir=str(tmp_path / "cache"))]
    human_of = {pair["prompt"]: pair["first" if pair["first_source"] == "human" else "second"] for pair in pairs}
    assert len(rows) == 27
    for row in rows:
        assert row["chosen"] == [{"role": "assistant", "content": human_of[row["prompt"][0]["content"]]}]


def test_pandalm_comes_out_as_published(real_data: Path, tmp_path: Path):
    file = write_study(tmp_path / "pandalm.jsonl", pandalm(real_data))
    workspace = tmp_path / "workspace"
    taken = studio(workspace, "import-votes", "pandalm", file, "--language", "English")
    assert taken.code == 0, taken.messages
    assert (taken.answer["votes"], taken.answer["annotators"]) == (2997, 3)
    assert studio(workspace, "import-votes", "pandalm", file).answer["votes"] == 0

    measured = studio(workspace, "agreement", "pandalm").answer
    # Published: Cohen .85, .88, .86 between annotators 1-2, 1-3, 2-3.
    cohen = {(pair["a"], pair["b"]): round(pair["cohen"], 2) for pair in measured["annotator_pairs"]}
    assert cohen == {("annotator1", "annotator2"): 0.85, ("annotator1", "annotator3"): 0.88, ("annotator2", "annotator3"): 0.86}
    assert measured["coefficients"]["krippendorff_nominal"]["value"] == pytest.approx(0.864221, abs=1e-6)
    curated = studio(workspace, "curate", "pandalm", "--min-votes", 3).answer
    # Published majority: 105 ties, 422 for the first response, 472 for the second.
    assert curated["consensus"]["tie"] == 105
    assert curated["consensus"]["decided"] == 422 + 472
    assert curated["excluded"] == {"tie": 105}
    assert curated["preferences"] == 422 + 472
    assert curated["preferences"] + sum(curated["excluded"].values()) == 999
