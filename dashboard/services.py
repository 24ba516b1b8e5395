"""Services: the reads that pages share, cached; the only `st.cache_*` in the code.

Frames come back shared between visitors and must not be changed. A cached read is keyed by what changes
with it (the last vote, the counts), so a page never shows an old number.
"""

import os

import pandas as pd
import streamlit as st

from pipeline import wiring
from pipeline.records import Project
from pipeline.settings import Settings
from pipeline.studio import ProjectStatus, Studio


@st.cache_resource(show_spinner=False)
def _studio(settings: Settings) -> Studio:
    return wiring.open_studio(settings)


def studio() -> Studio:
    """Return the studio of the workspace; opened once per server."""
    return _studio(Settings.from_env(os.environ))


def start() -> None:
    """Open the workspace; a new one begins with the demonstration project."""
    opened = studio()
    if not opened.store.projects():
        opened.demo()


def projects() -> list[Project]:
    """Return every project, oldest first."""
    return studio().store.projects()


def status() -> list[ProjectStatus]:
    """Return where each project stands."""
    return [_status(studio().store.url, project.name, studio().version(project.name)) for project in projects()]


@st.cache_resource(show_spinner=False, max_entries=256)
def _status(url: str, project: str, version: str) -> ProjectStatus:  # noqa: ARG001 - part of the cache's key
    return studio().status(project)


def votes(project: str) -> pd.DataFrame:
    """Return the votes that count, as `Store.votes`."""
    return _votes(studio().store.url, project, studio().version(project))


@st.cache_resource(show_spinner=False, max_entries=8)
def _votes(url: str, project: str, version: str) -> pd.DataFrame:  # noqa: ARG001 - part of the cache's key
    return studio().store.votes(project)


def pairs(project: str) -> pd.DataFrame:
    """Return the pairs with their texts, as `Store.pairs`."""
    return _pairs(studio().store.url, project, studio().version(project))


@st.cache_resource(show_spinner=False, max_entries=8)
def _pairs(url: str, project: str, version: str) -> pd.DataFrame:  # noqa: ARG001 - part of the cache's key
    return studio().store.pairs(project)
