"""What `agreement` says beside its coefficients, from a real store through the real command."""

import pandas as pd

from pipeline import wiring
from pipeline.agreement import measure_ratings
from pipeline.insights import judge_ratings
from pipeline.records import Choice, Judgement
from pipeline.settings import Settings
from tests.terminal import studio


def test_agreement_tells_of_people_parts_and_the_next_votes(workspace):
    assert studio(workspace, "demo").code == 0
    told = studio(workspace, "agreement", "Demonstration English").answer
    assert sum(person["votes"] for person in told["people"]) == told["votes"]
    assert {"model", "week", "prompt_length", "annotation_type"} <= {part["dimension"] for part in told["segments"]}
    by_model = [part for part in told["segments"] if part["dimension"] == "model"]
    assert sum(part["votes"] for part in by_model) == told["votes"]
    # The demonstration has 15 pairs in each language: too few to look ahead.
    assert told["more_votes"]["plans"] == []
    assert "20 pairs" in told["more_votes"]["why"]
    assert all(question["ask"].endswith("?") for question in told["questions"])
    assert told["judge_ratings"]["krippendorff_ordinal"]["value"] is None


def test_judges_ratings_of_the_same_response_in_the_same_order_are_compared(workspace):
    opened = wiring.open_studio(Settings.from_env({}, workspace=workspace))
    opened.demo()
    name = "Demonstration English"
    pairs = opened.store.pairs(name).head(3)
    opened.store.add_judgements(
        name,
        [
            Judgement(
                pair_id=pair.pair_id,
                judge=judge,
                shown_first=pair.first_id,
                choice=Choice.FIRST,
                rating_first=5.0,
                rating_second=float(1 + place) if judge == "one" else None,
            )
            for place, pair in enumerate(pairs.itertuples())
            for judge in ("one", "two")
        ],
    )
    rated = judge_ratings(opened.store.judgements(name))
    opened.store.close()
    assert len(rated) == 9
    assert measure_ratings(rated)["percent"].value == 1.0
    assert measure_ratings(rated)["percent"].n == 3


def test_half_a_point_is_no_rating_from_1_to_5():
    judgements = pd.DataFrame(
        [("p1", "one", "a", 4.5, 6.0)], columns=["pair_id", "judge", "shown_first", "rating_first", "rating_second"]
    )
    assert judge_ratings(judgements).empty
