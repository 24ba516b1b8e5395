"""Cards are blind and stable, an answer names a response, and a finished study is read line by line."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.annotate import (
    Card,
    Pressed,
    Study,
    annotator_name,
    made_up_name,
    make_pairs,
    new_votes,
    order,
    read_study,
    to_choice,
)
from pipeline.errors import VoteError
from pipeline.records import HUMAN, Choice, Pair, Prompt, Response, Vote, make_pair, prompt_id, response_id

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
LINE = {
    "prompt": "Wat is een ei?",
    "response_a": "Een ei.",
    "response_b": "Egg.",
    "source_a": "human",
    "source_b": "model-x",
    "annotator": "ana",
    "choice": "a",
}


def study(tmp_path: Path, *changes: dict[str, object]) -> Study:
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(LINE | change) + "\n" for change in changes), encoding="utf-8")
    return read_study(path, language="Dutch", now=NOW)


def paired(number: int = 0) -> Pair:
    one, other = responses_of(Prompt(id=f"p{number}", text="?"), human="mens", model="machine")
    return make_pair(one, other)


def card(pair: Pair, *, swapped: bool) -> Card:
    shown = (pair.second_id, pair.first_id) if swapped else (pair.first_id, pair.second_id)
    return Card(
        project="p",
        annotator="ana",
        pair=pair,
        prompt="?",
        shown_first_id=shown[0],
        shown_second_id=shown[1],
        shown_first="one",
        shown_second="other",
    )


def test_the_order_is_the_same_at_every_look_and_another_for_another_key():
    pairs = [paired(n) for n in range(64)]
    drawn = [order("key", pair, "ana") for pair in pairs]
    assert drawn == [order("key", pair, "ana") for pair in pairs]
    assert drawn != [order("other key", pair, "ana") for pair in pairs]
    assert all(set(shown) == {pair.first_id, pair.second_id} for shown, pair in zip(drawn, pairs, strict=True))


def test_each_response_is_shown_first_about_half_the_time():
    pairs = [paired(n) for n in range(50)]
    first = sum(order("key", pair, f"annotator-{n}")[0] == pair.first_id for pair in pairs for n in range(40))
    # 2,000 fair coins: mean 1,000, standard deviation 22; five of them are 112.
    assert abs(first - 1000) < 112


def test_the_order_of_one_annotator_says_nothing_about_another():
    pairs = [paired(n) for n in range(1000)]
    same = sum(order("key", pair, "ana") == order("key", pair, "bo") for pair in pairs)
    # 1,000 fair coins: mean 500, standard deviation 16; five of them are 80.
    assert abs(same - 500) < 80


@pytest.mark.parametrize(
    ("swapped", "pressed", "choice"),
    [
        (False, Pressed.LEFT, Choice.FIRST),
        (False, Pressed.RIGHT, Choice.SECOND),
        (True, Pressed.LEFT, Choice.SECOND),
        (True, Pressed.RIGHT, Choice.FIRST),
        (True, Pressed.TIE, Choice.TIE),
        (True, Pressed.BOTH_BAD, Choice.BOTH_BAD),
        (False, Pressed.SKIP, Choice.SKIP),
    ],
)
def test_an_answer_names_the_response_whichever_side_it_was_on(swapped: bool, pressed: Pressed, choice: Choice):
    assert to_choice(pressed, card(paired(), swapped=swapped)) is choice


def test_a_name_is_tidied_and_may_be_in_any_script():
    assert annotator_name("  Ana   Maria ") == "Ana Maria"
    assert annotator_name("สมชาย") == "สมชาย"
    # Persian and Sinhala write some names with joiners that have no shape of their own.
    for joined in ("علی\u200cرضا", "ශ්\u200dරී"):
        assert annotator_name(joined) == joined


@pytest.mark.parametrize("typed", ["", "   ", "x" * 61, "a\u202eb", "a\x00b", "\u200d\u200c"])
def test_a_name_that_cannot_be_read_is_refused(typed: str):
    with pytest.raises(VoteError, match="1 to 60 letters"):
        annotator_name(typed)


def test_made_up_names_are_names_and_differ():
    made = {made_up_name(number) for number in range(0, 144_000, 7)}
    assert len(made) == len(range(0, 144_000, 7))
    assert all(annotator_name(name) == name for name in made)


def responses_of(prompt: Prompt, **texts: str) -> list[Response]:
    return [
        Response(id=response_id(prompt.id, source, text), prompt_id=prompt.id, source=source, text=text)
        for source, text in texts.items()
    ]


def test_the_human_response_is_paired_with_each_model():
    prompts = [Prompt(id=f"p{n}", text=f"p{n}", position=n) for n in range(2)]
    responses = [*responses_of(prompts[0], human="mens", one="1", two="2"), *responses_of(prompts[1], human="mens")]
    pairs, exclusions = make_pairs(prompts, responses)
    human, one, two = responses[:3]
    assert pairs == [make_pair(human, one), make_pair(human, two)]
    assert exclusions == []


def test_a_model_that_repeats_the_human_text_is_left_out_under_a_reason():
    prompt = Prompt(id="p", text="p")
    responses = responses_of(prompt, human="Een ei.", parrot="Een ei.")
    pairs, (exclusion,) = make_pairs([prompt], responses)
    assert pairs == []
    assert (exclusion.row_id, exclusion.stage, exclusion.reason) == (responses[1].id, "pair", "identical")
    assert "parrot" in exclusion.detail


def test_pairs_come_by_position_of_their_prompt():
    prompts = [Prompt(id=f"p{n}", text="", position=5 - n) for n in range(3)]
    responses = [response for prompt in prompts for response in responses_of(prompt, human="a", model="b")]
    assert [pair.position for pair in make_pairs(prompts, responses)[0]] == [3, 4, 5]


def test_a_line_of_a_study_becomes_prompt_responses_pair_and_vote(tmp_path: Path):
    read = study(tmp_path, {"shown_first": "b", "reason": "korter", "at": "2025-02-01T10:00:00+02:00"})
    prompt = prompt_id("Dutch", LINE["prompt"])
    a, b = response_id(prompt, HUMAN, "Een ei."), response_id(prompt, "model-x", "Egg.")
    assert [record.id for record in read.prompts] == [prompt]
    assert {record.id: record.source for record in read.responses} == {a: HUMAN, b: "model-x"}
    (vote,) = read.votes
    chosen = read.pairs[0].first_id if vote.choice is Choice.FIRST else read.pairs[0].second_id
    assert chosen == a
    assert (vote.shown_first, vote.reason, vote.at) == (b, "korter", "2025-02-01T08:00:00.000000+00:00")


def test_a_vote_means_the_same_with_its_sides_exchanged(tmp_path: Path):
    exchanged = {
        "response_a": LINE["response_b"],
        "response_b": LINE["response_a"],
        "source_a": LINE["source_b"],
        "source_b": LINE["source_a"],
        "choice": "b",
        "annotator": "bo",
    }
    read = study(tmp_path, {}, exchanged)
    assert len(read.pairs) == 1
    assert read.votes[0].choice is read.votes[1].choice


def test_a_second_vote_on_a_pair_is_a_new_version(tmp_path: Path):
    read = study(tmp_path, {"choice": "a"}, {"choice": "tie"}, {"annotator": "bo", "choice": "both_bad"})
    assert [(vote.annotator, vote.version, vote.choice) for vote in read.votes[1:]] == [
        ("ana", 1, Choice.TIE),
        ("bo", 0, Choice.BOTH_BAD),
    ]


def test_reading_a_study_twice_gives_the_same_records(tmp_path: Path):
    assert study(tmp_path, {}, {"choice": "skip"}) == study(tmp_path, {}, {"choice": "skip"})


def test_a_study_without_moments_taken_in_again_adds_nothing_and_a_change_is_the_next_version(tmp_path: Path):
    to_and_fro = study(tmp_path, {"choice": "a"}, {"choice": "tie"}, {"choice": "a"}).votes
    stored = new_votes(to_and_fro, [], now=NOW)
    assert [vote.version for vote in stored] == [0, 1, 2]
    assert {vote.at for vote in stored} == {"2025-03-01T12:00:00.000000+00:00"}
    assert new_votes(to_and_fro, stored, now=NOW) == []
    (changed,) = new_votes(study(tmp_path, {"choice": "both_bad"}).votes, stored, now=NOW)
    assert (changed.version, changed.choice) == (3, Choice.BOTH_BAD)


def test_the_same_line_twice_in_a_file_is_one_vote_where_its_moment_is_known(tmp_path: Path):
    dated = {"at": "2025-02-01T10:00:00Z"}
    assert len(new_votes(study(tmp_path, dated, dated, dated | {"reason": "korter"}).votes, [], now=NOW)) == 2


def test_a_vote_after_one_cast_in_the_studio_is_the_next_version(tmp_path: Path):
    (read,) = study(tmp_path, {"at": "2025-02-01T10:00:00Z"}).votes
    (new,) = new_votes([read], [replace(read, version=4, at="2025-01-01T10:00:00.000000+00:00")], now=NOW)
    assert new == replace(read, version=5)


def test_an_empty_response_is_a_response(tmp_path: Path):
    assert study(tmp_path, {"response_b": ""}).responses[1].text == ""


def test_a_number_in_place_of_a_text_is_read_as_its_digits(tmp_path: Path):
    read = study(tmp_path, {"response_a": 5, "annotator": 12})
    assert (read.responses[0].text, read.votes[0].annotator) == ("5", "12")


def test_a_pair_whose_sides_are_one_response_is_left_out_under_a_reason(tmp_path: Path):
    read = study(tmp_path, {"response_b": LINE["response_a"], "source_b": "human"}, {"annotator": "bo"})
    assert [exclusion.reason for exclusion in read.exclusions] == ["identical"]
    assert [vote.annotator for vote in read.votes] == ["bo"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"choice": "left"}, "line 2: choice 'left' is not one of a, b, tie, both_bad, skip"),
        ({"annotator": ""}, "line 2: annotator missing"),
        ({"prompt": None, "choice": None}, "line 2: prompt, choice missing"),
        ({"response_a": ["Een ei."]}, "line 2: response_a is not text"),
        ({"response_a": "\ud800"}, "line 2: response_a holds a character that is not text"),
        ({"shown_first": "left"}, "line 2: shown_first 'left' is neither a nor b"),
        ({"at": "yesterday"}, "line 2: at 'yesterday' is not a moment"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_read(tmp_path: Path, change: dict[str, object], said: str):
    with pytest.raises(VoteError) as caught:
        study(tmp_path, {}, change)
    assert said in caught.value.message
    assert "nothing was imported" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it holds no vote"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"prompt,choice\n", "line 1: Expecting value"),
        (b"[1]\n", "line 1: not a JSON object"),
    ],
)
def test_a_file_that_holds_no_votes_is_refused(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "votes.jsonl"
    path.write_bytes(content)
    with pytest.raises(VoteError) as caught:
        read_study(path, language="Dutch", now=NOW)
    assert said in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(VoteError, match=r"none\.jsonl cannot be read: No such file"):
        read_study(tmp_path / "none.jsonl", language="Dutch", now=NOW)


def test_many_wrong_lines_are_counted(tmp_path: Path):
    with pytest.raises(VoteError, match="and 3 more lines"):
        study(tmp_path, *[{"choice": "?"}] * 8)


def test_naughty_strings_are_read_unchanged(tmp_path: Path, real_data: Path):
    naughty = [text for text in json.loads((real_data / "blns.json").read_text(encoding="utf-8")) if text]
    read = study(tmp_path, *({"prompt": text, "response_a": text + "a", "reason": text} for text in naughty))
    assert {prompt.text for prompt in read.prompts} == set(naughty)
    assert [vote.reason for vote in read.votes] == naughty


def pandalm(real_data: Path, path: Path) -> None:
    """Write PandaLM's pairs as a study: 0 is a tie, 1 and 2 name a response."""
    choices = {0: "tie", 1: "a", 2: "b"}
    with path.open("w", encoding="utf-8") as file:
        for row in json.loads((real_data / "pandalm_pairs.json").read_text(encoding="utf-8")):
            source_a, source_b = row["cmp_key"].split("_")
            for number in (1, 2, 3):
                line = {
                    "prompt": f"{row['instruction']}\n\n{row['input']}".strip(),
                    "response_a": row["response1"],
                    "response_b": row["response2"],
                    "source_a": source_a,
                    "source_b": source_b,
                    "annotator": f"annotator{number}",
                    "choice": choices[row[f"annotator{number}"]],
                }
                file.write(json.dumps(line) + "\n")


def test_pandalm_keeps_its_999_pairs_and_2997_votes(tmp_path: Path, real_data: Path):
    path = tmp_path / "pandalm.jsonl"
    pandalm(real_data, path)
    read = read_study(path, language="English", now=NOW)
    assert (len(read.pairs), len(read.votes), len(read.exclusions)) == (999, 2997, 0)
    assert set(Counter(vote.pair_id for vote in read.votes).values()) == {3}
    assert {vote.version for vote in read.votes} == {0}
    named = Counter(_majority([vote for vote in read.votes if vote.pair_id == pair.id], pair) for pair in read.pairs)
    # Published: 105 ties, 422 for response 1, 472 for response 2; here ties, and pairs with a preference.
    assert named[Choice.TIE] == 105
    assert named[Choice.FIRST] + named[Choice.SECOND] == 422 + 472


def _majority(votes: list[Vote], pair: Pair) -> Choice:
    ((choice, n),) = Counter(vote.choice for vote in votes).most_common(1)
    assert n >= 2, pair.id
    return choice
