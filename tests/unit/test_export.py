"""The export: files that train as they should, the same bytes each time, every row accounted for."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from pipeline import consensus, curate
from pipeline.adapters.store import Store
from pipeline.card import CardFacts, card
from pipeline.errors import ExportError
from pipeline.export import Contents, ExportResult, Format, Layout, ReleaseOptions, Split, gather, parse_formats, write_release
from pipeline.records import HUMAN, Choice, Judgement, Project, Prompt, Response, Vote, make_pair, prompt_id, response_id
from pipeline.release import zip_folder
from pipeline.rows import pseudonym
from pipeline.settings import Settings
from pipeline.wiring import open_studio

PROJECT = Project(
    name="Nederlands één", language="Dutch", code="nld", source="hub", revision="f9ea045", order_key="key", rules={"min_votes": 2}
)
Ballot = tuple[str, str]
ROOT = Path(__file__).resolve().parents[2]


class Study:
    """A project built by hand: each case is a prompt, a human answer, a model's answer, and who chose what."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.add_project(PROJECT)

    def add(self, prompt: str, human: str, model: str, ballots: Sequence[Ballot], *, edits: dict[str, str] | None = None) -> str:
        """Store one pair with its votes (`human`, `model`, `tie`, `both_bad`, `skip`); return its id."""
        asked = prompt_id("Dutch", prompt)
        texts = {HUMAN: human, "model-x": model}
        ids = {source: response_id(asked, source, text) for source, text in texts.items()}
        responses = [Response(id=ids[source], prompt_id=asked, source=source, text=text) for source, text in texts.items()]
        pair = make_pair(*responses)
        sides = {HUMAN: ids[HUMAN] == pair.first_id, "model": ids["model-x"] == pair.first_id}
        self.store.add_prompts(PROJECT.name, [Prompt(id=asked, text=prompt)])
        self.store.add_responses(PROJECT.name, responses)
        self.store.add_pairs(PROJECT.name, [pair])
        votes = [
            Vote(
                pair_id=pair.id,
                annotator=name,
                choice=(Choice.FIRST if sides[said] else Choice.SECOND) if said in sides else Choice(said),
                shown_first=ids[HUMAN],
                edited=(edits or {}).get(name, ""),
                reason="zomaar" if name == "ana" else "",
                seconds=4.5,
                guidelines_version="g1",
                at=f"2026-01-02T03:04:0{number}.000000+00:00",
            )
            for number, (name, said) in enumerate(ballots)
        ]
        self.store.add_votes(PROJECT.name, votes)
        return pair.id

    def gather(
        self,
        *formats: str,
        pairs: pd.DataFrame | None = None,
        votes: pd.DataFrame | None = None,
        screened: pd.DataFrame | None = None,
        shuffle: int | None = None,
        project: Project = PROJECT,
        options: ReleaseOptions | None = None,
    ) -> Contents:
        """Curate by majority and gather; what is given stands in for what is stored."""
        votes = self.store.votes(PROJECT.name) if votes is None else votes
        pairs = self.store.pairs(PROJECT.name) if pairs is None else pairs
        decided = consensus.decide(votes, method="majority", min_votes=2)
        curation = curate.curate(decided, pairs, curate.Rules(min_votes=2), screened=screened)
        frames = [curation.preferences, curation.excluded, pairs, votes, self.store.judgements(PROJECT.name), decided]
        if shuffle is not None:
            frames = [frame.sample(frac=1.0, random_state=shuffle) for frame in frames]
        names = ("preferences", "left_out", "pairs", "votes", "judgements", "consensus")
        return gather(project, **dict(zip(names, frames, strict=True)), formats=formats or ["all"], options=options)


@pytest.fixture
def study(store: Store) -> Study:
    return Study(store)


