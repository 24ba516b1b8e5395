"""The chain in the terminal on the demonstration sample, and what a person sees when something is wrong."""

import json
from pathlib import Path

import datasets
import pytest

from tests.fakes.model_server import RATED, ModelServer, Reply
from tests.real_rows import write_rows
from tests.terminal import studio

STATUS = {
    "name",
    "language",
    "prompts",
    "responses",
    "pairs",
    "votes",
    "annotators",
    "completed_pairs",
    "preferences",
    "releases",
    "spent_usd",
}
LANGUAGE = {
    "language",
    "code",
    "rows",
    "contributors",
    "original",
    "re_annotated",
    "prompt_chars_mean",
    "prompt_chars_max",
    "answer_chars_mean",
    "answer_chars_max",
    "script",
    "direction",
}
COEFFICIENTS = {
    "percent",
    "cohen_mean",
    "fleiss",
    "krippendorff_nominal",
    "krippendorff_ordinal",
    "gwet_ac1",
    "gwet_ac2",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "workspace"


def test_the_demonstration_goes_from_sample_to_training_files(workspace: Path, tmp_path: Path):
    made = studio(workspace, "demo", "--language", "Hindi")
    assert (made.code, made.messages) == (0, "")
    assert set(made.answer) >= STATUS
    assert made.answer["prompts"] == made.answer["responses"] == made.answer["pairs"] == 15
    assert studio(workspace, "demo", "--language", "Hindi").answer == made.answer
    name = made.answer["name"]
    assert [project["name"] for project in studio(workspace, "status").answer["projects"]] == [name]

    measured = studio(workspace, "agreement", name).answer
    assert set(measured["coefficients"]) >= COEFFICIENTS
    for coefficient in measured["coefficients"].values():
        assert set(coefficient) >= {"value", "low", "high", "n", "why"}
    curated = studio(workspace, "curate", name, "--method", "majority", "--min-votes", 3).answer
    assert set(curated) >= {"method", "pairs", "preferences", "excluded", "chosen_by_source", "consensus"}
    assert curated["preferences"] + sum(curated["excluded"].values()) == curated["pairs"] == 15
    assert sum(curated["consensus"].values()) == 15

    written = studio(workspace, "export", name, "--format", "all", "--out", tmp_path / "release")
    assert written.code == 0, written.messages
    formats = {file["format"] for file in written.answer["files"]}
    assert formats == {"dpo", "orpo", "kto", "reward", "sft", "votes"}
    path = next(file["path"] for file in written.answer["files"] if file["path"].endswith("dpo/train.parquet"))
    rows = datasets.Dataset.from_parquet(path, cache_dir=str(tmp_path / "cache"))
    assert len(rows) == curated["preferences"]
    assert "demonstration" in (tmp_path / "release" / "README.md").read_text(encoding="utf-8").lower()


def test_languages_come_from_the_published_figures_and_from_the_sample(workspace: Path):
    published = studio(workspace, "languages").answer["languages"]
    assert len(published) == 71
    assert set(published[0]) >= LANGUAGE
    dutch = next(row for row in published if row["language"] == "Dutch")
    # The published length of Dutch prompts and answers; who contributed was not published.
    assert (dutch["rows"], dutch["prompt_chars_max"], dutch["answer_chars_max"], dutch["contributors"]) == (
        1733,
        3030,
        21707,
        None,
    )
    sample = studio(workspace, "languages", "--source", "sample").answer["languages"]
    assert len(sample) == 10
    assert {row["rows"] for row in sample} == {15}


def test_a_judge_gives_judgements_and_never_votes(workspace: Path):
    studio(workspace, "demo")
    with ModelServer(models=("judge",)) as server:
        server.answer = lambda _: Reply(text=RATED.format(5, 2))
        judged = studio(workspace, "judge", "Demonstration English", "--model", "judge", "--base-url", server.base_url)
    assert judged.code == 0, judged.messages
    # Three of the fifteen pairs are set aside; each of the others is judged in both orders.
    assert (judged.answer["set_aside"], judged.answer["stored"]) == (3, 24)
    assert studio(workspace, "status", "Demonstration English").answer["projects"][0]["annotators"] == 5


def test_a_contested_pair_is_found_read_blind_and_decided(workspace: Path):
    name = studio(workspace, "demo", "--language", "Hindi").answer["name"]
    before = studio(workspace, "curate", name, "--dry-run").answer
    (first, *_) = studio(workspace, "contested", name, "--limit", 0).answer["contested"]
    read = studio(workspace, "history", name, first["pair_id"]).answer
    assert {said["said"] for said in read["history"]} <= {"a", "b", "tie", "both_bad", "skip"}
    said = ("--reviewer", "Rosa", "--reason", "प्रश्न का उत्तर नहीं है")
    decided = studio(workspace, "decide", name, first["pair_id"], "both_bad", *said)
    assert decided.code == 0, decided.messages
    after = studio(workspace, "curate", name).answer
    assert after["consensus"]["both_bad"] == before["consensus"]["both_bad"] + 1


def test_push_pairs_and_pull_finds_the_votes_at_home(workspace: Path):
    studio(workspace, "demo")
    assert studio(workspace, "push", "Demonstration English", "--backend", "local").answer["new"] == 0
    assert studio(workspace, "pull", "Demonstration English").answer["new"] == 0
    refused = studio(workspace, "push", "Demonstration English", "--backend", "argilla")
    assert (refused.code, "ARGILLA_API_URL" in refused.answer["hint"]) == (1, True)


def test_wrong_usage_exits_with_2(workspace: Path):
    assert studio(workspace, "curate").code == 2
    assert studio(workspace, "new", "x", "--language", "Dutch", "--source", "sample", "--limit", 0).code == 2


def refusal(workspace: Path, *arguments: object) -> str:
    """Run a command that must be refused; return message and hint as one text."""
    result = studio(workspace, *arguments)
    assert result.code == 1, result
    assert set(result.answer) == {"error", "hint"}
    assert result.answer["error"] in result.messages
    assert "Traceback" not in result.messages
    return f"{result.answer['error']} {result.answer['hint']}"


def test_bad_input_is_refused_with_a_way_out_and_changes_nothing(workspace: Path, tmp_path: Path):
    studio(workspace, "demo")
    name = "Demonstration English"
    before = studio(workspace, "status").answer
    assert name in refusal(workspace, "agreement", "Demonstration Englsh")
    assert "Dutch" in refusal(workspace, "new", "x", "--language", "Duthc", "--source", "sample")
    assert "already there" in refusal(workspace, "new", name, "--language", "English", "--source", "sample")
    file = write_rows(tmp_path / "rows.jsonl", [{"inputs": "Hoi?", "language": "Dutch"}])
    assert "targets" in refusal(workspace, "new", "x", "--language", "Dutch", "--source", file)
    assert "nowhere.jsonl" in refusal(workspace, "new", "x", "--language", "Dutch", "--source", tmp_path / "nowhere.jsonl")
    unknown = write_rows(tmp_path / "votes.jsonl", [{"prompt": "p", "choice": "maybe"}])
    assert "line 1" in refusal(workspace, "import-votes", name, unknown)
    assert "--language" in refusal(workspace, "import-votes", "nobody", unknown)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    assert "not touched" in refusal(workspace, "export", name, "--format", "dpo", "--out", taken)
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]
    assert studio(workspace, "status").answer == before


def test_a_server_that_is_not_there_or_refuses_the_key_is_explained(workspace: Path):
    studio(workspace, "new", "p", "--language", "Dutch", "--source", "sample", "--limit", 2)
    gone = refusal(workspace, "generate", "p", "--model", "m", "--base-url", "http://127.0.0.1:9/v1")
    assert "127.0.0.1:9" in gone or "server" in gone
    with ModelServer(key="right") as server:
        endpoint = ("--model", "tiny", "--base-url", server.base_url, "--api-key-env", "SOME_KEY")
        assert "SOME_KEY" in refusal(workspace, "generate", "p", *endpoint)
        wrong = studio(workspace, "generate", "p", *endpoint, SOME_KEY="wr0ng-secret")
        assert wrong.code == 1
        assert "refuses the key" in wrong.answer["error"]
        assert "wr0ng-secret" not in json.dumps(wrong.answer) + wrong.messages
        right = studio(workspace, "generate", "p", *endpoint, SOME_KEY="right")
        assert right.answer["stored"] == 2
    assert b"wr0ng-secret" not in (workspace / "studio.db").read_bytes()
