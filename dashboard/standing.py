"""Standing: how far the voting in Argilla is, asked anew every few seconds for as long as somebody looks at it."""

import streamlit as st

from dashboard import services, tables, widgets
from pipeline.errors import PipelineError
from pipeline.ports import BackendProgress

POLL_S = 5.0


def watch(project: str) -> None:
    """Show the numbers of the server and keep them up to date; whoever leaves the page ends the asking."""
    st.fragment(_show, run_every=POLL_S)(project)


def _show(project: str) -> None:
    try:
        found = services.argilla_standing(project)
    except PipelineError as error:
        widgets.error_box(error)
        st.caption(f"Asked again every {POLL_S:.0f} seconds while this page is open.")
        return
    numbers(found, home=services.project_status(project).votes)
    if found.annotators:
        st.dataframe(tables.standing(found.annotators), hide_index=True, key="argilla-annotators")
    else:
        st.write("Nobody has answered in Argilla yet.")
    st.caption(f"Counted by the server, skips included; asked again every {POLL_S:.0f} seconds while this page is open.")


def numbers(found: BackendProgress, *, home: int) -> None:
    """The four numbers a coordinator looks for; `home` is how many votes the project has here."""
    submitted = sum(one.submitted for one in found.annotators)
    told = {
        "Pairs in Argilla": f"{found.pairs:,}",
        "With all their answers": f"{found.completed:,}",
        "Answers submitted there": f"{submitted:,}",
        "Votes here, skips apart": f"{home:,}",
    }
    with st.container(horizontal=True):
        for label, value in told.items():
            st.metric(label, value, width="content")
