"""Which rows become prompts, and is every other row counted under a reason?"""

import json
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline import near_duplicates
from pipeline.errors import SourceError
from pipeline.records import HUMAN, prompt_id
from pipeline.selection import Reason, Selection, SelectionRules, select_prompts

PASSAGE = "The harbour of the old town was built by fishermen who came from the north, " * 8


def frame(*rows: tuple[str, str], kind: str = "original-annotations", user: str = "u1") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "inputs": [inputs for inputs, _ in rows],
            "targets": [targets for _, targets in rows],
            "language": "Dutch",
            "language_code": "nld",
            "annotation_type": kind,
            "user_id": user,
        }
    )


def select(rows: pd.DataFrame, *, seed: int = 0, limit: int | None = None, **rules: object) -> Selection:
    return select_prompts(rows, language="Dutch", seed=seed, limit=limit, rules=SelectionRules(**rules))  # type: ignore[arg-type]


def test_a_row_becomes_a_prompt_with_its_human_response():
    chosen = select(frame(("Wat is kaas?", "Een zuivelproduct.")))
    (prompt,), (response,) = chosen.prompts, chosen.responses
    assert (prompt.id, prompt.text, prompt.contributor) == (prompt_id("Dutch", "Wat is kaas?"), "Wat is kaas?", "u1")
    assert (response.prompt_id, response.source, response.text) == (prompt.id, HUMAN, "Een zuivelproduct.")


def test_every_row_is_a_prompt_or_is_counted_under_one_reason():
    rows = pd.concat(
        [
            frame(
                ("  \n", "answer"),
                ("A question without an answer", "\t"),
                ("ab", "An answer to a prompt too short"),
                ("A prompt " * 50, "An answer to a prompt too long"),
                ("A prompt with a NUL \x00", "An answer"),
                ("What is the tallest tower of the town?", "The church."),
                ("What is the tallest tower of the town?", "The mill."),
                ("what is the tallest tower of the town", "The water tower."),
            ),
            frame(("Of another kind, this prompt", "An answer"), kind="re-annotations"),
        ]
    )
    chosen = select(rows, min_prompt_chars=3, max_prompt_chars=100, annotation_types=("original-annotations",))
    assert chosen.counts() == {
        "not_text": 1,
        "empty_prompt": 1,
        "empty_answer": 1,
        "annotation_type": 1,
        "too_short": 1,
        "too_long": 1,
        "exact_duplicate": 1,
        "near_duplicate": 1,
    }
    assert len(chosen.prompts) == len(chosen.responses) == 1
    assert len({exclusion.row_id for exclusion in chosen.exclusions}) == 8


def test_an_exclusion_can_be_stored_and_read():
    chosen = select(frame(("A NUL: \x00", "An answer")))
    assert chosen.exclusions[0].text == "A NUL: ␀"
    assert chosen.exclusions[0].detail == "inputs holds a NUL character"


def test_a_row_marked_by_the_reader_is_left_out_with_its_mark():
    chosen = select(frame(("['a']", "An answer")).assign(problem="inputs holds list, not text"))
    assert (chosen.exclusions[0].reason, chosen.exclusions[0].detail) == ("not_text", "inputs holds list, not text")


def many(n: int) -> pd.DataFrame:
    return frame(*((f"Question number {i} about {'xyz'[i % 3] * (i % 7 + 1)}?", f"Answer {i}") for i in range(n)))


def test_the_limit_draws_with_the_seed_and_counts_the_rest():
    chosen = select(many(100), limit=10, seed=1)
    assert len(chosen.prompts) == 10
    assert chosen.counts() == {"over_limit": 90}
    assert [prompt.position for prompt in chosen.prompts] == list(range(10))
    assert {p.id for p in chosen.prompts} != {p.id for p in select(many(100), limit=10, seed=2).prompts}


def test_a_larger_limit_only_adds_prompts():
    ten, twenty = select(many(100), limit=10).prompts, select(many(100), limit=20).prompts
    assert twenty[:10] == ten


def test_the_order_of_the_rows_changes_nothing():
    rows = pd.concat([many(60), many(30)], ignore_index=True)
    one = select(rows, limit=20, seed=3)
    other = select(rows.sample(frac=1, random_state=5), limit=20, seed=3)
    assert one.prompts == other.prompts
    assert [e.row_id for e in one.exclusions] == [e.row_id for e in other.exclusions]


