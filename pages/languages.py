"""Languages page: which language shall we work on, what do its rows look like, and which of them become prompts?"""

from typing import Literal

import pandas as pd
import streamlit as st

from dashboard import charts, reading, services, state, tables, widgets
from pipeline import languages
from pipeline.demonstration import NOTICE
from pipeline.errors import PipelineError
from pipeline.selection import EXPLAINED, Reason, Selection, SelectionRules
from pipeline.source import HUB, SAMPLE, Source

_PUBLISHED, _FILE = "published", "file"
_SOURCES = {_PUBLISHED: "Published figures", SAMPLE: "Demonstration", HUB: "All of Aya", _FILE: "A file of yours"}
_AT_FIRST = 20
_FEW = 12


def page() -> None:
    """Draw the page; rows are counted in `pipeline.adapters.parquet`, selected in `pipeline.selection`."""
    widgets.page_title(
        "Which language shall we work on?", "See what each language holds, look at its prompts, and start a project with them."
    )
    st.session_state.setdefault("source", HUB if services.hub_is_downloaded() else _PUBLISHED)
    chosen = st.radio(
        "Where do the rows come from?", list(_SOURCES), format_func=_SOURCES.__getitem__, horizontal=True, key="source"
    )
    try:
        opened = _open(chosen)
        figures = services.language_figures(opened)
    except PipelineError as error:
        widgets.error_box(error)
        return
    _say_where_from(chosen, opened)
    _show_totals(figures, opened)
    _show_all(figures)
    language = _pick_language(figures, opened)
    if language is None:
        return
    _show_table(tables.language(figures, language))
    if opened is None:
        _offer_rows(language)
    else:
        _show_rows(opened, language)


def _open(chosen: str) -> Source | None:
    """The source behind a choice; None, with what is missing said, where only published figures can be shown."""
    if chosen == SAMPLE:
        return services.source(SAMPLE)
    if chosen == HUB:
        if services.hub_is_downloaded():
            return services.source(HUB)
        _show_download()
    if chosen == _FILE:
        path = st.text_input(
            "Path of a Parquet, CSV or JSONL file on the computer that runs this program",
            key="path",
            help="It needs the columns inputs (the prompt), targets (the human answer) and language.",
        )
        if path.strip():
            return services.source(path.strip())
        st.info("Until you give a path, the published figures of Aya are shown.")
    return None


def _show_download() -> None:
    """Offer the download with its size, or show how far it is."""
    download, size = services.hub_download(), f"{languages.totals().file_megabytes} MB"
    if download.error is not None and not download.is_running:
        widgets.error_box(download.error)
    if download.is_running:
        st.fragment(_follow_download, run_every=0.5)()
        return
    with st.container(border=True):
        st.write(
            f"The whole Aya dataset is a download of {size}, once. After that no step needs the network. "
            "Until then the published figures are shown."
        )
        if st.button(f"Download Aya ({size})", type="primary"):
            download.start()
            st.rerun()


def _follow_download() -> None:
    download = services.hub_download()
    if not download.is_running:
        st.rerun()
    st.progress(download.share, text=download.sentence)
    st.caption("You may leave this page; the download goes on as long as the program runs.")


def _say_where_from(chosen: str, opened: Source | None) -> None:
    facts = languages.totals()
    if opened is None:
        st.caption(
            f"Published figures of {facts.dataset}, train split, revision {facts.revision[:12]}. Rows were not counted here: "
            "for 8 languages the number was read off a published plot and may be off by about 5."
        )
    elif opened.is_demonstration:
        st.info(NOTICE)
    else:
        name = facts.dataset if chosen == HUB else opened.name
        st.caption(f"Counted from the rows of {widgets.plain(name)}, revision {opened.revision[:12]}.")


def _show_totals(figures: pd.DataFrame, opened: Source | None) -> None:
    totals = tables.language_totals(figures, languages.totals() if opened is None else None)
    for column, (label, value) in zip(st.columns(len(totals)), totals.items(), strict=True):
        column.metric(label, value)


def _show_all(figures: pd.DataFrame) -> None:
    """Every language, as bars and as a table that can be searched and sorted."""
    st.subheader("How much does each language have?", anchor=False)
    words = st.text_input("Search by name, other name, code or script", key="search", placeholder="Dutch, Farsi, zho, Cyrillic …")
    found = tables.search_languages(figures, words)
    if found.empty:
        st.write("No language has these words in its name, code or script. Try fewer letters.")
        return
    left, right = st.columns([2, 3])
    with left:
        every = len(found) <= _AT_FIRST or st.toggle(f"Draw all {len(found)} languages, not the largest {_AT_FIRST}", key="every")
        with st.container(height="content" if len(found) <= _FEW else 520):
            widgets.chart(charts.language_rows(found if every else found.head(_AT_FIRST)), key="language-rows")
    with right:
        _show_table(tables.languages(found), height="auto" if len(found) <= _FEW else 570)


def _pick_language(figures: pd.DataFrame, opened: Source | None) -> str | None:
    st.subheader("Look at one language", anchor=False)
    names = [name for name in figures["language"] if name]
    revision = opened.revision if opened else _PUBLISHED
    chosen: str | None = st.selectbox(
        "Language",
        names,
        index=None,
        placeholder="Choose or type a language",
        format_func=tables.with_other_names,
        key=f"language-{revision[:12]}",
    )
    return chosen


