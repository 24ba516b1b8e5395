"""Services: the reads that pages share, cached; the only `st.cache_*` in the code.

Frames come back shared between visitors and must not be changed. A cached read is keyed by what changes
with it (the last vote, the counts), so a page never shows an old number.
"""

import dataclasses
import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import pandas as pd
import streamlit as st

from dashboard.downloads import Download
from pipeline import annotators, privacy, progress, wiring
from pipeline.adapters import endpoints, evaluation
from pipeline.agreement import AgreementReport, measure, offered_choices
from pipeline.consensus import Advice, advise
from pipeline.curate import Curation, Rules
from pipeline.decisions import ReadPair, Reviewed
from pipeline.export import Contents, ReleaseOptions
from pipeline.health import Health
from pipeline.judge_check import JudgeCheck
from pipeline.licences import Terms
from pipeline.more_votes import Outlook, expect
from pipeline.near_duplicates import count_repeated
from pipeline.ports import BackendProgress
from pipeline.records import Project, Role
from pipeline.segments import by_language, by_segment
from pipeline.selection import Selection, SelectionRules, select_prompts
from pipeline.settings import Settings
from pipeline.shapes import Layout, Split
from pipeline.source import HUB, SAMPLE, Source, file_stamp
from pipeline.studio import ProjectStatus, Studio
from pipeline.versions import Difference

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")
Read = Callable[Concatenate[str, Arguments], Found]


