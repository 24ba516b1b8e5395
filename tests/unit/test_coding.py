"""Coding: votes as numbers, in the order they came and by item."""

import pytest

from pipeline import agreement
from pipeline.coding import encode, encode_by_item
from pipeline.records import OPINIONS
from tests.frames import ballots, grouped


def test_votes_by_item_stand_in_blocks_of_items_with_equally_many_votes():
    found, people = encode_by_item(ballots("fs", "t.", ".f", "ts"), OPINIONS)
    assert people.tolist() == ["a", "b"]
    told = [
        [[(found.annotators[place], OPINIONS[found.labels[place]]) for place in row] for row in block] for block in found.blocks
    ]
    assert told == [[[(0, "tie"), (1, "first")]], [[(0, "first"), (0, "tie")], [(1, "second"), (1, "second")]]]


def test_no_votes_are_one_empty_block():
    assert [block.size for block in grouped([], [], [], n_labels=4).blocks] == [0]


def test_names_that_no_vote_bears_are_gone():
    frame = ballots("ff", "s.").astype({"pair_id": "category", "annotator": "category", "choice": "category"})
    coded = encode(frame[frame["pair_id"] == "p2"], OPINIONS)
    assert (coded.item_ids.tolist(), coded.people.tolist(), coded.items.tolist(), coded.labels.tolist()) == (
        ["p2"],
        ["a"],
        [0],
        [1],
    )


def test_more_items_than_a_block_holds_give_the_numbers_of_all():
    # 30,000 of 40,000 pairs agree. One says first on all, the other on three of four: by chance they agree on three of four too.
    report = agreement.measure(ballots(*["ff", "ff", "ff", "fs"] * 10_000), resamples=10)
    assert (report.pairs, report.coefficients["percent"].value) == (40_000, 0.75)
    [row] = report.annotator_pairs.itertuples()
    assert (row.n, row.percent, row.cohen) == (40_000, 0.75, pytest.approx(0))


def test_two_who_never_met_are_not_compared_where_all_others_are():
    table = agreement.measure(ballots(*["ff."] * 10, *[".fs"] * 10)).annotator_pairs
    assert [(row.a, row.b, row.n) for row in table.itertuples()] == [("a", "b", 10), ("b", "c", 10)]


def test_votes_kept_as_codes_that_are_all_skips_are_no_votes():
    frame = ballots("kk", "kk").astype({"pair_id": "category", "annotator": "category", "choice": "category"})
    report = agreement.measure(frame)
    assert (report.votes, report.skipped, report.pairs, report.annotators) == (0, 4, 0, 0)
    assert report.coefficients["krippendorff_nominal"].why == "No pair has two votes that can be compared yet."
