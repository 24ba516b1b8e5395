"""Curate page: which pairs go into the dataset, and why not the others?"""

import pandas as pd
import streamlit as st

from dashboard import charts, deciding, opinions, reading, services, tables, widgets
from pipeline import calibration
from pipeline.curate import METHODS, REASONS, TIES, Curation, Rules, length_bias
from pipeline.errors import PipelineError
from pipeline.records import Project

_METHOD_WORDS = {
    "majority": "Majority: the choice with most votes",
    "weighted": "Weighted majority: people who agree with the others weigh more",
    "dawid-skene": "Dawid-Skene: learns how each person errs",
    "judge-assisted": "Dawid-Skene, with the judge as one more person who errs",
}
# Up to so many preferences the prompts of the test part are compared with the others without being asked.
LEAKAGE_UNASKED = 20_000
_TIE_WORDS = {"exclude": "Leave the pair out", "human": "Choose the human response"}


def page() -> None:
    """Draw the page; what the rules do is decided in `pipeline.curate`."""
    widgets.page_title("Which pairs go into the dataset?", "Set the rules on the left; see at once which pairs they keep.")
    project = widgets.pick_project()
    if project is None:
        return
    pairs = services.pairs(project.name)
    if services.votes(project.name).empty:
        message = "Nobody has voted yet, so there is nothing to decide."
        widgets.empty_state(message, next_page="annotate", label="Open the voting page")
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        rules = _choose_rules(project)
        _offer_saving(project, rules)
    curation = services.curation(project.name, rules)
    with right:
        _show_outcome(project, curation)
    _offer_flips(project, pairs, rules)
    _show_excluded(curation, project)
    _show_sureness(project, rules)
    _show_preferences(curation)


def _choose_rules(project: Project) -> Rules:
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
    st.caption(widgets.plain(services.advice(project.name).sentence))
    most = max(99, saved.min_votes)
    min_votes = st.number_input("Least number of votes", 1, most, saved.min_votes, key=f"votes-{project.name}")
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
    return Rules(
        method=method,
        min_votes=int(min_votes),
        min_support=min_support,
        min_confidence=min_confidence,
        ties=ties,
        judge_from=_choose_judge(project, saved),
        calibrate=st.checkbox(
            f"Correct the confidence by reviewed pairs (from {calibration.MIN_PAIRS} on)",
            saved.calibrate,
            key=f"calibrate-{project.name}",
        ),
    )


def _choose_judge(project: Project, saved: Rules) -> float | None:
    """From which measured reliability on a judge may decide pairs that lack votes; None: never."""
    fill = st.checkbox("Let a judge fill in for missing votes", saved.judge_from is not None, key=f"judge-{project.name}")
    if not fill:
        return None
    label = "Only if people have proved it right at least this often (%, lower end of the range)"
    chosen = st.slider(label, 50, 100, round(100 * (saved.judge_from or 0.8)), step=5, key=f"judge-from-{project.name}")
    found = services.judge_checks(project.name, min_votes=saved.min_votes)
    best = max((one.right_when_sure.low for one in found if one.right_when_sure.n), default=None)
    if best is None:
        st.caption("No judge has been measured against people yet, so none fills in.")
    else:
        can = "it fills in" if best >= chosen / 100 else "none fills in"
        st.caption(f"The best judge is right at least {best:.0%} of the time: {can}. What a judge decided is marked in each row.")
    return chosen / 100


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


