"""Deciding: a reviewer reads one pair with all that was said on it, blind to names and sources, and decides it."""

import pandas as pd
import streamlit as st

from dashboard import opinions, services, state, widgets
from pipeline import annotate
from pipeline.errors import PipelineError
from pipeline.records import Choice, Pair, Project

_OTHER_WORDS = {
    str(Choice.TIE): "Both equally good",
    str(Choice.BOTH_BAD): "Both bad",
    str(Choice.SKIP): "Take the decision back, leave it to the votes",
}


def decide_pair(project: Project, pairs: pd.DataFrame, pair_id: str, *, key: str) -> None:
    """Show a pair, its history and a form for the decision.

    Args:
        project: Its key draws which response is shown as A, so that nobody can tell the human's.
        pairs: Columns `pair_id, prompt_id, prompt, first_id, second_id, first, second`.
        pair_id: The pair.
        key: Names the form on its page.
    """
    row = pairs[pairs["pair_id"] == pair_id].iloc[0]
    sides = _sides(project, row)
    widgets.text_card("Prompt", str(row["prompt"]))
    for column, (choice, title) in zip(st.columns(2), sides.items(), strict=True):
        with column:
            widgets.text_card(title, str(row[choice]))
    words = {str(choice): title for choice, title in sides.items()}
    said = services.history(project.name, pair_id)
    if said.empty:
        st.write("Nobody has voted on this pair.")
    else:
        st.caption("All that was said on this pair, in order. Names are left out.")
        widgets.table(opinions.history(said, words), key=f"{key}-history", name="history")
    _form(project, pair_id, words, is_decided=_is_decided(said), key=key)


def _sides(project: Project, row: pd.Series) -> dict[Choice, str]:
    """What the reviewer reads as A and B, in that order."""
    pair = Pair(id=row["pair_id"], prompt_id=row["prompt_id"], first_id=row["first_id"], second_id=row["second_id"])
    shown_first, _ = annotate.order(project.order_key, pair, "reviewer")
    order = (Choice.FIRST, Choice.SECOND) if shown_first == pair.first_id else (Choice.SECOND, Choice.FIRST)
    return dict(zip(order, ("Response A", "Response B"), strict=True))


def _is_decided(said: pd.DataFrame) -> bool:
    reviews = said[said["who"].str.startswith("Reviewer") & said["counts"]]
    return bool((reviews["choice"] != Choice.SKIP).any())


def _form(project: Project, pair_id: str, words: dict[str, str], *, is_decided: bool, key: str) -> None:
    """Ask for decision, reason and name; with a decision in force, offer to take it back."""
    shown = words | {
        str(Choice.TIE): "Both equally good",
        str(Choice.BOTH_BAD): "Both bad",
        str(Choice.SKIP): "Leave it to the votes",
    }
    options = [*words, str(Choice.TIE), str(Choice.BOTH_BAD), *([str(Choice.SKIP)] if is_decided else [])]
    with st.form(f"{key}-{pair_id}"):
        st.markdown("**Decide this pair.** Your decision stands above the votes; every vote stays as it was cast.")
        choice = st.radio("Which is better?", options, index=None, format_func=shown.__getitem__, horizontal=True)
        reason = st.text_area("Why?", placeholder="A sentence that others can follow", height=80)
        reviewer = st.text_input("Your name", value=state.reviewer())
        sent = st.form_submit_button("Change the decision" if is_decided else "Decide", type="primary")
    if not sent:
        return
    if choice is None:
        st.warning("Choose what is better first.")
        return
    try:
        services.studio().decisions.review(project.name, pair_id, Choice(choice), reviewer=reviewer, reason=reason)
    except PipelineError as error:
        widgets.error_box(error)
        return
    state.choose_reviewer(reviewer)
    st.rerun()
