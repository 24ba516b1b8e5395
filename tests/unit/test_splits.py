"""The split: nothing of a test stands in the training, not even in other words."""

import random

import pandas as pd
import pytest

from pipeline.near_duplicates import THRESHOLD, find_groups
from pipeline.shapes import Split
from pipeline.splits import draw, find_in_evaluation

WORDS = ["kaas", "brood", "melk", "huis", "fiets", "regen", "zon", "boek", "water", "lopen", "dorp", "vrede"]


def question(number: int) -> str:
    """A question of 40 words unlike any other."""
    said = random.Random(number)
    return " ".join(said.choice(WORDS) + said.choice("abcdefgh") for _ in range(40))


def prompts(texts: list[str], *, kinds: tuple[str, ...] = ("human",)) -> pd.DataFrame:
    ids = [f"p{number:05d}" for number in range(len(texts))]
    return pd.DataFrame({"prompt_id": ids, "prompt": texts, "kind": [kinds[n % len(kinds)] for n in range(len(texts))]})


def chained() -> list[str]:
    """Three texts, each a near duplicate of the next; the first and the last are none of each other."""
    # 160 letters have 157 pieces. Four changed letters apart by 8 spoil 16 of them: (157 - 16) / (157 + 16) = .815; one
    # changed letter spoils 4: 153 / 161 = .950.
    letters = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz", k=160))
    return [letters, letters[:20] + "0" + letters[21:], letters[:20] + "0" + letters[21:120] + "0" + letters[121:]]


def test_near_duplicates_of_near_duplicates_share_a_group():
    one, two, three = (text.replace("0", "é") for text in chained())
    assert find_groups([one, "something else", three, two]) == [0, 1, 0, 0]
    # 153 / 161 = .9503 between neighbours, 149 / 165 = .903 between the ends.
    assert find_groups([one, three]) == [0, 1]


def test_groups_are_those_found_by_comparing_everything_with_everything():
    said = random.Random(3)
    texts = []
    for number in range(40):
        text = question(number)
        texts.append(text)
        for _ in range(said.randrange(4)):
            place = said.randrange(len(text))
            text = text[:place] + said.choice("xyz") + text[place + 1 :]
            texts.append(text)
    said.shuffle(texts)
    pieces = [{text[at : at + 4] for at in range(len(text) - 3)} for text in (text.replace(" ", "") for text in texts)]
    group = list(range(len(texts)))
    for one in range(len(texts)):
        for other in range(one):
            if len(pieces[one] & pieces[other]) >= THRESHOLD * len(pieces[one] | pieces[other]):
                old, new = max(group[one], group[other]), min(group[one], group[other])
                group = [new if each == old else each for each in group]
    assert find_groups(texts) == group
    assert len(set(group)) < len(texts)


def test_different_sums_and_short_texts_are_groups_of_their_own():
    assert find_groups(["12 + 5", "12 + 6", "12 + 5!", "", "a", "A."]) == [0, 1, 0, 3, 4, 4]
    assert find_groups([]) == []


def test_a_hundred_prompts_are_held_out_as_in_the_cookbook():
    drawn, report = draw(prompts([question(number) for number in range(1352)]), seed=0)
    assert list(drawn.values()).count(Split.TEST) == report.held_out == report.wanted == 100


@pytest.mark.parametrize(("n", "held_out"), [(19, 0), (20, 2), (60, 6), (999, 99)])
def test_a_small_project_holds_out_one_in_ten_at_most_and_none_below_twenty(n, held_out):
    assert draw(prompts([question(number) for number in range(n)]), seed=0)[1].held_out == held_out


def test_the_seed_draws_and_the_order_of_the_prompts_does_not():
    asked = prompts([question(number) for number in range(200)])
    drawn = {seed: draw(asked, seed=seed)[0] for seed in (0, 1)}
    assert drawn[0] != drawn[1]
    assert draw(asked.sample(frac=1.0, random_state=5), seed=0)[0] == drawn[0]


def test_each_kind_is_held_out_in_its_share():
    kinds = ("human", "human", "human", "model-x", "")
    asked = prompts([question(number) for number in range(500)], kinds=kinds)
    _, report = draw(asked, seed=3, held_out=40)
    # 300 human and 100 of the model share the 40 three to one; the 100 without a preference follow with one in ten.
    assert report.by_kind == {
        "no preference": {"train": 90, "test": 10},
        "human": {"train": 270, "test": 30},
        "model-x": {"train": 90, "test": 10},
    }


def test_no_near_duplicate_stands_in_two_splits():
    texts = []
    for number in range(100):
        text = question(number)
        texts += [text, text + "!", text.upper(), "q" + text[1:]]
    asked = prompts(texts)
    drawn, report = draw(asked, seed=1)
    sides = [drawn[prompt] for prompt in asked["prompt_id"]]
    for start in range(0, len(texts), 4):
        assert len(set(sides[start : start + 4])) == 1
    # 400 prompts, 300 of them repeat another: 40 wanted are ten groups of four.
    assert (report.repeated, report.held_out) == (300, 40)


def test_prompts_of_an_evaluation_set_are_found_even_with_a_letter_changed():
    asked = prompts([question(number) for number in range(30)])
    evaluation = [question(3), question(8)[:50] + "q" + question(8)[51:], "not ours"]
    assert find_in_evaluation(asked, evaluation) == {"p00003", "p00008"}