def small(study: Study) -> Study:
    """Human wins 3:0, model wins 2:1, one both bad, one tie."""
    study.add("Wat is kaas?", "Zuivel.", "Een hond.", [("ana", "human"), ("ben", "human"), ("cis", "human")])
    study.add("Wat is 2+2?", "Vijf.", "Vier.", [("ana", "model"), ("ben", "model"), ("cis", "human")])
    study.add("Wie ben jij?", "Nee.", "Niks.", [("ana", "both_bad"), ("ben", "both_bad"), ("cis", "skip")])
    study.add("Zing.", "La la.", "Lo lo.", [("ana", "tie"), ("ben", "tie")])
    return study


def by_prompt(rows: Sequence[dict]) -> dict[str, dict]:
    return {row["prompt"][0]["content"]: row for row in rows}


def write(contents: Contents, releases: Path, **options: Path) -> ExportResult:
    return write_release(contents, card=plain_card(contents), releases=releases, **options)


def plain_card(contents: Contents) -> str:
    """The least that lets `datasets` find the configurations."""
    configs = [
        {"config_name": kind, "data_files": [{"split": split, "path": f"{kind}/{split}.parquet"} for split in sizes]}
        for kind, sizes in contents.splits.items()
    ]
    return f"---\nconfigs: {json.dumps(configs)}\n---\n"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_dpo_rows_are_message_lists_with_their_provenance(study):
    rows = by_prompt(small(study).gather("dpo").preview(Format.DPO))
    assert rows.keys() == {"Wat is kaas?", "Wat is 2+2?"}
    row = rows["Wat is 2+2?"]
    assert row["prompt"] == [{"role": "user", "content": "Wat is 2+2?"}]
    assert row["chosen"] == [{"role": "assistant", "content": "Vier."}]
    assert row["rejected"] == [{"role": "assistant", "content": "Vijf."}]
    assert (row["chosen_source"], row["rejected_source"]) == ("model-x", "human")
    # Two of three votes.
    assert (row["n_votes"], row["agreement"], row["method"], row["language"]) == (3, pytest.approx(2 / 3), "majority", "Dutch")
    assert "margin" not in row


def test_the_margin_stands_in_reward_alone(study):
    rows = by_prompt(small(study).gather("reward").preview(Format.REWARD))
    # 3 of 3 for chosen; 2 of 3 for and 1 of 3 against.
    assert rows["Wat is kaas?"]["margin"] == pytest.approx(1.0)
    assert rows["Wat is 2+2?"]["margin"] == pytest.approx(1 / 3)


def test_kto_takes_winners_losers_ties_and_both_sides_of_a_bad_pair(study):
    rows = small(study).gather("kto").preview(Format.KTO, limit=20)
    labels = {(row["completion"][0]["content"], row["label"]) for row in rows}
    assert labels == {
        ("Zuivel.", True),
        ("Een hond.", False),
        ("Vier.", True),
        ("Vijf.", False),
        ("Nee.", False),
        ("Niks.", False),
        # A tie is said of two answers that are equally good.
        ("La la.", True),
        ("Lo lo.", True),
    }
    outcomes = {row["completion"][0]["content"]: row["outcome"] for row in rows}
    assert (outcomes["Zuivel."], outcomes["Vijf."], outcomes["Nee."], outcomes["La la."]) == ("won", "lost", "both_bad", "tie")


def test_kto_leaves_out_an_answer_that_won_once_and_lost_once(study):
    small(study)
    asked = prompt_id("Dutch", "Wat is kaas?")
    other = Response(id="zz", prompt_id=asked, source="model-y", text="Gestremde melk.")
    human = Response(id=response_id(asked, HUMAN, "Zuivel."), prompt_id=asked, source=HUMAN, text="Zuivel.")
    pair = make_pair(human, other)
    study.store.add_responses(PROJECT.name, [other])
    study.store.add_pairs(PROJECT.name, [pair])
    choice = Choice.FIRST if pair.first_id == other.id else Choice.SECOND
    study.store.add_votes(PROJECT.name, [Vote(pair_id=pair.id, annotator=name, choice=choice) for name in ("ana", "ben")])
    contents = study.gather("kto")
    answers = {row["completion"][0]["content"]: row["label"] for row in contents.preview(Format.KTO, limit=20)}
    assert "Zuivel." not in answers
    assert answers["Gestremde melk."] is True
    # The answer stood in two rows, once as winner and once as loser.
    assert contents.excluded_by_format == {"kto": {"won_and_lost": 2}}


