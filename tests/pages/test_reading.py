"""A table of many pairs can be opened and chosen from."""

import pandas as pd
from streamlit.testing.v1 import AppTest


def show_many() -> None:
    import pandas as pd

    from dashboard import reading

    ids = [f"p{number}" for number in range(6_000)]
    pairs = pd.DataFrame({"pair_id": ids, "prompt": ids, "first": ids, "second": ids})
    reading.choose_pair(pairs, lambda rows: rows.set_index("pair_id")[["prompt"]], key="many", name="many")


def test_six_thousand_pairs_open_and_say_how_many_are_there():
    page = AppTest.from_function(show_many).run(timeout=30)
    assert not page.exception
    assert page.caption[0].value.startswith("6,000 pairs, the first 1,000 of them here, all in the download.")
    assert isinstance(page.dataframe[0].value, pd.DataFrame)
    assert len(page.dataframe[0].value) == 1_000
