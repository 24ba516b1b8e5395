"""Deciding: a reviewer reads one pair with all that was said on it, blind to names and sources, and decides it."""

import pandas as pd
import streamlit as st

from dashboard import opinions, services, state, widgets
from pipeline.decisions import ReadPair
from pipeline.errors import PipelineError
from pipeline.records import Choice, Project

_SIDES = {"a": "Response A", "b": "Response B"}


def decide_pair(project: Project, pair_id: str, *, key: str) -> None:
    """Show a pair, its history and a form for the decision; `key` names the form on its page."""
    read = services.read_pair(project.name, pair_id)
    widgets.text_card("Prompt", read.prompt)
    for column, title, text in zip(st.columns(2), _SIDES.values(), (read.a, read.b), strict=True):
        with column:
            widgets.text_card(title, text)
    if read.history.empty:
        st.write("Nobody has voted on this pair.")
    else:
        st.caption("All that was said on this pair, in order. Names are left out.")
        widgets.table(opinions.history(read.history, _SIDES), key=f"{key}-history", name="history")
    _form(project, read, pair_id, is_decided=_is_decided(read.history), key=key)


def _is_decided(said: pd.DataFrame) -> bool:
    reviews = said[said["who"].str.startswith("Reviewer") & said["counts"]]
    return bool((reviews["choice"] != Choice.SKIP).any())


def _form(project: Project, read: ReadPair, pair_id: str, *, is_decided: bool, key: str) -> None:
    """Ask for decision, reason and name; with a decision in force, offer to take it back."""
    shown = _SIDES | {
        str(Choice.TIE): "Both equally good",
        str(Choice.BOTH_BAD): "Both bad",
        str(Choice.SKIP): "Leave it to the votes",
    }
    options = [*_SIDES, str(Choice.TIE), str(Choice.BOTH_BAD), *([str(Choice.SKIP)] if is_decided else [])]
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
        services.studio().decisions.review(project.name, pair_id, read.choice(choice), reviewer=reviewer, reason=reason)
    except PipelineError as error:
        widgets.error_box(error)
        return
    state.choose_reviewer(reviewer)
    st.rerun()