def test_sft_takes_the_newest_edit_of_an_annotator_who_chose_that_answer(study):
    ballots = [("ana", "human"), ("ben", "human"), ("cis", "model")]
    edits = {"ana": "Een zuivelproduct.", "ben": "Kaas is zuivel.", "cis": "Een goede hond."}
    study.add("Wat is kaas?", "Zuivel.", "Een hond.", ballots, edits=edits)
    study.add("Wat is 2+2?", "Vier.", "Vijf.", [("ana", "human"), ("ben", "human")])
    rows = by_prompt(study.gather("sft").preview(Format.SFT))
    assert rows["Wat is kaas?"]["completion"] == [{"role": "assistant", "content": "Kaas is zuivel."}]
    assert (rows["Wat is kaas?"]["edited"], rows["Wat is kaas?"]["source"]) == (True, "human")
    assert (rows["Wat is 2+2?"]["completion"][0]["content"], rows["Wat is 2+2?"]["edited"]) == ("Vier.", False)


def test_votes_are_raw_and_under_pseudonyms(study):
    rows = small(study).gather("votes").preview(Format.VOTES, limit=50)
    # 3 + 3 + 3 + 2 votes; a skip is a vote that counts as none, but it was cast.
    assert len(rows) == 11
    assert {row["choice"] for row in rows} == {"first", "second", "tie", "both_bad", "skip"}
    assert all(row[f"{row['shown_first']}_source"] == "human" for row in rows)
    assert {row["annotator"] for row in rows} == {pseudonym(name, key="key") for name in ("ana", "ben", "cis")}
    assert "ana" not in json.dumps(rows)
    # In the order of the pseudonyms: that of the real names would tell them.
    three = [row["annotator"] for row in rows if row["prompt"] == "Wat is kaas?"]
    assert three == sorted(three)
    one = next(row for row in rows if row["annotator"] == pseudonym("ana", key="key") and row["prompt"] == "Zing.")
    assert (one["reason"], one["seconds"], one["guidelines_version"]) == ("zomaar", 4.5, "g1")
    assert one["at"] == "2026-01-02T03:04:00.000000+00:00"


def test_votes_without_a_secret_key_are_refused():
    with pytest.raises(ExportError, match="no secret key"):
        pseudonym("ana", key="")
    assert pseudonym("ana", key="one") != pseudonym("ana", key="two")


def test_every_pair_is_in_the_file_or_under_a_reason(study):
    contents = small(study).gather()
    assert contents.excluded == {"both_bad": 1, "tie": 1}
    assert contents.counts == {"pairs": 4, "votes": 10, "skipped": 1, "annotators": 3, "prompts": 2, "preferences": 2}
    assert contents.counts["preferences"] + sum(contents.excluded.values()) == contents.counts["pairs"]
    assert contents.chosen_by_source == {"human": 1, "model-x": 1}


def test_rows_no_trainer_can_use_are_counted_not_written():
    texts = [("p1", "goed", "slecht"), ("p2", "gelijk", "gelijk"), ("p3", " ", "x"), ("p4", "half \ud83d", "x")]
    frame = pd.DataFrame(texts, columns=["prompt_id", "chosen", "rejected"], dtype=object)
    frame = frame.assign(prompt="?", pair_id=frame["prompt_id"], chosen_id="a", rejected_id="b", n_votes=2, support=1.0)
    frame = frame.assign(chosen_source="human", rejected_source="m", annotation_type="", confidence=1.0, method="majority")
    names = {"chosen": "first", "rejected": "second", "chosen_id": "first_id", "rejected_id": "second_id"}
    pairs = frame.drop(columns=["support", "confidence", "method"]).rename(
        columns=names | {"chosen_source": "first_source", "rejected_source": "second_source"}
    )
    votes = pd.DataFrame(columns=["pair_id", "n_votes", "annotator", "choice", "edited", "at"])
    judgements = pd.DataFrame(columns=["pair_id", "judge", "rating_first", "rating_second"])
    none = pd.DataFrame(columns=["pair_id", "n_votes", "support", "confidence", "method"])
    ties = pd.DataFrame({"pair_id": ["t1", "t2"], "reason": "tie"})
    contents = gather(
        PROJECT,
        preferences=frame,
        left_out=ties,
        pairs=pairs,
        votes=votes,
        judgements=judgements,
        consensus=none,
        formats=["dpo"],
    )
    assert contents.excluded == {"empty": 1, "identical": 1, "not_text": 1, "tie": 2}
    assert [row["pair_id"] for row in contents.preview(Format.DPO)] == ["p1"]


