"""Curate page: which pairs go into the dataset, and why not the others?"""

import pandas as pd
import streamlit as st

from dashboard import charts, reading, services, tables, widgets
from pipeline import consensus
from pipeline.curate import METHODS, REASONS, TIES, Curation, Rules
from pipeline.errors import PipelineError
from pipeline.records import Project

_METHOD_WORDS = {
    "majority": "Majority: the choice with most votes",
    "weighted": "Weighted majority: people who agree with the others weigh more",
    "dawid-skene": "Dawid-Skene: learns how each person errs",
    "judge-assisted": "Dawid-Skene, with the judge as one more person who errs",
}
_TIE_WORDS = {"exclude": "Leave the pair out", "human": "Choose the human response"}


def page() -> None:
    """Draw the page; what the rules do is decided in `pipeline.curate`."""
    widgets.page_title("Which pairs go into the dataset?", "Set the rules on the left; see at once which pairs they keep.")
    project = widgets.pick_project()
    if project is None:
        return
    pairs, votes = services.pairs(project.name), services.votes(project.name)
    if votes.empty:
        message = "Nobody has voted yet, so there is nothing to decide."
        widgets.empty_state(message, next_page="annotate", label="Open the voting page")
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        rules = _choose_rules(project, votes)
        _offer_saving(project, rules)
    curation = services.curation(project.name, rules)
    with right:
        _show_outcome(curation)
    if rules.method != "majority":
        _offer_flips(votes, pairs, rules)
    _show_excluded(curation, pairs, project)
    _show_preferences(curation)


def _choose_rules(project: Project, votes: pd.DataFrame) -> Rules:
    """The rules as the visitor sets them; they begin as saved."""
    saved = Rules.from_dict(project.rules)
    st.subheader("Rules", anchor=False)
    method = st.radio(
        "How do votes add up?",
        METHODS,
        METHODS.index(saved.method),
        format_func=_METHOD_WORDS.__getitem__,
        key=f"method-{project.name}",
    )
    st.caption(widgets.plain(consensus.advise(votes).sentence))
    min_votes = st.number_input("Least number of votes", 1, 99, saved.min_votes, key=f"votes-{project.name}")
    if method == "majority":
        label = "Least share of the votes for the outcome (%)"
        min_support = _share(label, saved.min_support, key=f"support-{project.name}")
        min_confidence = saved.min_confidence if saved.method == method else 0.0
    else:
        label = "Least confidence in the outcome (%)"
        min_confidence = _share(label, saved.min_confidence, key=f"confidence-{project.name}")
        min_support = saved.min_support
    ties = st.radio(
        "When both are equally good", TIES, TIES.index(saved.ties), format_func=_TIE_WORDS.__getitem__, key=f"ties-{project.name}"
    )
    return Rules(method=method, min_votes=int(min_votes), min_support=min_support, min_confidence=min_confidence, ties=ties)


def _share(label: str, saved: float, *, key: str) -> float:
    """A share chosen in percent."""
    return float(st.slider(label, 0, 100, round(100 * saved), step=5, key=key)) / 100


def _offer_saving(project: Project, rules: Rules) -> None:
    """A button that saves the rules, where they differ from the saved ones."""
    if rules == Rules.from_dict(project.rules):
        st.caption("These rules are saved: an export uses them.")
        return
    if st.button("Save these rules", type="primary"):
        try:
            services.studio().save_rules(project.name, rules)
        except PipelineError as error:
            widgets.error_box(error)
            return
        st.rerun()
    st.caption("Not saved yet: an export still uses the rules saved before.")


def _show_outcome(curation: Curation) -> None:
    """Where all pairs went, as a sentence, as bars and as numbers."""
    st.subheader("Outcome", anchor=False)
    kept, total = len(curation.preferences), len(curation.preferences) + len(curation.excluded)
    st.metric("Pairs that become preferences", f"{kept:,} of {total:,}")
    empty = tables.empty_texts(curation.preferences)
    if empty:
        st.caption(f"{empty:,} of them hold an empty text; the export leaves those out.")
    table = tables.outcomes(curation)
    widgets.chart(charts.reasons(table), key="reasons")
    sources = tables.chosen_sources(curation)
    if not sources.empty:
        st.caption("Whose response was chosen")
        st.dataframe(sources, hide_index=True)
    if kept and st.button("Go on to the export"):
        widgets.go_to("export")


def _offer_flips(votes: pd.DataFrame, pairs: pd.DataFrame, rules: Rules) -> None:
    """The pairs that a majority would decide otherwise, for whoever wants to see them."""
    if not st.toggle("Show the pairs on which the methods differ"):
        return
    flipped = tables.flips(consensus.flips(votes, min_votes=rules.min_votes), pairs)
    if flipped.empty:
        st.write("There is none: all methods come to the same outcome on every pair.")
        return
    reading.open_pair(flipped, pairs, key="flips")


def _show_excluded(curation: Curation, pairs: pd.DataFrame, project: Project) -> None:
    """The pairs left out, one reason at a time."""
    st.subheader("Which pairs are left out?", anchor=False)
    counted = tables.reason_counts(curation)
    if not counted:
        st.write("None: every pair becomes a preference.")
        return
    reason = st.selectbox(
        "Reason", list(counted), format_func=lambda name: f"{REASONS[name]} ({counted[name]:,})", key=f"reason-{project.name}"
    )
    reading.open_pair(tables.excluded(curation, reason), pairs, key=f"excluded-{reason}")


def _show_preferences(curation: Curation) -> None:
    """A preview of the preferences."""
    st.subheader("Which preferences come out?", anchor=False)
    kept = curation.preferences
    if kept.empty:
        st.write("None yet. Lower the least number of votes or the share, or collect more votes.")
        return
    reading.open_preference(tables.preferences(kept), kept, key="preferences")


page()
