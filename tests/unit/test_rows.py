"""The rows: what judges said of a pair, added up."""

import pandas as pd

from pipeline.rows import rate


def test_ratings_are_means_over_judges_and_orders_and_every_judge_is_named_once():
    said = [("p1", "zeta", 5.0, 1.0), ("p1", "alpha", 3.0, 2.0), ("p1", "zeta", 4.0, 3.0), ("p2", "alpha", None, None)]
    rated = rate(pd.DataFrame(said, columns=["pair_id", "judge", "rating_first", "rating_second"]))
    # (5 + 3 + 4) / 3 and (1 + 2 + 3) / 3.
    assert rated.loc["p1"].tolist() == [4.0, 2.0, "alpha, zeta"]
    assert rated.loc["p2", "judge"] == "alpha"
    assert rated.loc["p2", ["rating_first", "rating_second"]].isna().all()
    assert rate(pd.DataFrame(columns=["pair_id", "judge", "rating_first", "rating_second"])).empty
