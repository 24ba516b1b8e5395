"""Reading: a table of pairs of which one can be opened and read in full, exactly as it is written."""

import pandas as pd
import streamlit as st

from dashboard import widgets


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


def choose_pair(table: pd.DataFrame, *, key: str, name: str) -> str | None:
    """Show a table of pairs with its download; return the id of the pair whose row is chosen, None before a choice."""
    st.caption(f"{len(table):,} {'pair' if len(table) == 1 else 'pairs'}. Choose a row to read it in full.")
    chosen = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"table-{key}",
        lazy=len(table) >= widgets.LAZY_FROM_ROWS,
    )
    widgets.download(table, key=key, name=name)
    places = chosen["selection"]["rows"]
    # The table may have become shorter since the row was chosen.
    return str(table.index[places[0]]) if places and places[0] < len(table) else None


def _show_chosen(table: pd.DataFrame, rows: pd.DataFrame, sides: dict[str, str], key: str) -> None:
    pair_id = choose_pair(table, key=key, name=key)
    if pair_id is None:
        return
    row = rows[rows["pair_id"] == pair_id].iloc[0]
    widgets.text_card("Prompt", str(row["prompt"]))
    for column, (name, title) in zip(st.columns(2), sides.items(), strict=True):
        with column:
            widgets.text_card(title, str(row[name]))
