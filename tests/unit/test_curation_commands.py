"""What a coordinator does with votes in the terminal: rules, what they leave out, contested pairs, decisions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.records import Choice
from tests.pages.judging import NAME, add_project, workspace_of

Run = Any


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command on a project of four pairs: agreed, split, too few votes, a tie; return exit code and answer."""
    with workspace_of(tmp_path / "workspace") as studio:
        add_project(studio, "hhh", "hmm", "h", "tt")

        def command(name: str, *arguments: object) -> tuple[int, dict[str, Any]]:
            code = main([name, NAME, *map(str, arguments), "--json"])
            return code, json.loads(capsys.readouterr().out)

        command.studio = studio
        yield command


def rules_of(run: Run) -> dict[str, object]:
    return dict(run.studio.store.project(NAME).rules)


def test_each_rule_of_the_curate_page_is_an_option_and_the_others_stay_as_saved(run):
    code, told = run("curate", "--min-support", 0.7, "--ties", "human", "--judge-from", 0.9, "--calibrate")
    assert (code, told["preferences"]) == (0, 2)
    assert told["excluded"] == {"too_few_votes": 1, "low_support": 1}
    assert told["advice"]["method"] == "majority"
    run("curate", "--method", "weighted", "--min-votes", 1, "--min-confidence", 0.1, "--judge-from", "never", "--no-calibrate")
    assert rules_of(run) == {
        "method": "weighted",
        "min_votes": 1,
        "min_support": 0.7,
        "min_confidence": 0.1,
        "ties": "human",
        "judge_from": None,
        "calibrate": False,
    }


def test_rules_can_be_tried_without_saving_them(run):
    _, told = run("curate", "--min-votes", 1, "--dry-run")
    assert told["preferences"] == 3
    assert rules_of(run) == {}


def test_rules_that_make_no_sense_are_refused_with_a_way_out(run):
    code, told = run("curate", "--min-support", 70)
    assert (code, "shares from 0 to 1" in told["error"]) == (1, True)
    with pytest.raises(SystemExit, match="2"):
        run("curate", "--judge-from", "sometimes")


def test_a_pair_that_is_left_out_is_listed_and_brought_back_by_a_decision(run):
    _, told = run("left-out", "--reason", "too_few_votes")
    (row,) = told["left_out"]
    assert (told["pairs"], row["detail"]) == (1, "1 of 2 votes")
    _, read = run("history", row["pair_id"])
    better = "a" if read["a"].startswith("h") else "b"
    _, done = run("decide", row["pair_id"], better, "--reviewer", "Rosa", "--reason", "only this one answers")
    assert done["decided"] == better
    (decision,) = run.studio.store.decisions(NAME).to_dict("records")
    assert (decision["choice"], decision["annotator"], decision["reason"]) == (Choice.FIRST, "Rosa", "only this one answers")
    assert run("left-out", "--reason", "too_few_votes")[1]["left_out"] == []
    run("decide", row["pair_id"], "skip", "--reviewer", "Rosa", "--reason", "the votes will come")
    assert run("left-out", "--reason", "too_few_votes")[1]["pairs"] == 1
    assert run.studio.store.vote_counts(NAME)["votes"] == 9


def test_the_contested_queue_is_listed_and_read_blind(run):
    _, told = run("contested", "--order", "margin")
    (row,) = told["contested"]
    assert (told["pairs"], told["waiting"], row["n_votes"], row["is_decided"]) == (1, 1, 3, False)
    _, read = run("history", row["pair_id"])
    votes = {"a": 0, "b": 0}
    for said in read["history"]:
        votes[said["said"]] += 1
    assert sorted(votes.values()) == [1, 2]
    assert [said["who"] for said in read["history"]] == ["Annotator 1", "Annotator 2", "Annotator 3"]
    assert "human" not in json.dumps(read)
    assert run("contested", "--order", "audit", "--limit", 2)[1]["pairs"] == 4


def test_the_pairs_on_which_the_methods_differ_are_listed(run):
    _, told = run("flips")
    assert told["pairs"] == len(told["flips"])


def test_a_pair_that_is_not_there_a_decision_without_a_reason_and_a_strange_answer_are_refused(run):
    code, told = run("history", "nowhere")
    assert (code, told["error"]) == (1, "There is no pair nowhere in this project.")
    pair_id = run("contested")[1]["contested"][0]["pair_id"]
    code, told = run("decide", pair_id, "a", "--reviewer", "Rosa", "--reason", " ")
    assert (code, told["error"]) == (1, "A decision needs a reason.")
    with pytest.raises(SystemExit, match="2"):
        run("decide", pair_id, "first", "--reviewer", "Rosa", "--reason", "why")
    assert run.studio.store.decisions(NAME).empty


def test_without_votes_nothing_is_contested_and_every_pair_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with workspace_of(tmp_path / "workspace") as studio:
        add_project(studio, n_pairs=2)
        told = {}
        for name in ("curate", "left-out", "flips", "contested", "agreement"):
            assert main([name, NAME, "--json"]) == 0, name
            told[name] = json.loads(capsys.readouterr().out)
    assert told["curate"]["excluded"] == {"no_votes": 2}
    assert [row["reason"] for row in told["left-out"]["left_out"]] == ["no_votes"] * 2
    assert (told["flips"]["pairs"], told["contested"]["pairs"], told["agreement"]["votes"]) == (0, 0, 0)