def _per_version(*, keep: int = 8, spinner: str | bool = False) -> Callable[[Read[Arguments, Found]], Read[Arguments, Found]]:
    """Keep what is read of a project until anything of the project changes; `keep` so many, with a word while it takes."""

    def keeping(read: Read[Arguments, Found]) -> Read[Arguments, Found]:
        def kept(
            url: str,  # noqa: ARG001 - part of the cache's key, as is the version
            project: str,
            version: str,  # noqa: ARG001
            *args: Arguments.args,
            **kwargs: Arguments.kwargs,
        ) -> Found:
            return read(project, *args, **kwargs)

        # Streamlit tells cached functions apart by this name.
        kept.__qualname__ = read.__qualname__
        cached = st.cache_resource(show_spinner=spinner, show_time=True, max_entries=keep)(kept)

        def latest(project: str, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Found:
            store = studio().store
            return cached(store.url, project, store.version(project), *args, **kwargs)

        return functools.update_wrapper(latest, read)

    return keeping


@st.cache_resource(show_spinner=False)
def _studio(settings: Settings) -> Studio:
    return wiring.open_studio(settings)


def studio() -> Studio:
    """Return the studio of the workspace; opened once per server."""
    return _studio(Settings.from_env(os.environ))


def password() -> str:
    """Return the password of the coordinator's pages, empty where none is set; the first read of each run."""
    # Streamlit hands what stands in secrets.toml to the environment, from which the settings are read.
    st.secrets.load_if_toml_exists()
    return Settings.from_env(os.environ).password


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
    return [project_status(project.name) for project in projects()]


@_per_version(keep=256, spinner="Counting what is there…")
def project_status(project: str) -> ProjectStatus:
    """Return where one project stands."""
    return studio().status(project)


@_per_version(keep=4, spinner="Reading the votes…")
def votes(project: str) -> pd.DataFrame:
    """Return the votes that count, as `Store.votes`."""
    return studio().store.votes(project)


@_per_version(keep=4, spinner="Reading the pairs…")
def pairs(project: str) -> pd.DataFrame:
    """Return the pairs with their texts, as `Store.pairs`."""
    return studio().store.pairs(project)


def open_pairs(project: str) -> pd.DataFrame:
    """Return the pairs that people are asked to vote on: those of which no response is set aside."""
    known, noticed = pairs(project), screened(project)
    out = noticed.loc[noticed["is_out"], "response_id"]
    return known[~(known["first_id"].isin(out) | known["second_id"].isin(out))]


@_per_version(spinner="Counting the votes…")
def pace(project: str) -> progress.Pace:
    """Return how the voting of a project goes."""
    return progress.pace(votes(project), open_pairs(project), votes_wanted=studio().store.project(project).votes_wanted)


@_per_version(spinner="Looking at every row…")
def health(project: str, options: ReleaseOptions) -> Health:
    """Return whether the next release is fit to train on."""
    return studio().facts.health(project, options)


@_per_version(spinner="Comparing with the release before…")
def changes(project: str, since: str, options: ReleaseOptions) -> Difference:
    """Return what changed from a release to what the next one would hold.

    Raises:
        ExportError: The release cannot be read, or holds no preferences.
    """
    return studio().facts.changes(project, since=since, options=options)


@_per_version(spinner="Reading the terms of each part…")
def terms(project: str) -> Terms:
    """Return under which terms a release goes out, and what is still to be answered."""
    return studio().facts.terms(project)


@_per_version(spinner="Looking for personal data…")
def personal(project: str, release: str) -> list[privacy.Found]:
    """Return what in a written release looks like personal data."""
    return studio().publishing.personal(project, release)


def contents(project: str, options: ReleaseOptions) -> Contents:
    """Return what a release of the project would hold, in every format; its frames are shared and must not be changed."""
    return dataclasses.replace(_rows(project, whatever_layout(options)), options=options)


def whatever_layout(options: ReleaseOptions) -> ReleaseOptions:
    """Return the options with the usual layout: the rows are the same in each, and need not be gathered anew."""
    return dataclasses.replace(options, layout=Layout.MESSAGES, with_system=False, jsonl=False)


@_per_version(keep=4, spinner="Putting the rows of the release together…")
def _rows(project: str, options: ReleaseOptions) -> Contents:
    return studio().contents(project, ["all"], options)


@st.cache_data(max_entries=4, show_spinner="Reading the evaluation set…")
def evaluation_prompts(name: str, data: bytes) -> tuple[str, ...]:
    """Return the prompts of an uploaded evaluation set.

    Raises:
        SourceError: The file cannot be read, or holds no column of prompts.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(name).name
        file.write_bytes(data)
        return tuple(evaluation.read_prompts(file))


@_per_version(spinner="Comparing every test prompt with every training prompt…")
def leakage(project: str) -> int | None:
    """Return how many test prompts of the next release nearly repeat a training prompt; None without a test part."""
    made = studio().contents(project, ["dpo"])
    held_out = made.prompts(Split.TEST)
    return count_repeated(held_out, of=made.prompts(Split.TRAIN)) if held_out else None


@_per_version(spinner="Measuring agreement…")
def agreement(project: str) -> AgreementReport:
    """Return how far the annotators of a project agree."""
    return measure(studio().store.votes(project))


@_per_version(keep=4, spinner="Applying the rules to every pair…")
def curation(project: str, rules: Rules) -> Curation:
    """Return what the rules would let through; its frames are shared and must not be changed."""
    return studio().curation(project, rules)


@_per_version(spinner="Looking for contested pairs…")
def review_queue(project: str, order: str) -> pd.DataFrame:
    """Return the pairs a reviewer should look at, as `adjudicate.queue`."""
    return studio().decisions.queue(project, order)


@_per_version(spinner="Comparing the judges with people…")
def judge_checks(project: str, *, min_votes: int) -> list[JudgeCheck]:
    """Return how each judge of the project compares with its people."""
    return studio().decisions.check_judges(project, min_votes=min_votes)


@_per_version(spinner="Looking which method fits…")
def advice(project: str) -> Advice:
    """Return which method of adding up fits the votes."""
    return advise(votes(project))


@_per_version(spinner="Adding up the votes in every way…")
def flips(project: str, *, min_votes: int) -> pd.DataFrame:
    """Return the pairs on which the methods differ, as `consensus.flips`."""
    return studio().decisions.flips(project, min_votes=min_votes)


@_per_version(keep=16, spinner="Looking at the reviewed pairs…")
def reviewed(project: str, method: str, *, min_votes: int) -> Reviewed:
    """Return how sure the outcomes of pairs were that a reviewer decided, and whether they were right."""
    return studio().decisions.reviewed(project, method, min_votes=min_votes)


@_per_version(spinner="Looking at how each person votes…")
def examined(project: str) -> pd.DataFrame:
    """Return what each annotator's votes show, as `annotators.examine`."""
    everything = studio().store.votes(project, history=True)
    return annotators.examine(votes(project), pairs(project), history=everything[everything["role"] != Role.ADJUDICATOR])


@_per_version(spinner="Comparing the parts of the data…")
def segments(project: str) -> pd.DataFrame:
    """Return agreement by kind of pair and by time, as `segments.by_segment`."""
    cast = votes(project)
    return by_segment(cast, pairs(project), labels=offered_choices(cast))


def languages_compared() -> pd.DataFrame:
    """Return agreement by language over all projects but demonstrations, as `segments.by_language`."""
    real = [project for project in projects() if not project.is_demonstration]
    versions = tuple((project.name, studio().store.version(project.name)) for project in real)
    return _languages_compared(studio().store.url, versions)


@st.cache_resource(show_spinner="Comparing languages…", max_entries=2)
def _languages_compared(url: str, versions: tuple[tuple[str, str], ...]) -> pd.DataFrame:  # noqa: ARG001 - part of the cache's key
    votes_of: dict[str, list[pd.DataFrame]] = {}
    for name, _ in versions:
        votes_of.setdefault(studio().store.project(name).language, []).append(votes(name))
    return by_language(votes_of)


@_per_version(spinner="Looking ahead…")
def outlook(project: str) -> Outlook:
    """Return what more votes would change, as `more_votes.expect`."""
    cast = votes(project)
    return expect(cast, labels=offered_choices(cast))


@_per_version()
def stand_ins(project: str) -> dict[str, str]:
    """Return a stand-in for each annotator's name."""
    return annotators.stand_ins(votes(project))


def read_pair(project: str, pair_id: str) -> ReadPair:
    """Return one pair as a reviewer reads it, with all that was said on it; read anew each time."""
    return studio().decisions.read(project, pair_id)


def source(spec: str) -> Source:
    """Return the source `hub`, `sample` or a path, read once; a changed file is read again."""
    return _source(studio().store.url, spec, "" if spec in (HUB, SAMPLE) else file_stamp(spec))


@st.cache_resource(show_spinner="Reading the rows…", max_entries=16)
def _source(url: str, spec: str, stamp: str) -> Source:  # noqa: ARG001 - part of the cache's key
    return studio().open_source(spec)


@st.cache_resource(show_spinner=False)
def _hub_download(url: str) -> Download:  # noqa: ARG001 - part of the cache's key
    opened = studio()
    return Download(lambda progress: opened.open_source(HUB, progress=progress))


def hub_download() -> Download:
    """Return the one download of the Hub's rows, whoever started it."""
    return _hub_download(studio().store.url)


def hub_is_downloaded() -> bool:
    """Return whether the Hub's rows are in the workspace."""
    return studio().hub_is_downloaded()


@st.cache_resource(show_spinner=False, max_entries=16)
def language_figures(opened: Source | None) -> pd.DataFrame:
    """Return one row per language of a source, or the published figures for None."""
    return studio().language_figures(opened)


@st.cache_resource(show_spinner=False, max_entries=8)
def language_rows(opened: Source, language: str) -> pd.DataFrame:
    """Return the rows of one language of a source."""
    return studio().language_rows(opened, language)


@st.cache_resource(show_spinner="Trying the rules on every row…", max_entries=16)
def selection(opened: Source, language: str, rules: SelectionRules) -> Selection:
    """Return what the rules select from one language, without a limit."""
    return select_prompts(language_rows(opened, language), language=language, rules=rules)


@_per_version()
def responses(project: str) -> pd.DataFrame:
    """Return the responses, as `Store.responses`."""
    return studio().store.responses(project)


@_per_version()
def screened(project: str) -> pd.DataFrame:
    """Return what was noticed about the answers, as `ScreenStore.all`."""
    return studio().screens.all(project)


@_per_version()
def judges(project: str) -> pd.DataFrame:
    """Return how each judge judged, as `judge.by_judge`."""
    return studio().judges(project)


@_per_version(spinner="Counting the verdicts…")
def unjudged(project: str, model: str, style: str) -> pd.DataFrame:
    """Return the pairs a run of this judge would ask about, as `Answering.unjudged`."""
    return studio().unjudged(project, model, style)


@st.cache_data(show_spinner=False, ttl=10)
def local_servers() -> list[endpoints.LocalServer]:
    """Return the model servers that answer on this machine, looked for every ten seconds at most."""
    return endpoints.find_local_servers()


@st.cache_data(show_spinner=False, ttl=60, max_entries=64)
def context_tokens(base_url: str, api_key_env: str, model: str) -> int | None:
    """Return how many tokens a model takes in all, None where its server does not tell.

    Raises:
        EndpointError: The key is for another server.
    """
    studio().check_key(api_key_env, base_url)
    key = os.environ.get(api_key_env, "") if api_key_env else ""
    return endpoints.context_tokens(base_url, model, key=key, timeout_s=3)


@st.cache_data(show_spinner=False, ttl=60, max_entries=64)
def models(base_url: str, api_key_env: str) -> tuple[str, ...]:
    """Return the models a server offers; the key is read from the variable and kept nowhere.

    Raises:
        EndpointError: Nothing answers there, the key is refused, or it is for another server.
    """
    studio().check_key(api_key_env, base_url)
    return endpoints.check(base_url, key=os.environ.get(api_key_env, "") if api_key_env else "", timeout_s=3)


@st.cache_data(show_spinner=False, ttl=4, max_entries=64)
def _argilla_standing(url: str, project: str) -> BackendProgress:  # noqa: ARG001 - part of the cache's key
    return studio().tracking.standing(project)


def argilla_standing(project: str) -> BackendProgress:
    """Return how far the voting in Argilla is; the server is asked every four seconds at most, however many look.

    Raises:
        ArgillaError: The project was not sent there, or the server does not answer.
    """
    return _argilla_standing(studio().store.url, project)


@_per_version()
def exclusions(project: str) -> pd.DataFrame:
    """Return the rows left out before voting, as `Store.exclusions`."""
    return studio().store.exclusions(project)
