"""Annotate page: which of two answers is better?

An annotator gives a name, then answers one pair after another with one key or tap.
"""

import streamlit as st

from dashboard import state, voting, widgets
from pipeline.records import Project


def page() -> None:
    """Draw the page; what a vote means is decided in `pipeline.annotate`, where it goes in the store's backend."""
    is_voting = state.annotator() is not None
    how = "Read the prompt and both answers, then press one key or tap one button."
    widgets.page_title("Which answer is better?", "" if is_voting else how)
    # Who votes already sees the pair first, however small the screen; the project to choose stands below it.
    above = st.container()
    project = widgets.pick_project()
    if project is None:
        return
    with above if is_voting else st.container():
        annotator = voting.ask_for_annotator(project)
        if annotator:
            voting.show_desk(project.name, annotator)
    if annotator:
        _show_who_votes(annotator)
        _show_invitation(project)


def _show_who_votes(annotator: str) -> None:
    """Say under which name the answers are stored, and let another person take over."""
    st.caption(f"You vote as {widgets.plain(annotator)}.")
    if st.button(f"Not {widgets.plain(annotator)}? Change the name", type="tertiary"):
        state.forget_annotator()
        st.rerun()


def _show_invitation(project: Project) -> None:
    """A link for others: the address above holds this annotator's name."""
    with st.expander("Invite others"):
        st.write("Send this link, not the address of this page: whoever opens that one would vote under your name.")
        st.code(state.invitation(st.context.url or "", project.name), language=None, wrap_lines=True)


page()