def _show_outcome(project: Project, curation: Curation) -> None:
    """Where all pairs went, as a sentence, as bars and as numbers; and what the export will hold."""
    st.subheader("Outcome", anchor=False)
    kept, total = len(curation.preferences), len(curation.preferences) + len(curation.excluded)
    st.metric("Pairs that become preferences", f"{kept:,} of {total:,}")
    st.write(widgets.plain(tables.outcome_sentence(curation)))
    empty = tables.empty_texts(curation.preferences)
    if empty:
        st.caption(f"{empty:,} of the preferences hold an empty text; the export leaves those out.")
    table = tables.outcomes(curation)
    widgets.chart(charts.reasons(table), key="reasons")
    widgets.download(lambda: table, key="outcomes", name="outcomes")
    if not kept:
        return
    with st.expander("What will the export hold?", expanded=True):
        st.caption("Whose response was chosen")
        widgets.table(tables.chosen_sources(curation), key="sources", name="chosen-by-source")
        st.caption("How the preferences were decided")
        widgets.table(tables.decided_by(curation), key="decided-by", name="decided-by")
        st.write(widgets.plain(opinions.length_sentence(length_bias(curation.preferences))))
        _show_leakage(project, kept)
    if st.button("Go on to the export"):
        widgets.go_to("export")


def _show_leakage(project: Project, kept: int) -> None:
    """Whether a test prompt nearly repeats a training prompt; of a large project it is asked for, as it takes a minute."""
    asked = kept <= LEAKAGE_UNASKED or st.toggle("Compare the test prompts with the training prompts (takes a minute)")
    if asked:
        st.write(opinions.leakage_sentence(services.leakage(project.name)))


def _offer_flips(project: Project, pairs: pd.DataFrame, rules: Rules) -> None:
    """The pairs on which the methods differ, side by side, for whoever wants to see them."""
    if not st.toggle("Show the pairs on which the methods differ"):
        return
    flipped = services.flips(project.name, min_votes=rules.min_votes)
    if flipped.empty:
        st.write("There is none: all methods come to the same outcome on every pair.")
        return
    chosen = reading.choose_pair(flipped, lambda some: tables.flips(some, pairs), key="flips", name="methods-differ")
    if chosen is not None:
        deciding.decide_pair(project, chosen, key="flips")


def _show_sureness(project: Project, rules: Rules) -> None:
    """Whether outcomes that are called sure are right, by what reviewers decided."""
    st.subheader("Can we believe the confidence?", anchor=False)
    found = services.reviewed(project.name, rules.method, min_votes=rules.min_votes)
    if found.n < calibration.MIN_PAIRS:
        st.write(
            f"It takes {calibration.MIN_PAIRS} pairs that a reviewer decided as well; there are {found.n:,}. "
            "On the Agreement page, order the contested pairs as drawn at random and decide some."
        )
        return
    st.write(f"On {found.n:,} reviewed pairs, confidence was {100 * found.error:.1f} percentage points off on average.")
    left, right = st.columns(2)
    with left:
        widgets.chart(charts.reliability(found.table), key="reliability")
    with right:
        widgets.table(opinions.reliability(found.table), key="reliability", name="reliability")


def _show_excluded(curation: Curation, project: Project) -> None:
    """The pairs left out, one reason at a time."""
    st.subheader("Which pairs are left out?", anchor=False)
    counted = tables.reason_counts(curation)
    if not counted:
        st.write("None: every pair becomes a preference.")
        return
    reason = st.selectbox(
        "Reason", list(counted), format_func=lambda name: f"{REASONS[name]} ({counted[name]:,})", key=f"reason-{project.name}"
    )
    chosen = reading.choose_pair(
        curation.excluded[curation.excluded["reason"] == reason],
        tables.excluded,
        key=f"excluded-{reason}",
        name=f"left-out-{reason}",
    )
    if chosen is None:
        st.caption("An opened pair can be brought back: decide it yourself, with a reason.")
        return
    deciding.decide_pair(project, chosen, key="excluded")


def _show_preferences(curation: Curation) -> None:
    """A preview of the preferences."""
    st.subheader("Which preferences come out?", anchor=False)
    kept = curation.preferences
    if kept.empty:
        st.write("None yet. Lower the least number of votes or the share, or collect more votes.")
        return
    reading.open_preference(kept, tables.preferences, key="preferences", name="preferences")


page()
