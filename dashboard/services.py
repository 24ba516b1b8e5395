"""Services: the reads that pages share, cached; the only `st.cache_*` in the code.

Frames come back shared between visitors and must not be changed. A cached read is keyed by what changes
with it (the last vote, the counts), so a page never shows an old number.
"""

import os

import pandas as pd
import streamlit as st

from pipeline import wiring
from pipeline.agreement import AgreementReport, measure
from pipeline.curate import Curation, Rules
from pipeline.export import Contents
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
    return [_status(studio().store.url, project.name, studio().store.version(project.name)) for project in projects()]


@st.cache_resource(show_spinner=False, max_entries=256)
def _status(url: str, project: str, version: str) -> ProjectStatus:  # noqa: ARG001 - part of the cache's key
    return studio().status(project)


def votes(project: str) -> pd.DataFrame:
    """Return the votes that count, as `Store.votes`."""
    return _votes(studio().store.url, project, studio().store.version(project))


@st.cache_resource(show_spinner=False, max_entries=8)
def _votes(url: str, project: str, version: str) -> pd.DataFrame:  # noqa: ARG001 - part of the cache's key
    return studio().store.votes(project)


def pairs(project: str) -> pd.DataFrame:
    """Return the pairs with their texts, as `Store.pairs`."""
    return _pairs(studio().store.url, project, studio().store.version(project))


@st.cache_resource(show_spinner=False, max_entries=8)
def _pairs(url: str, project: str, version: str) -> pd.DataFrame:  # noqa: ARG001 - part of the cache's key
    return studio().store.pairs(project)


def contents(project: str) -> Contents:
    """Return what a release of the project would hold, in every format; its frames are shared and must not be changed."""
    return _contents(studio().store.url, project, studio().store.version(project))


@st.cache_resource(show_spinner=False, max_entries=8)
def _contents(url: str, project: str, version: str) -> Contents:  # noqa: ARG001 - part of the cache's key
    return studio().contents(project, ["all"])


def agreement(project: str) -> AgreementReport:
    """Return how far the annotators of a project agree."""
    return _agreement(studio().store.url, project, studio().store.version(project))


@st.cache_resource(show_spinner=False, max_entries=8)
def _agreement(url: str, project: str, version: str) -> AgreementReport:  # noqa: ARG001 - part of the cache's key
    return measure(studio().store.votes(project))


def curation(project: str, rules: Rules) -> Curation:
    """Return what the rules would let through; its frames are shared and must not be changed."""
    return _curation(studio().store.url, project, studio().store.version(project), rules)


@st.cache_resource(show_spinner=False, max_entries=16)
def _curation(url: str, project: str, version: str, rules: Rules) -> Curation:  # noqa: ARG001 - part of the cache's key
    return studio().curation(project, rules)
