"""Export page: what will the files hold, are they fit to train on, and where do they go?

Shows the rows exactly as they will be, their health, what changed and under which terms they stand; writes a release, hands out
the files of earlier ones, and brings them to the Hub.
"""

import json
from pathlib import Path

import streamlit as st

from dashboard import fitness, publishing, release_options, release_tables, services, training, trying, widgets
from pipeline import curate, export, releasing
from pipeline.card import WHAT_FORMATS_HOLD
from pipeline.errors import PipelineError
from pipeline.export import Contents, Format, ReleaseOptions
from pipeline.records import Project, Release
from pipeline.release import zip_folder
from pipeline.shapes import texts_of

SPOKEN = {
    "system": "System prompt",
    "prompt": "Prompt",
    "completion": "Answer",
    "first": "First answer",
    "second": "Second answer",
}
REASONS = {**export.REASONS, **curate.REASONS}


def page() -> None:
    """Draw the page; what is in the files is decided in `pipeline.export`."""
    widgets.page_title("Ready to take the dataset with you?", "Look at the rows as they will be, then write the files.")
    project = widgets.pick_project()
    if project is None:
        return
    contents = services.contents(project.name, ReleaseOptions())
    releases = services.studio().store.releases(project.name)
    if contents.counts["preferences"]:
        _show_next(project, releases)
        releases = services.studio().store.releases(project.name)
    elif contents.counts["votes"]:
        message = "There are votes, but under the present rules they decide no pair yet."
        widgets.empty_state(message, next_page="curate", label="Look at the rules")
    else:
        message = "There is nothing to export yet: nobody has voted in this project."
        widgets.empty_state(message, next_page="annotate", label="Open the voting page")
    if releases:
        _show_releases(project, releases)


def _show_next(project: Project, releases: list[Release]) -> None:
    """The next release: what shall be in it, what that is worth, and the button that writes it."""
    counts = st.container()
    formats = _choose_formats()
    chosen = release_options.choose(formats)
    options = chosen.options
    contents = services.contents(project.name, options)
    with counts:
        _show_counts(contents)
    _show_sizes(contents, formats)
    _show_rows(contents, formats)
    fitness.show_health(project, options)
    if releases:
        fitness.show_changes(project, releases[0], options)
    fitness.show_terms(project)
    version = releases[0].version + 1 if releases else 1
    _show_writing(project, formats, version, chosen)


def _show_counts(contents: Contents) -> None:
    """How much goes in, and what stays out and why."""
    counts = contents.counts
    shown = {"Preferences": "preferences", "Prompts": "prompts", "Pairs": "pairs", "Votes": "votes", "Annotators": "annotators"}
    for column, (label, name) in zip(st.columns(len(shown)), shown.items(), strict=True):
        column.metric(label, f"{counts[name]:,}")
    left_out = release_tables.left_out(contents.excluded, contents.excluded_by_format, REASONS)
    with st.expander(f"Why are {counts['pairs'] - counts['preferences']:,} pairs left out?"):
        if left_out.empty:
            st.write("None is: every pair became a preference.")
        else:
            st.dataframe(left_out, hide_index=True)
            if st.button("Open these pairs on the Curate page"):
                widgets.go_to("curate")


def _choose_formats() -> list[Format]:
    """Let the visitor choose what to write."""
    st.subheader("What shall be in it?", anchor=False)
    chosen = st.multiselect("Formats", list(Format), default=[Format.DPO, Format.ORPO], format_func=lambda kind: kind.upper())
    if not chosen:
        st.info("Choose at least one format.")
    return [kind for kind in Format if kind in chosen]


def _show_sizes(contents: Contents, formats: list[Format]) -> None:
    """How many rows each chosen format has, and what is held out."""
    if formats:
        st.dataframe(release_tables.release_formats(contents.splits, formats, WHAT_FORMATS_HOLD), hide_index=True)
        release_options.show_split(contents.split_report)


def _show_rows(contents: Contents, formats: list[Format]) -> None:
    """The first five rows of a format, as people read them and as they stand in the file."""
    filled = [kind for kind in formats if kind in contents.splits]
    if not filled:
        return
    st.subheader("The first rows, as they will be", anchor=False)
    kind = st.selectbox("Show", filled, format_func=lambda each: each.upper())
    rows = contents.preview(kind)
    for tab, row in zip(st.tabs([f"Row {number}" for number, _ in enumerate(rows, start=1)]), rows, strict=True):
        with tab:
            texts = texts_of(kind, row)
            asked = [(name, texts.pop(name)) for name in ("system", "prompt") if name in texts]
            for name, text in asked:
                widgets.text_card(SPOKEN[name], text)
            for column, (name, text) in zip(st.columns(len(texts)), texts.items(), strict=True):
                with column:
                    widgets.text_card(SPOKEN.get(name, name.capitalize()), text)
            with st.expander("As it stands in the file"):
                st.code(json.dumps(row, ensure_ascii=False, indent=2), language="json", wrap_lines=True)


def _show_writing(project: Project, formats: list[Format], version: int, chosen: release_options.Chosen) -> None:
    """Offer to write the next version, and say what became of it; where the training is tried first, follow the job."""
    st.subheader(f"Write it as v{version}", anchor=False)
    st.write("A release never changes. What comes later is the next version, and this one stays as it is.")
    if trying.show(project):
        return
    label = "Try the training and write the release" if chosen.is_tried else "Write the release"
    if not st.button(label, type="primary", disabled=not formats):
        return
    try:
        if chosen.is_tried:
            trying.start(project, formats, chosen)
        with st.spinner("Writing and checking the files …"):
            result = services.studio().export(project.name, formats, options=chosen.options)
    except PipelineError as error:
        widgets.error_box(error)
        return
    (st.success if result.created else st.info)(widgets.plain(releasing.in_words(result)))


def _label(release: Release) -> str:
    """A release as a visitor knows it: its name ends in a hash, which stands scrambled behind a name in Arabic letters."""
    return f"{release.label}, {release.at[:16].replace('T', ' ')} UTC, {release.rows:,} preferences"


def _show_releases(project: Project, releases: list[Release]) -> None:
    """Earlier releases, the newest first, with their files, a way to the Hub and a way to train on them."""
    st.subheader("Releases", anchor=False)
    st.dataframe(release_tables.releases(releases, services.studio().store.publications(project.name)), hide_index=True)
    release = st.selectbox("Release", releases, format_func=_label)
    folder = Path(release.directory)
    if not folder.is_dir():
        st.warning("The folder of this release is no longer where it was written. Put it back, or write the release again.")
        st.code(release.directory, language=None)
        return
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        st.download_button(
            "Download all files (zip)",
            lambda: zip_folder(folder, name=release.name),
            file_name=f"{release.name}.zip",
            mime="application/zip",
            type="primary",
            key=f"zip-{release.name}",
        )
    with right:
        name = st.selectbox("Single file", list(files), key=f"file-{release.name}")
        st.download_button("Download this file", files[name].read_bytes, file_name=files[name].name, key=f"one-{release.name}")
    publishing.show_publishing(project, release)
    training.show_training(folder)


page()