def many(study: Study, prompts: int) -> Study:
    for number in range(prompts):
        study.add(f"Vraag {number}?", f"Goed {number}", f"Fout {number}", [("ana", "human"), ("ben", "human")])
    return study


def test_no_prompt_stands_in_two_splits_and_all_formats_share_the_cut(study):
    contents = many(study, 60).gather()
    places: dict[str, set[Split]] = {}
    for (_, split), frame in contents.frames.items():
        for prompt in contents.complete(frame, ["prompt_id"])["prompt_id"]:
            places.setdefault(prompt, set()).add(split)
    assert len(places) == 60
    assert all(len(splits) == 1 for splits in places.values())
    assert set().union(*places.values()) == {Split.TRAIN, Split.TEST}


def test_nothing_is_held_out_below_twenty_prompts(study):
    assert {split for _, split in many(study, 19).gather().frames} == {Split.TRAIN}


def test_the_same_input_gives_the_same_bytes_whatever_the_order_of_its_rows(study, tmp_path):
    many(small(study), 30)
    one = write(study.gather(), tmp_path / "one")
    other = write(study.gather(shuffle=7), tmp_path / "other")
    assert one.name == other.name
    assert files_of(Path(one.directory)) == files_of(Path(other.directory))
    assert zip_folder(Path(one.directory), name="r") == zip_folder(Path(other.directory), name="r")


def test_rows_stand_in_the_order_of_their_ids_and_not_in_that_of_the_voting(study):
    contents = many(small(study), 30).gather()
    for (kind, _), frame in contents.frames.items():
        names = ["prompt_id", "pair_id", {Format.KTO: "response_id", Format.VOTES: "annotator"}.get(kind, "method")]
        keys = contents.complete(frame, names)[names].astype(str)
        assert keys.values.tolist() == sorted(keys.values.tolist())


