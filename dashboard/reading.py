"""Reading: a table of pairs of which one can be opened and read in full, exactly as it is written."""

import pandas as pd
import streamlit as st

from dashboard import widgets

LAZY_FROM_ROWS = 5_000


def open_pair(table: pd.DataFrame, pairs: pd.DataFrame, *, key: str) -> None:
    """Show a table; a row that is chosen shows its prompt and both responses below.

    Args:
        table: What the reader sees; its index holds pair ids.
        pairs: Columns `pair_id, prompt, first, second`.
        key: Names this table on its page.
    """
    st.caption(f"{len(table):,} pairs. Choose a row to read it in full.")
    chosen = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"table-{key}",
        lazy=len(table) >= LAZY_FROM_ROWS,
    )
    rows = chosen["selection"]["rows"]
    # The table may have become shorter since the row was chosen.
    if not rows or rows[0] >= len(table):
        return
    show_pair(pairs, str(table.index[rows[0]]))


def show_pair(pairs: pd.DataFrame, pair_id: str) -> None:
    """Show the prompt and both responses of one pair."""
    pair = pairs[pairs["pair_id"] == pair_id].iloc[0]
    widgets.text_card("Prompt", str(pair["prompt"]))
    for column, name, title in zip(st.columns(2), ("first", "second"), ("First response", "Second response"), strict=True):
        with column:
            widgets.text_card(title, str(pair[name]))
