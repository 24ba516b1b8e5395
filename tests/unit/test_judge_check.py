import pandas as pd
import pytest

from pipeline.consensus import decide
from pipeline.curate import Rules, curate
from pipeline.errors import SettingsError
from pipeline.judge import verdicts
from pipeline.judge_check import check, fill_in
from tests.frames import ballots, pairs, plain_pairs


def judgements(words: dict[str, str], judge: str = "m") -> pd.DataFrame:
    """Judgements from two letters a pair: what the judge says with the first response shown first, then swapped."""
    names = {"f": "first", "s": "second", "t": "tie"}
    gap = {"f": (4.0, 2.0), "s": (2.0, 4.0), "t": (3.0, 3.0)}
    rows = [
        (pair_id, judge, f"{pair_id}-{seat}", names[letter], *gap[letter])
        for pair_id, word in words.items()
        for seat, letter in enumerate(word, start=1)
    ]
    return pd.DataFrame(rows, columns=["pair_id", "judge", "shown_first", "choice", "rating_first", "rating_second"])


def checked(words: dict[str, str], people: pd.DataFrame, texts: pd.DataFrame):
    said = judgements(words)
    (found,) = check(said, verdicts(said), decide(people), texts)
    return found


def test_a_judge_compared_with_people_by_hand():
    # People: first, first, second, tie, both bad, split. The judge: first, second, second, first, first, first.
    words = {"p1": "ff", "p2": "ss", "p3": "ss", "p4": "ff", "p5": "ff", "p6": "ff"}
    found = checked(words, ballots("ff", "ff", "ss", "tt", "bb", "fs"), plain_pairs(6))
    # p1 and p3 of p1 to p4; people's both bad is nothing the judge could have said.
    assert (found.agreement.value, found.agreement.n) == (0.5, 4)
    # Of the five preferences on decided pairs two are the people's.
    assert (found.right_when_sure.value, found.right_when_sure.n) == (0.4, 5)
    # Wilson (1927) for 2 of 5: .1176 to .7693.
    assert (found.right_when_sure.low, found.right_when_sure.high) == pytest.approx((0.1176, 0.7693), abs=0.0001)
    table = found.confusion.set_index("people")
    assert table.loc["first"].tolist() == [1, 1, 0]
    assert table.loc["both_bad"].tolist() == [1, 0, 0]
    # Ratings 4 and 2: all five differ by 2.
    assert found.by_gap["n"].tolist() == [0, 5, 0]


def test_a_judge_that_prefers_the_first_seat_is_found_out():
    # Shown p-1 first it says first, shown p-2 first it says second: always the seat, never the response.
    found = checked({"p1": "fs", "p2": "fs", "p3": "ff"}, ballots("ff", "ff", "ff"), plain_pairs(3))
    assert (found.order_flips.value, found.order_flips.n) == (pytest.approx(2 / 3), 3)
    # Of six judgements five are for the seat shown first: both of p1 and p2, and one of p3.
    assert (found.first_seat.value, found.first_seat.n) == (pytest.approx(5 / 6), 6)
    # Orders that disagree are a tie, so it is sure of p3 alone.
    assert found.right_when_sure.n == 1


def test_a_judge_that_prefers_length_is_compared_with_people_on_the_same_pairs():
    texts = pairs(
        ("p1", "?", "a long answer", "short", "human", "m"),
        ("p2", "?", "short", "a long answer", "human", "m"),
        ("p3", "?", "same size", "size same", "human", "m"),
    )
    found = checked({"p1": "ff", "p2": "ss", "p3": "ff"}, ballots("ff", "ff", "ff"), texts)
    assert (found.longer.value, found.longer.n) == (1.0, 2)
    assert (found.people_longer.value, found.people_longer.n) == (0.5, 2)


def test_without_votes_or_verdicts_nothing_can_be_said():
    found = checked({"p1": "ff"}, ballots("k"), plain_pairs(1))
    assert (found.agreement.n, found.agreement.low, found.agreement.high) == (0, 0, 1)
    none = judgements({})
    assert check(none, verdicts(none), decide(ballots("f")), plain_pairs(1)) == []


def filled(words: dict[str, str], *people: str, least: float, min_votes: int = 2) -> pd.DataFrame:
    said, cast, texts = judgements(words), ballots(*people), plain_pairs(len(words))
    decided = decide(cast, min_votes=min_votes)
    checks = check(said, verdicts(said), decided, texts)
    return fill_in(decided, decide(cast), verdicts(said), checks, texts["pair_id"], least=least, min_votes=min_votes).set_index(
        "pair_id"
    )


def test_a_judge_fills_in_only_above_the_threshold_on_its_lower_bound():
    words = {f"p{n}": "ff" for n in range(1, 41)}
    # Right on 30 of 30: Wilson's lower bound is 30 / (30 + 3.84) = .8865.
    assert len(filled(words, *["ff"] * 30, least=0.90)) == 30
    found = filled(words, *["ff"] * 30, least=0.88)
    assert found.loc["p31":, "method"].tolist() == ["judge"] * 10
    assert found.loc["p31":, "outcome"].tolist() == ["first"] * 10
    assert found.loc["p31", "confidence"] == pytest.approx(0.8865, abs=0.0001)
    assert found.loc[:"p30", "method"].tolist() == ["majority"] * 30


def test_a_judge_never_overrules_a_vote():
    words = {f"p{n}": "ff" for n in range(1, 34)}
    # p31 has one vote against the judge, p32 one for it, p33 enough votes that split.
    found = filled(words, *["ff"] * 30, "s", "f", "fs", least=0.8)
    assert found.loc[["p31", "p32", "p33"], "method"].tolist() == ["majority", "judge", "majority"]
    assert found.loc[["p31", "p32", "p33"], "outcome"].tolist() == ["none", "first", "none"]


def test_what_a_judge_filled_in_is_marked_in_the_preference():
    words = {f"p{n}": "ff" for n in range(1, 32)}
    made = curate(filled(words, *["ff"] * 30, least=0.8).reset_index(), plain_pairs(31), Rules(min_votes=2))
    assert made.summary["decided_by"] == {"judge": 1, "majority": 30}
    last = made.preferences.iloc[-1]
    assert (last["method"], last["n_votes"]) == ("judge", 0)


def test_a_threshold_that_lets_a_coin_decide_is_refused():
    with pytest.raises(SettingsError, match="judge may fill in"):
        Rules(judge_from=0.4)
    assert Rules(judge_from=0.8).as_dict()["judge_from"] == 0.8
