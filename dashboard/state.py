"""State: typed access to what one visitor has chosen; session state and query parameters, never a cache.

The project stands in the address, so that a refresh, a bookmark and a shared link find it again. So does an
annotator's name, for a refresh; a link for others is made by `invitation`, without it.
"""

from urllib.parse import quote

import streamlit as st


def current_project_name() -> str | None:
    """Return the name of the project this visitor looks at, None before a choice."""
    name = st.query_params.get("project") or st.session_state.get("project")
    return str(name) if name else None


def choose_project(name: str) -> None:
    """Remember the project for this visitor, over pages and refreshes."""
    st.session_state["project"] = name
    if st.query_params.get("project") != name:
        st.query_params["project"] = name


def annotator() -> str | None:
    """Return the name under which this visitor votes, None before they gave one."""
    name = st.query_params.get("annotator") or st.session_state.get("annotator")
    return str(name) if name else None


def choose_annotator(name: str) -> None:
    """Remember under which name this visitor votes; it stands in the address, so that a refresh keeps it."""
    st.session_state["annotator"] = name
    if st.query_params.get("annotator") != name:
        st.query_params["annotator"] = name


def forget_annotator() -> None:
    """Forget the name, so that another person can vote in this window."""
    st.session_state.pop("annotator", None)
    st.query_params.pop("annotator", None)


def invitation(address: str, project: str) -> str:
    """Return the link that opens the page at `address` for another person: with the project, without anybody's name."""
    return f"{address}?project={quote(project, safe='')}"


def reviewer() -> str:
    """Return the name under which this visitor decides pairs, empty before they gave one."""
    return str(st.session_state.get("reviewer", ""))


def choose_reviewer(name: str) -> None:
    """Remember under which name this visitor decides pairs."""
    st.session_state["reviewer"] = name