def test_a_release_names_its_files_with_true_hashes_and_rows(study, tmp_path):
    result = write(many(study, 30).gather("dpo", "kto", options=ReleaseOptions(jsonl=True)), tmp_path)
    manifest = json.loads((Path(result.directory) / "manifest.json").read_bytes())
    assert result.name == f"Nederlands-één-{result.manifest_digest[:8]}"
    for file, noted in zip(result.files, manifest["files"], strict=True):
        data = Path(file.path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file.sha256 == noted["sha256"]
        rows = data.count(b"\n") if file.path.endswith("jsonl") else pq.read_metadata(file.path).num_rows
        assert rows == file.rows == noted["rows"]
        assert not Path(noted["path"]).is_absolute()
    assert sum(file.rows for file in result.files if file.format == "dpo" and file.path.endswith("parquet")) == 30
    assert (manifest["revision"], manifest["rules"], manifest["seed"]) == ("f9ea045", {"min_votes": 2}, 0)
    assert json.loads(json.dumps(result.as_json()))["files"][0]["format"] == "dpo"


def test_lines_of_json_are_written_where_they_are_asked_for(study, tmp_path):
    small(study)
    for asked, endings in ((False, {".parquet"}), (True, {".parquet", ".jsonl"})):
        result = write(study.gather("dpo", "orpo", options=ReleaseOptions(jsonl=asked)), tmp_path / str(asked))
        assert {Path(file.path).suffix for file in result.files} == endings
        written = {path.as_posix() for path in Path(result.directory).rglob("*") if path.suffix in {".parquet", ".jsonl"}}
        assert written == {Path(file.path).as_posix() for file in result.files}


def test_parquet_carries_no_pandas_metadata(study, tmp_path):
    result = write(small(study).gather("dpo"), tmp_path)
    schema = pq.read_schema(result.files[0].path)
    assert schema.metadata is None
    assert str(schema.field("chosen").type) == "list<element: struct<role: string, content: string>>"


def test_datasets_loads_equal_rows_from_each_file(study, tmp_path):
    result = write(many(small(study), 30).gather(options=ReleaseOptions(jsonl=True)), tmp_path / "releases")
    for file in result.files:
        is_table = file.path.endswith("parquet")
        options = {"data_files": file.path, "split": "train", "cache_dir": str(tmp_path / "cache")}
        loaded = [dict(row) for row in load_dataset("parquet" if is_table else "json", **options)]
        expected = [json.loads(line) for line in Path(file.path).with_suffix(".jsonl").read_bytes().splitlines()]
        if not is_table:
            # The JSON reader of `datasets` turns texts that look like times into timestamps.
            loaded, expected = (
                [{name: row[name] for name in row if name != "at"} for row in rows] for rows in (loaded, expected)
            )
        assert loaded == expected
        assert len(loaded) == file.rows


def test_the_card_lets_datasets_find_each_configuration(study, tmp_path):
    contents = many(study, 30).gather("dpo", "kto")
    text = card(PROJECT, CardFacts(splits=contents.splits, counts=contents.counts))
    result = write_release(contents, card=text, releases=tmp_path)
    for kind in ("dpo", "kto"):
        loaded = load_dataset(result.directory, kind, cache_dir=str(tmp_path / "cache"))
        assert {split: len(rows) for split, rows in loaded.items()} == contents.splits[kind]
    first = loaded["train"][0]
    assert first["prompt"][0]["role"] == "user"
    assert isinstance(first["label"], bool)


def test_exporting_again_changes_nothing(study, tmp_path):
    contents = small(study).gather("dpo")
    first, again = write(contents, tmp_path), write(contents, tmp_path)
    assert (first.created, again.created) == (True, False)
    assert first.directory == again.directory
    assert {path.name for path in tmp_path.iterdir()} == {first.name, "workspace"}


def test_a_release_can_be_written_to_a_folder_of_its_own_name(study, tmp_path):
    contents = small(study).gather("dpo")
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        result = write(contents, tmp_path / "releases", out_dir=tmp_path / name)
        assert Path(result.directory) == (tmp_path / name).resolve()
        assert (tmp_path / name / "dpo" / "train.parquet").is_file()
    assert not (tmp_path / "releases").exists()


def test_a_folder_that_holds_something_else_is_never_touched(study, tmp_path):
    contents = small(study).gather("dpo")
    release = Path(write(contents, tmp_path).directory)
    (release / "manifest.json").write_text("changed by hand")
    with pytest.raises(ExportError, match="already there") as refused:
        write(contents, tmp_path)
    assert "for example" in refused.value.hint
    assert (release / "manifest.json").read_text() == "changed by hand"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="already there"):
        write(contents, tmp_path, out_dir=tmp_path / "mine")
    assert files_of(tmp_path / "mine") == {"notes.txt": b"mine"}
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {release.name, "mine", "workspace"}


def test_an_empty_project_says_what_to_do_first(study, tmp_path):
    study.add("Zing.", "La la.", "Lo lo.", [])
    with pytest.raises(ExportError, match="nothing to export") as refused:
        write(study.gather("dpo", "kto"), tmp_path / "releases")
    assert "Annotate" in refused.value.hint
    assert not (tmp_path / "releases").exists()


