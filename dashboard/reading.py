"""Reading: tables of any length, and of pairs, of which one can be opened and read in full, exactly as it is written."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard import widgets

MOST_ROWS = 1_000
"""A table whose rows can be chosen is sent to the browser whole (Streamlit 1.67 cannot send it bit by bit)."""
InWords = Callable[[pd.DataFrame], pd.DataFrame]


def show_rows(table: pd.DataFrame) -> None:
    """Show every row of a table; a long one is sent to the browser piece by piece."""
    st.dataframe(table, hide_index=True, lazy=len(table) >= widgets.LAZY_FROM_ROWS)


def open_preference(preferences: pd.DataFrame, words: InWords, *, key: str, name: str) -> None:
    """Show a table of preferences; a row that is chosen shows prompt, chosen and rejected below."""
    pair_id = choose_pair(preferences, words, key=key, name=name)
    if pair_id is None:
        return
    row = preferences[preferences["pair_id"] == pair_id].iloc[0]
    widgets.text_card("Prompt", str(row["prompt"]))
    for column, side in zip(st.columns(2), ("chosen", "rejected"), strict=True):
        with column:
            widgets.text_card(side.capitalize(), str(row[side]))


def choose_pair(rows: pd.DataFrame, words: InWords, *, key: str, name: str) -> str | None:
    """Show a table of pairs with its download; return the id of the pair whose row is chosen, None before a choice.

    Args:
        rows: One row per pair, most pressing first.
        words: Turns rows into what the reader sees; its index holds pair ids.
        key: Names this table on its page.
        name: Names the downloaded file.
    """
    shown = words(rows.head(MOST_ROWS))
    here = f"{len(rows):,} {'pair' if len(rows) == 1 else 'pairs'}"
    first = f", the first {MOST_ROWS:,} of them here, all in the download" if len(rows) > MOST_ROWS else ""
    st.caption(f"{here}{first}. Choose a row to read it in full.")
    chosen = st.dataframe(shown, hide_index=True, on_select="rerun", selection_mode="single-row", key=f"table-{key}")
    widgets.download(lambda: words(rows), key=key, name=name)
    places = chosen["selection"]["rows"]
    # The table may have become shorter since the row was chosen.
    return str(shown.index[places[0]]) if places and places[0] < len(shown) else None
