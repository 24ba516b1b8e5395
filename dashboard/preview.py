"""Preview: the block of the Generate page that shows a few answers of each chosen model before a run is paid for."""

import streamlit as st

from dashboard import model_tables, services, tables, widgets
from pipeline.errors import PipelineError
from pipeline.ports import failure
from pipeline.records import DocumentKind, Endpoint, Project, Summary
from pipeline.screens import EXPLAINED

COUNT = 3


def offer(project: Project, endpoints: list[Endpoint], system_prompt: str, among: list[str]) -> None:
    """Ask each model for a few answers to its prompts, and show them as long as a run would take them over."""
    models = [(one.model, one.base_url, one.max_tokens, one.temperature) for one in endpoints]
    asked = (project.name, models, system_prompt, among)
    if st.button(f"Try {COUNT} prompts first", key="generate-preview", help="They are paid for once: the run takes them over."):
        # What was tried before stays in view if this one fails.
        tried = [(endpoint, answers) for endpoint in endpoints if (answers := _try(project, endpoint, system_prompt, among))]
        if tried:
            st.session_state["preview"] = asked, tried
    shown_for, tried = st.session_state.get("preview", (None, []))
    if shown_for == asked:
        for endpoint, answers in tried:
            _show(endpoint, answers)


def _try(project: Project, endpoint: Endpoint, system_prompt: str, among: list[str]) -> list[Summary]:
    """The answers of one model; none where it cannot be asked, with why."""
    studio = services.studio()
    try:
        studio.check_key(endpoint.api_key_env, endpoint.base_url)
        with st.spinner(f"{widgets.plain(endpoint.model)} is writing. A server that says nothing is given up after a minute."):
            studio.store.save_document(project.name, DocumentKind.SYSTEM_PROMPT, system_prompt)
            return studio.preview(project.name, endpoint, count=COUNT, among=among)
    except PipelineError as error:
        st.write(f"**{widgets.plain(endpoint.model)}**")
        widgets.error_box(error)
        return []


def _show(endpoint: Endpoint, answers: list[Summary]) -> None:
    costs = [one["cost_usd"] for one in answers if one["cost_usd"] is not None]
    paid = f"They cost {tables.money(sum(costs))}; the run takes them over." if costs else "The run takes them over."
    count = model_tables.counted(len(answers), "answer", "answers")
    st.subheader(widgets.plain(f"{count} of {endpoint.model}"), anchor=False)
    noticed = [EXPLAINED[one["noticed"]] for one in answers if one["noticed"]]
    if noticed:
        st.warning(widgets.plain(f"Noticed about {len(noticed)} of {len(answers)}: {'; '.join(dict.fromkeys(noticed))}."))
    st.caption(widgets.plain(paid))
    for one in answers:
        widgets.text_card("Prompt", one["prompt"])
        widgets.text_card("Answer of the model" if one["answer"] else "No answer", one["answer"] or failure(one["error"]))
