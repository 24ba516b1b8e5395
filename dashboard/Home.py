"""Entry of the dashboard: root path, page config, which pages this visitor may open, nothing else."""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
# Streamlit puts only this folder on the path; worker processes read the variable.
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([ROOT, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
)

import streamlit as st  # noqa: E402

from dashboard import services, signing, state, widgets  # noqa: E402
from pipeline.errors import PipelineError  # noqa: E402

TITLES = {
    "overview": "Board",
    "languages": "Languages",
    "generate": "Generate",
    "annotate": "Annotate",
    "argilla": "Argilla",
    "progress": "Progress",
    "agreement": "Agreement",
    "curate": "Curate",
    "export": "Export",
}

st.set_page_config(page_title="Aya Preference Studio", page_icon="🗳️", layout="wide")
st.logo(Path(__file__).with_name("logo.svg"), size="large")
try:
    may = signing.may_coordinate(state.visitor_address(), services.password(), is_signed_in=state.is_signed_in())
    state.admit(is_coordinator=may)
    # A page that is closed is not in the navigation: the sign-in stands at its address, so that it opens there afterwards.
    pages = {
        noun: st.Page(
            widgets.PAGES[noun] if may or noun == "annotate" else signing.closed_page,
            title=title if may or noun == "annotate" else "Sign in",
            url_path=noun,
            default=noun == "overview",
        )
        for noun, title in TITLES.items()
    }
    if state.is_signed_in():
        pages["sign-out"] = st.Page(signing.sign_out_page, title="Sign out", url_path="sign-out")
    page = st.navigation(list(pages.values()), position="top" if may else "hidden")
    if may:
        widgets.phone_navigation(list(pages.values()))
    services.start()
    page.run()
    if not may and page is pages["annotate"]:
        st.page_link(pages["overview"], label="For coordinators")
except PipelineError as error:
    widgets.error_box(error)