def test_a_project_of_bad_answers_alone_still_gives_what_can_be_learnt_from_it(study, tmp_path):
    study.add("Wie ben jij?", "Nee.", "Niks.", [("ana", "both_bad"), ("ben", "both_bad")])
    contents = study.gather()
    assert contents.splits == {"kto": {"train": 2}, "votes": {"train": 2}}
    assert contents.split_report.held_out == 0
    assert contents.excluded == {"both_bad": 1}
    assert write(contents, tmp_path).preferences == 0


def test_one_answer_of_a_megabyte_is_one_row(study, tmp_path):
    study.add("Vertel alles.", "kaas " * 200_000, "Nee.", [("ana", "human"), ("ben", "human")])
    result = write(study.gather("dpo"), tmp_path)
    row = pq.read_table(result.files[0].path).to_pylist()[0]
    assert len(row["chosen"][0]["content"]) == 1_000_000


def test_an_unknown_format_is_named_and_the_known_ones_offered():
    assert parse_formats(["kto", "dpo", "dpo"]) == [Format.DPO, Format.KTO]
    assert parse_formats(["all"]) == list(Format)
    with pytest.raises(ExportError, match="ppo") as refused:
        parse_formats(["dpo", "ppo"])
    assert "orpo" in refused.value.hint
    with pytest.raises(ExportError, match="No export format"):
        parse_formats([])


def test_naughty_strings_come_back_byte_for_byte(study, tmp_path, real_data):
    strings = [text for text in json.loads((real_data / "blns.json").read_text(encoding="utf-8")) if text.strip()]
    for number, text in enumerate(strings):
        study.add(f"{number} {text}", text, f"{text} {number}", [("ana", "human"), ("ben", "human")])
    result = write(study.gather("dpo", options=ReleaseOptions(jsonl=True)), tmp_path)
    parquet = [row for file in result.files if file.path.endswith("parquet") for row in pq.read_table(file.path).to_pylist()]
    lines = b"".join(Path(file.path).read_bytes() for file in result.files if file.path.endswith("jsonl"))
    assert [json.loads(line) for line in lines.decode().split("\n")[:-1]] == parquet
    chosen = {row["prompt"][0]["content"]: row["chosen"][0]["content"] for row in parquet}
    assert chosen == {f"{number} {text}": text for number, text in enumerate(strings)}


def test_a_pair_set_aside_by_a_screen_is_in_no_training_file(study):
    small(study)
    bad = study.store.pairs(PROJECT.name).set_index("prompt").loc["Wie ben jij?"]
    screened = pd.DataFrame({"response_id": [bad["second_id"]], "reason": ["refusal"], "detail": [""]})
    contents = study.gather("kto", screened=screened)
    said = {row["completion"][0]["content"] for row in contents.preview(Format.KTO, limit=20)}
    assert "Nee." not in said
    assert contents.excluded == {"screen_refusal": 1, "tie": 1}


def test_judgements_are_a_configuration_and_their_ratings_stand_beside_the_preferences(study):
    small(study)
    pair = study.store.pairs(PROJECT.name).set_index("prompt").loc["Wat is 2+2?"]
    ratings = {pair["first_id"]: (2.0, 5.0), pair["second_id"]: (3.0, 5.0)}
    study.store.add_judgements(
        PROJECT.name,
        [
            Judgement(
                pair_id=pair["pair_id"],
                judge="judge-x",
                shown_first=shown,
                choice=Choice.SECOND,
                rating_first=first,
                rating_second=second,
                rationale="Vier klopt.",
            )
            for shown, (first, second) in ratings.items()
        ],
    )
    contents = study.gather()
    rows = contents.preview(Format.JUDGEMENTS)
    assert [(row["shown_first"], row["rating_first"], row["judge"]) for row in rows] == [
        ("first", 2.0, "judge-x"),
        ("second", 3.0, "judge-x"),
    ]
    assert (rows[0]["prompt"], rows[0]["second"], rows[0]["rationale"]) == ("Wat is 2+2?", "Vier.", "Vier klopt.")
    preference = by_prompt(contents.preview(Format.DPO))["Wat is 2+2?"]
    # The human answer comes first in every pair: rated 2 and 3, mean 2.5; the model's won.
    assert (preference["chosen_rating"], preference["rejected_rating"], preference["judge"]) == (5.0, 2.5, "judge-x")
    assert by_prompt(contents.preview(Format.DPO))["Wat is kaas?"]["judge"] is None


