"""Annotate page: which of two answers is better?

An annotator gives a name, then answers one pair after another with one key or tap.
"""

import streamlit as st

from dashboard import state, voting, widgets


def page() -> None:
    """Draw the page; what a vote means is decided in `pipeline.annotate`, where it goes in the store's backend."""
    widgets.page_title("Which answer is better?", "Read the prompt and both answers, then press one key or tap one button.")
    project = widgets.pick_project()
    if project is None:
        return
    annotator = voting.ask_for_annotator(project)
    if annotator is None:
        return
    voting.show_desk(project.name, annotator)
    voting.show_guidelines(project, is_open=False)
    if st.button(f"Not {widgets.plain(annotator)}? Change the name", type="tertiary"):
        state.forget_annotator()
        st.rerun()


page()
