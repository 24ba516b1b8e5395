"""Reading: tables of any length, and of pairs, of which one can be opened and read in full, exactly as it is written."""

import pandas as pd
import streamlit as st

from dashboard import widgets

LAZY_FROM_ROWS = 5_000
MOST_TO_CHOOSE_FROM = 1_000


def show_rows(table: pd.DataFrame) -> None:
    """Show every row of a table; a long one is sent to the browser piece by piece."""
    st.dataframe(table, hide_index=True, lazy=len(table) >= LAZY_FROM_ROWS)


def open_pair(table: pd.DataFrame, pairs: pd.DataFrame, *, key: str) -> None:
    """Show a table of pairs; a row that is chosen shows its prompt and both responses below.

    Args:
        table: What the reader sees; its index holds pair ids.
        pairs: Columns `pair_id, prompt, first, second`.
        key: Names this table on its page.
    """
    _show_chosen(table, pairs, {"first": "First response", "second": "Second response"}, key)


def open_preference(table: pd.DataFrame, preferences: pd.DataFrame, *, key: str) -> None:
    """Show a table of preferences; a row that is chosen shows prompt, chosen and rejected below."""
    _show_chosen(table, preferences, {"chosen": "Chosen", "rejected": "Rejected"}, key)


def _show_chosen(table: pd.DataFrame, rows: pd.DataFrame, sides: dict[str, str], key: str) -> None:
    st.caption(f"{len(table):,} {'pair' if len(table) == 1 else 'pairs'}. Choose a row to read it in full.")
    if len(table) > MOST_TO_CHOOSE_FROM:
        # Streamlit 1.67 refuses a table that is both sent piece by piece and chosen from.
        st.caption(f"The first {MOST_TO_CHOOSE_FROM:,} can be chosen here.")
        table = table.head(MOST_TO_CHOOSE_FROM)
    chosen = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"table-{key}",
    )
    places = chosen["selection"]["rows"]
    # The table may have become shorter since the row was chosen.
    if not places or places[0] >= len(table):
        return
    row = rows[rows["pair_id"] == table.index[places[0]]].iloc[0]
    widgets.text_card("Prompt", str(row["prompt"]))
    for column, (name, title) in zip(st.columns(2), sides.items(), strict=True):
        with column:
            widgets.text_card(title, str(row[name]))
