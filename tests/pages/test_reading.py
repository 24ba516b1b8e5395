"""A table of many pairs can be opened and chosen from."""

import pandas as pd
from streamlit.testing.v1 import AppTest


def show_many() -> None:
    import pandas as pd

    from dashboard import reading

    ids = [f"p{number}" for number in range(6_000)]
    pairs = pd.DataFrame({"pair_id": ids, "prompt": ids, "first": ids, "second": ids})
    reading.open_pair(pd.DataFrame({"prompt": ids}, index=ids), pairs, key="many")


def test_six_thousand_pairs_open_and_say_how_many_are_there():
    page = AppTest.from_function(show_many).run(timeout=30)
    assert not page.exception
    assert [caption.value[:12] for caption in page.caption] == ["6,000 pairs.", "The first 1,"]
    assert isinstance(page.dataframe[0].value, pd.DataFrame)
    assert len(page.dataframe[0].value) == 1_000
