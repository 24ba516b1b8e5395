"""Noticed: the blocks of the Generate page about what is there: answers, screens, judges, spend and failures."""

from collections.abc import Hashable
from typing import Any

import streamlit as st

from dashboard import model_tables, services, widgets
from pipeline import generate, screens
from pipeline.records import HUMAN, Project
from pipeline.screens import EXPLAINED
from pipeline.tongues import name_of

MOST_ROWS = 500


def show_answers(project: Project) -> None:
    """Show what each model has answered so far, and how often in another language."""
    answers = generate.by_model(services.responses(project.name))
    if answers.empty:
        return
    st.subheader("Who has answered so far?", anchor=False)
    st.dataframe(model_tables.answers(answers, screens.by_model(services.screened(project.name))), hide_index=True)


def show_screens(project: Project) -> None:
    """Show what was noticed about the answers, reason by reason; answers are set aside and brought back here."""
    noticed = services.screened(project.name)
    counted = screens.counts(noticed)
    if counted.empty:
        return
    st.subheader("What was noticed about the answers?", anchor=False)
    st.write("Answers that are set aside are shown to nobody for voting, and stay here. You can bring each back at any time.")
    st.dataframe(model_tables.screens(counted), hide_index=True)
    reasons = counted["reason"].tolist()
    reason = st.selectbox("Look at", reasons, format_func=EXPLAINED.__getitem__, key=f"screen-{project.name}")
    rows = noticed[noticed["reason"] == reason]
    _offer_for_all(project, reason, rows["response_id"].tolist(), int(rows["is_out"].sum()))
    chosen = st.dataframe(
        model_tables.screened_answers(rows.head(MOST_ROWS)),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"screened-{project.name}-{reason}",
    )["selection"]["rows"]
    if chosen and chosen[0] < len(rows):
        _show_one(project, rows.iloc[chosen[0]].to_dict())


def _offer_for_all(project: Project, reason: str, response_ids: list[str], aside: int) -> None:
    with st.container(horizontal=True):
        if aside and st.button(f"Bring all {aside:,} back", key=f"back-{reason}"):
            services.studio().set_aside(project.name, response_ids, is_out=False)
            st.rerun()
        kept = len(response_ids) - aside
        if kept and st.button(f"Set {kept:,} aside", key=f"aside-{reason}"):
            services.studio().set_aside(project.name, response_ids, is_out=True)
            st.rerun()


def _show_one(project: Project, values: dict[Hashable, Any]) -> None:
    """One noticed answer in full, with the person's beside it, and the button that turns its mark."""
    responses = services.responses(project.name)
    people = responses[(responses["prompt_id"] == values["prompt_id"]) & (responses["source"] == HUMAN)]["text"].tolist()
    left, right = st.columns(2)
    with left:
        widgets.text_card(f"Answer of the model ({name_of(values['language']) or 'no text'})", values["text"])
    with right:
        for text in people:
            widgets.text_card("Answer of a person", text)
    label = "Bring this one back" if values["is_out"] else "Set this one aside"
    if st.button(label, key=f"turn-{values['response_id']}"):
        services.studio().set_aside(project.name, [values["response_id"]], is_out=not values["is_out"])
        st.rerun()


def show_judges(project: Project) -> None:
    """Show how each judge judged, with its flips between the orders; a judge of a generator's own family in red."""
    told = services.judges(project.name)
    if told.empty:
        return
    st.subheader("What do the judges say?", anchor=False)
    st.write(
        "Opinions of models stand beside the votes and never count as votes. "
        "A judge that changes its mind with the order says a tie."
    )
    for name, relatives in zip(told["judge"], told["relatives"], strict=True):
        if relatives:
            st.error(
                widgets.plain(f"{name} is of the same family as {relatives}. Models favour their own; the card says so too.")
            )
    st.dataframe(model_tables.judges(told), hide_index=True)


def show_spend(project: Project) -> None:
    """Show what was spent, generation and judging apart."""
    spend = services.studio().spend(project.name)
    if spend.empty:
        return
    st.subheader("What has it cost?", anchor=False)
    st.dataframe(model_tables.spend(spend), hide_index=True)


def show_failures(project: Project) -> None:
    """Show what failed, in words."""
    store = services.studio().store
    failed = store.failures(project.name)
    if failed.empty:
        return
    st.subheader("Which requests failed?", anchor=False)
    st.write("The next run of the same model asks for these again.")
    prompts = store.prompts(project.name)
    texts = dict(zip(prompts["id"], prompts["text"], strict=True))
    st.dataframe(model_tables.failures(failed, texts), hide_index=True)
