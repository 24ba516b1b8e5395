"""Entry of the dashboard: root path, page config, navigation table, nothing else."""

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

from dashboard import services, widgets  # noqa: E402
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
pages = [
    st.Page(widgets.PAGES[noun], title=title, url_path=None if noun == "overview" else noun, default=noun == "overview")
    for noun, title in TITLES.items()
]
page = st.navigation(pages, position="top")
widgets.phone_navigation(pages)
try:
    services.start()
    page.run()
except PipelineError as error:
    widgets.error_box(error)