def test_prompts_of_an_evaluation_set_are_in_no_file_and_counted(study):
    small(study)
    options = ReleaseOptions(evaluation=["Wat is KAAS", "Wie ben jij?"], evaluation_name="suite.parquet")
    contents = study.gather(options=options)
    assert contents.excluded == {"both_bad": 1, "in_evaluation": 1, "tie": 1}
    assert contents.counts["preferences"] + sum(contents.excluded.values()) == contents.counts["pairs"]
    assert contents.excluded_by_format == {"kto": {"in_evaluation": 2}, "votes": {"in_evaluation": 6}}
    assert {prompt for split in Split for prompt in contents.prompts(split)} == {"Wat is 2+2?", "Zing."}
    report = contents.split_report
    assert (report.evaluation, report.evaluation_prompts, report.in_evaluation) == ("suite.parquet", 2, 2)


@pytest.mark.parametrize("layout", list(Layout))
def test_every_layout_is_written_and_loads(study, tmp_path, layout):
    contents = many(small(study), 30).gather(options=ReleaseOptions(layout=layout, jsonl=True))
    result = write(contents, tmp_path)
    for file in result.files:
        if file.path.endswith("parquet"):
            options = {"data_files": file.path, "split": "train", "cache_dir": str(tmp_path / "cache")}
            loaded = [dict(row) for row in load_dataset("parquet", **options)]
            lines = Path(file.path).with_suffix(".jsonl").read_bytes().splitlines()
            assert loaded == [json.loads(line) for line in lines]


def test_all_ties_give_kto_and_votes_and_no_preference(study, tmp_path):
    for number in range(3):
        study.add(f"Vraag {number}?", f"Een {number}", f"Twee {number}", [("ana", "tie"), ("ben", "tie")])
    contents = study.gather()
    assert contents.splits == {"kto": {"train": 6}, "votes": {"train": 6}}
    assert contents.excluded == {"tie": 3}
    assert write(contents, tmp_path).preferences == 0
    with pytest.raises(ExportError, match="nothing to export"):
        write(study.gather("dpo"), tmp_path)


def test_one_row_is_a_release(study, tmp_path):
    study.add("Wat is kaas?", "Zuivel.", "Een hond.", [("ana", "human"), ("ben", "human")])
    assert write(study.gather(), tmp_path).preferences == 1


def test_the_cookbooks_dutch_numbers_come_out(study):
    # aya_dutch_dpo: 1,360 records, of which 1,352 are left without the empty and the unrated; 100 for testing.
    for number in range(1360):
        empty, unrated = number < 3, 3 <= number < 8
        ballots = [] if unrated else [("ana", "human"), ("ben", "human")]
        study.add(
            f"Vraag {number} over dorp {number * 7919 % 1009}?", f"Goed {number}", "" if empty else f"Fout {number}", ballots
        )
    contents = study.gather("dpo")
    assert contents.excluded == {"empty": 3, "no_votes": 5}
    assert contents.splits == {"dpo": {"train": 1252, "test": 100}}


def test_a_card_under_which_a_configuration_does_not_load_stops_the_release(study, tmp_path):
    contents = small(study).gather("dpo")
    for wrong, reason in (
        ("# no head\n", "cannot be loaded"),
        (plain_card(contents).replace('"train"', '"training"'), "loads as"),
    ):
        with pytest.raises(ExportError, match=f"configuration dpo.*{reason}"):
            write_release(contents, card=wrong, releases=tmp_path / "releases")
        assert list((tmp_path / "releases").iterdir()) == []