def test_equal_rows_are_excluded_one_by_one_under_their_own_ids():
    chosen = select(frame(*[("The same prompt", "The same answer")] * 3))
    assert chosen.counts() == {"exact_duplicate": 2}
    assert len({exclusion.row_id for exclusion in chosen.exclusions}) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Wat is de hoofdstad van Peru?", "wat is de hoofdstad van Peru"),
        ("ペルーの首都はどこですか？", "ペルーの首都は、どこですか"),  # no spaces: pieces are characters
        ("می‌خواهم بدانم", "میخواهم بدانم"),  # a zero-width non-joiner more or less
        ("Ｗｈａｔ is rain?", "What is rain?"),  # full-width letters
        (PASSAGE + "Who built it, and when?", PASSAGE + "Who built it and whem?"),
    ],
)
def test_almost_the_same_prompt_is_a_near_duplicate(one: str, other: str):
    chosen = select(frame((one, "a"), (other, "b")))
    assert chosen.counts() == {"near_duplicate": 1}
    assert select(frame((one, "a"), (other, "b")), drop_near_duplicates=False).counts() == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of Peru?", "What is the capital of Cuba?"),
        ("What is 12 + 5?", "What is 12 + 6?"),
        ("What is 12-5?", "What is 125?"),
        (PASSAGE + "How many boats are there in 1990?", PASSAGE + "How many boats are there in 1991?"),
        (PASSAGE + "Who built the harbour?", PASSAGE + "Rewrite this passage as a poem for children, please."),
        ("???", "!!!"),
        ("कि", "की"),  # vowel signs are letters, not punctuation
    ],
)
def test_another_question_is_not_a_near_duplicate(one: str, other: str):
    assert select(frame((one, "a"), (other, "b"))).counts() == {}


def test_the_overlap_is_jaccard_on_pieces_of_four_characters():
    # 40 letters have 37 pieces of 4. Changing the last letter changes 1 piece: 36 of 38 are shared = .947.
    one = "abcdefghijklmnopqrstuvwxyzäöüñéèêëàâîïôû"
    other = one[:-1] + "q"
    assert near_duplicates.find_repeats([one, other], threshold=0.947) == [None, 0]
    assert near_duplicates.find_repeats([one, other], threshold=0.948) == [None, None]


def test_a_near_duplicate_names_a_text_that_was_kept():
    texts = [PASSAGE, PASSAGE.upper(), PASSAGE + "!", "Something else"]
    assert near_duplicates.find_repeats(texts) == [None, 0, 0, None]


def test_the_naughty_strings_are_kept_exactly_or_left_out_under_a_reason(real_data: Path):
    strings = json.loads((real_data / "blns.json").read_text(encoding="utf-8"))
    rows = frame(*((text, text or "answer") for text in strings))
    chosen = select(rows, drop_near_duplicates=False)
    assert len(chosen.prompts) + len(chosen.exclusions) == len(strings)
    kept = {prompt.text for prompt in chosen.prompts}
    assert kept == {text for text in strings if text.strip() and "\x00" not in text}
    assert [response.text for response in chosen.responses] == [prompt.text for prompt in chosen.prompts]


def test_the_largest_language_is_selected_in_seconds():
    # As many rows as Plateau Malagasy, in 200 families that share a long beginning: the hard case for the search.
    rows = frame(
        *(
            (
                f"Family {i % 200} begins with a long and common instruction: tell {'abcdefgh'[i % 8] * 5} and {hash((i, 1))}",
                f"a{i}",
            )
            for i in range(14_597)
        )
    )
    begun = time.perf_counter()
    chosen = select(rows)
    assert time.perf_counter() - begun < 20
    assert len(chosen.prompts) + len(chosen.exclusions) == 14_597


def test_rules_that_no_row_can_meet_are_refused():
    with pytest.raises(SourceError, match="at least 10 and at most 5"):
        SelectionRules(min_prompt_chars=10, max_prompt_chars=5)
    with pytest.raises(SourceError, match="not a share"):
        SelectionRules(near_duplicate_share=0)


def test_no_rows_give_no_prompts():
    chosen = select(frame())
    assert (chosen.prompts, chosen.responses, chosen.exclusions) == ([], [], [])


def test_every_reason_is_explained():
    from pipeline.selection import EXPLAINED

    assert set(EXPLAINED) == set(Reason)
