"""Training: the block of the Export page that says how to train on a written release, why so, and what came of trying it."""

import shlex
from pathlib import Path

import streamlit as st

from dashboard import widgets
from pipeline import export, recipes, versions
from pipeline.errors import PipelineError
from pipeline.export import Format, Layout


def show_training(folder: Path) -> None:
    """For each format the command that trains on the release where it lies, and the file with its reasons."""
    try:
        layout = Layout(str(versions.manifest(folder).get("layout", Layout.MESSAGES)))
    except PipelineError as error:
        widgets.error_box(error)
        return
    ready = {str(kind): recipes.command(kind, layout) for kind in Format if _is_there(folder, kind, layout)}
    ready = {kind: command for kind, command in ready.items() if command}
    if not ready:
        return
    st.subheader("How to train on it", anchor=False)
    program = recipes.PROGRAMS[layout]
    st.write(f"{program} reads the folder as it is. Run this where it lies, in an environment of its own.")
    _show_tried(folder)
    for tab, (kind, command) in zip(st.tabs([kind.upper() for kind in ready]), ready.items(), strict=True):
        with tab:
            st.code(f"cd {shlex.quote(str(folder))}\n{command}", language="sh", wrap_lines=True)
            recipe = folder / recipes.path_of(kind, layout)
            if recipe.is_file():
                with st.expander("What was chosen for this data, and why"):
                    st.code(recipe.read_text(encoding="utf-8"), language="yaml", wrap_lines=True)


def _is_there(folder: Path, kind: Format, layout: Layout) -> bool:
    """Releases that were written before there were recipes have none."""
    return (folder / kind).is_dir() and (kind not in recipes.RECIPES or (folder / recipes.path_of(kind, layout)).is_file())


def _show_tried(folder: Path) -> None:
    tried = export.training_check(folder)
    trainers = tried.get("trainers") if tried else None
    if not isinstance(trainers, dict):
        return
    st.success(
        f"{', '.join(map(str.upper, trainers))} ran for five steps on it before it was written, with a tiny model of random"
        " weights. That shows that the files train, and not what they teach."
    )
