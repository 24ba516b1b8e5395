"""The material of a release: what judges said of a pair, added up."""

import pandas as pd

from pipeline.material import rate


def test_ratings_are_means_over_judges_and_orders_and_every_judge_is_named_once():
    said = [(0, "zeta", 5.0, 1.0), (0, "alpha", 3.0, 2.0), (0, "zeta", 4.0, 3.0), (1, "alpha", None, None)]
    rated = rate(pd.DataFrame(said, columns=["place", "judge", "rating_first", "rating_second"]))
    # (5 + 3 + 4) / 3 and (1 + 2 + 3) / 3.
    assert rated.loc[0].tolist() == [4.0, 2.0, "alpha, zeta"]
    assert rated.loc[1, "judge"] == "alpha"
    assert rated.loc[1, ["rating_first", "rating_second"]].isna().all()
    assert rate(pd.DataFrame(columns=["place", "judge", "rating_first", "rating_second"])).empty