def test_recipes_stand_in_the_release_and_its_manifest(study, tmp_path):
    result = write(many(small(study), 30).gather(), tmp_path)
    folder = Path(result.directory)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert set(manifest["beside"]) == {f"recipes/{name}" for name in ("dpo.yaml", "orpo.yaml", "kto.yaml", "train_orpo.py")}
    for path, digest in manifest["beside"].items():
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == digest


def test_what_a_tried_training_came_to_is_in_the_release(study, tmp_path):
    contents = small(study).gather("dpo")
    tried = {"trainers": {"dpo": {"steps": 5, "rows": 2, "losses": [0.693] * 5}}, "versions": {"trl": "1.16.0"}}
    result = write_release(contents, card=plain_card(contents), releases=tmp_path, training_check=tried)
    assert json.loads((Path(result.directory) / "training_check.json").read_bytes()) == tried


SAME_AGAIN = """
import sys
from pathlib import Path
from pipeline import wiring
from pipeline.settings import Settings
studio = wiring.open_studio(Settings.from_env({}, workspace=Path(sys.argv[1])))
print(studio.export("Demonstration Dutch", ["all"], out_dir=Path(sys.argv[2])).manifest_digest)
"""


def test_two_processes_with_other_hash_seeds_write_the_same_bytes(tmp_path):
    open_studio(Settings.from_env({}, workspace=tmp_path / "workspace")).demo("Dutch")
    digests = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SAME_AGAIN, str(tmp_path / "workspace"), str(tmp_path / f"out{seed}")]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        digests.append(subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=200, check=True).stdout)
    assert digests[0] == digests[1]
    assert files_of(tmp_path / "out1") == files_of(tmp_path / "out2")


FILLING = """
import sys
from pathlib import Path
from pipeline import wiring
from pipeline.errors import ExportError
from pipeline.export import ReleaseOptions
from pipeline.settings import Settings
studio, disk = wiring.open_studio(Settings.from_env({}, workspace=Path(sys.argv[1]))), Path(sys.argv[2])
studio.demo("Dutch")
for jsonl in (False, True):
    try:
        studio.export("Demonstration Dutch", ["all"], out_dir=disk / "release", options=ReleaseOptions(jsonl=jsonl))
    except ExportError as error:
        print(error.message, list(disk.iterdir()), len(studio.store.releases("Demonstration Dutch")), sep="|")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a small disk, as Linux lets a user do")
def test_a_disk_that_fills_up_while_tables_are_written_is_told_and_leaves_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=64k small "$0" && exec "$@"', str(small)]
    if subprocess.run([*mounted, "true"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    command = [*mounted, sys.executable, "-c", FILLING, str(tmp_path / "workspace"), str(small)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    # The demonstration's own release stays the only one.
    assert [line.split("|")[1:] for line in printed] == [["[]", "1"], ["[]", "1"]]
    assert all("is full: the release could not be written" in line for line in printed)


def test_half_a_character_in_one_answer_of_a_bad_pair_leaves_the_other_in_kto(study, tmp_path):
    small(study)
    pairs = study.store.pairs(PROJECT.name).astype({"first": object, "second": object})
    is_bad = pairs["prompt"] == "Wie ben jij?"
    pairs.loc[is_bad, "second"] = "half \ud83d"
    contents = study.gather("kto", pairs=pairs)
    rows = {row["completion"][0]["content"] for row in contents.preview(Format.KTO, limit=20) if row["outcome"] == "both_bad"}
    assert rows == set(pairs.loc[is_bad, "first"])
    assert contents.excluded_by_format["kto"]["not_text"] == 1
    assert write(contents, tmp_path).created


def test_half_a_character_leaves_the_vote_out_and_keeps_the_rest(study, tmp_path):
    small(study)
    votes = study.store.votes(PROJECT.name)
    votes["reason"] = votes["reason"].astype(object)
    votes.loc[0, "reason"] = "half \ud83d"
    contents = study.gather(votes=votes)
    assert contents.excluded_by_format["votes"] == {"not_text": 1}
    assert write(contents, tmp_path).preferences == 2
