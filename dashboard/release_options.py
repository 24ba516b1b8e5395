"""Release options: the block of the Export page on how a release is made; what stands there at first is right for most.

All of it is what `python -m pipeline export` offers too.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import release_tables, services, widgets
from pipeline.errors import PipelineError
from pipeline.export import Format, Layout, ReleaseOptions
from pipeline.loader_check import find_trl
from pipeline.recipes import RECIPES, TRL_LAYOUTS
from pipeline.splits import HELD_OUT, SplitReport

LAYOUTS = {
    Layout.MESSAGES: "Lists of messages: TRL and most others",
    Layout.IMPLICIT: "Whole conversations, the prompt inside: TRL",
    Layout.TEXT: "Plain text: TRL without a chat template",
    Layout.HANDBOOK: "The alignment handbook",
    Layout.LLAMA_FACTORY: "LLaMA-Factory",
    Layout.AXOLOTL: "Axolotl",
}
HOW_TO_GET_TRL = (
    "To try the training on it before it is written, whoever runs this server installs TRL once with `make trl` (over 5 GB) and"
    " names its Python in `STUDIO_TRL_PYTHON`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the visitor chose; `evaluation_file` is the uploaded evaluation set, empty where there is none."""

    options: ReleaseOptions
    is_tried: bool
    evaluation_file: bytes


def choose(formats: Sequence[Format]) -> Chosen:
    """Let the visitor change how the release is made, and say whether the training shall be tried first."""
    with st.expander("For those who will train on it: layout, system prompt, test prompts, evaluation set, JSONL"):
        st.caption("If nobody asked you for something else, leave this as it is.")
        layout = st.selectbox(
            "How the rows are laid out, and who reads them so", list(LAYOUTS), format_func=lambda one: LAYOUTS[one]
        )
        with_system = st.checkbox("With the system prompt that the models were asked under")
        held_out = st.number_input("Prompts held out for testing, at most", min_value=0, value=HELD_OUT, step=10)
        name, data, asked = _choose_evaluation()
        jsonl = st.checkbox("Each file as JSONL too, for programs that read no Parquet (several times the size)")
        is_tried = _choose_try(formats, layout)
    options = ReleaseOptions(
        layout=layout,
        with_system=with_system,
        held_out=int(held_out),
        evaluation=asked,
        evaluation_name=name,
        jsonl=jsonl,
    )
    return Chosen(options=options, is_tried=is_tried, evaluation_file=data)


def _choose_evaluation() -> tuple[str, bytes, tuple[str, ...]]:
    """An evaluation set to leave out: the name of its file, what is in it, and its prompts."""
    upload = st.file_uploader(
        "Evaluation set to leave out",
        type=["parquet", "csv", "jsonl"],
        help="Prompts that models will be compared on, for example the Aya evaluation suite, in a column `prompt` or `inputs`."
        " A model that was trained on them would look better than it is.",
    )
    if upload is None:
        return "", b"", ()
    data = upload.getvalue()
    try:
        asked = services.evaluation_prompts(upload.name, data)
    except PipelineError as error:
        widgets.error_box(error)
        return "", b"", ()
    st.caption(f"{len(asked):,} prompts were read. Those that stand in it, or nearly do, stay out of every format.")
    return upload.name, data, asked


def _choose_try(formats: Sequence[Format], layout: Layout) -> bool:
    if find_trl(os.environ) is None:
        st.caption(HOW_TO_GET_TRL)
        return False
    fits = layout in TRL_LAYOUTS and any(kind in RECIPES for kind in formats)
    help_text = "Five steps of each recipe with a tiny model, on this server's processor. It shows that the files train."
    asked = st.checkbox("Try the training before it is written (some minutes)", disabled=not fits, help=help_text)
    return asked and fits


def show_split(report: SplitReport) -> None:
    """What is held out for testing, and what was found in the evaluation set."""
    counted = sum(sizes["test"] for sizes in report.by_kind.values())
    if report.held_out:
        st.write(
            f"{report.held_out:,} prompts with a preference are held out for testing, the same in every format, each kind in its"
            " share. No prompt, and nothing that nearly repeats it, stands on both sides."
        )
    else:
        st.write("No prompt is held out for testing: there are fewer than 20 with a preference, or none was wanted.")
    if report.evaluation:
        st.write(
            widgets.plain(f"Prompts that stand in {report.evaluation}, or nearly do, and are left out: {report.in_evaluation:,}.")
        )
    if counted:
        with st.expander("Which kinds of prompts are held out"):
            st.dataframe(release_tables.split(report), hide_index=True)
            if report.repeated:
                st.caption(f"{report.repeated:,} prompts nearly repeat another one, and stay on its side.")