def _show_table(table: pd.DataFrame, *, height: int | Literal["auto"] = "auto") -> None:
    """A table with its numbers as the reader's country writes them."""
    number = st.column_config.NumberColumn(format="localized")
    numbers = {str(name): number for name in table.select_dtypes("number")}
    st.dataframe(table, hide_index=True, height=height, column_config=numbers)


def _offer_rows(language: str) -> None:
    """Say how to get at the rows of a language of which only figures are here."""
    st.write(
        f"To read the prompts in {widgets.plain(language)} and start a project, choose “{_SOURCES[HUB]}” above and download it, "
        f"or choose “{_SOURCES[_FILE]}”."
    )
    st.button(f"Choose “{_SOURCES[HUB]}”", type="primary", on_click=st.session_state.update, kwargs={"source": HUB})


def _show_rows(opened: Source, language: str) -> None:
    rows = services.language_rows(opened, language)
    _show_examples(rows, language)
    try:
        rules = _choose_rules(rows, language)
    except PipelineError as error:
        widgets.error_box(error)
        return
    selection = services.selection(opened, language, rules)
    _show_selection(selection, language)
    if selection.prompts:
        _start_project(opened, language, rules, most=len(selection.prompts))
    else:
        st.warning("No row passes these rules. Allow shorter or longer texts, or more kinds of rows.")


def _show_examples(rows: pd.DataFrame, language: str) -> None:
    """Some prompts with their human answers, exactly as they are."""
    st.subheader("What do people ask?", anchor=False)
    draw = st.session_state.setdefault(f"draw-{language}", 0)
    for prompt, answer in tables.examples(rows, seed=draw):
        left, right = st.columns(2)
        with left:
            widgets.text_card("Prompt", prompt)
        with right:
            widgets.text_card("Human answer", answer)
    st.button("Show others", on_click=st.session_state.update, kwargs={f"draw-{language}": draw + 1})


def _choose_rules(rows: pd.DataFrame, language: str) -> SelectionRules:
    """The rules as the visitor sets them."""
    st.subheader("Which rows shall become prompts?", anchor=False)
    kinds = sorted(kind for kind in rows["annotation_type"].unique() if kind)
    wanted = st.multiselect("Kinds of rows", kinds, default=kinds, key=f"kinds-{language}") if len(kinds) > 1 else kinds
    first, second, third, fourth = st.columns(4)
    min_prompt = first.number_input("Shortest prompt (characters)", 1, value=1, key=f"min-prompt-{language}")
    max_prompt = second.number_input("Longest prompt", 1, value=None, placeholder="no limit", key=f"max-prompt-{language}")
    min_answer = third.number_input("Shortest answer", 1, value=1, key=f"min-answer-{language}")
    max_answer = fourth.number_input("Longest answer", 1, value=None, placeholder="no limit", key=f"max-answer-{language}")
    near = st.checkbox("Leave out prompts that are almost the same as another", value=True, key=f"near-{language}")
    return SelectionRules(
        annotation_types=None if wanted == kinds else tuple(sorted(wanted)),
        min_prompt_chars=min_prompt,
        max_prompt_chars=max_prompt,
        min_answer_chars=min_answer,
        max_answer_chars=max_answer,
        drop_near_duplicates=near,
    )


def _show_selection(selection: Selection, language: str) -> None:
    """How many rows the rules keep, and each row they leave out under its reason."""
    table = tables.selected(selection)
    left, right = st.columns([3, 2])
    with left:
        widgets.chart(charts.selection(table), key="selection")
    with right:
        _show_table(table[["label", "rows"]].rename(columns={"label": "these rows"}))
    if not selection.exclusions:
        return
    with st.expander("See the rows that are left out"):
        counts = selection.counts()
        reason = st.selectbox(
            "Reason",
            list(counts),
            format_func=lambda name: f"{EXPLAINED[Reason(name)]} ({counts[name]:,})",
            key=f"why-{language}",
        )
        reading.show_rows(tables.not_selected(selection, reason))


def _start_project(opened: Source, language: str, rules: SelectionRules, *, most: int) -> None:
    """The form that makes a project of these rows and goes on to the next page."""
    st.subheader("Start a project", anchor=False)
    with st.form(f"new-{language}"):
        left, right = st.columns(2)
        name = left.text_input("Name", language, max_chars=60)
        wanted = right.number_input("Votes wanted on each pair", 1, 25, 3)
        limit = left.number_input(
            f"How many prompts (at most {most:,})",
            1,
            most,
            min(500, most),
            help="Each needs several votes: begin with a few hundred.",
        )
        seed = right.number_input("Seed", 0, value=0, help="The same seed draws the same prompts again.")
        submitted = st.form_submit_button(f"Start with {widgets.plain(language)}", type="primary")
    if not submitted:
        return
    try:
        project = services.studio().new_project(
            name.strip(), language, opened.name, limit=limit, seed=seed, rules=rules, votes_wanted=wanted
        )
    except PipelineError as error:
        widgets.error_box(error)
        return
    state.choose_project(project.name)
    widgets.go_to("generate")


page()
