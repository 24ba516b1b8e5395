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


def visitor_address() -> str | None:
    """Return the address this visitor came from, None for the computer the dashboard runs on."""
    if "visitor_address" not in st.session_state:
        st.session_state["visitor_address"] = st.context.ip_address
    address: str | None = st.session_state["visitor_address"]
    return address


def is_signed_in() -> bool:
    """Return whether this visitor has given the password; it holds until they sign out or close the tab."""
    return bool(st.session_state.get("is_signed_in"))


def sign_in() -> None:
    """Remember that this visitor has given the password."""
    st.session_state["is_signed_in"] = True


def sign_out() -> None:
    """Forget all that was remembered for this visitor."""
    st.session_state.clear()


def is_coordinator() -> bool:
    """Return whether the coordinator's pages are open to this visitor, as Home.py found at this run."""
    return bool(st.session_state.get("is_coordinator"))


def admit(*, is_coordinator: bool) -> None:
    """Remember for this run whether the coordinator's pages are open to this visitor."""
    st.session_state["is_coordinator"] = is_coordinator
