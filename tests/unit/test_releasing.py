"""Releasing: the command that a page starts asks for what the visitor chose."""

from pathlib import Path

from pipeline import releasing
from pipeline.adapters.evaluation import read_prompts
from pipeline.cli import parser
from pipeline.export import Format, Layout, ReleaseOptions


def test_the_command_of_the_page_is_one_that_the_terminal_understands(tmp_path: Path):
    options = ReleaseOptions(
        layout=Layout.IMPLICIT, with_system=True, held_out=7, evaluation=("Wat?",), evaluation_name="suite.csv", jsonl=True
    )
    command = releasing.command_of(tmp_path, "-een project", [Format.DPO, Format.KTO], options, b"prompt\nWat?\n")
    asked = parser().parse_args(command)
    assert (asked.command, asked.project, asked.format, asked.out) == ("export", "-een project", ["dpo", "kto"], None)
    assert (asked.layout, asked.system_prompt, asked.held_out, asked.jsonl) == ("implicit", True, 7, True)
    assert asked.try_training
    assert (asked.leave_out.name, read_prompts(asked.leave_out)) == ("suite.csv", ["Wat?"])


def test_an_upload_is_kept_in_the_workspace_whatever_its_name(tmp_path: Path):
    options = ReleaseOptions(evaluation_name="../../suite.csv")
    command = releasing.command_of(tmp_path / "workspace", "kaas", ["dpo"], options, b"prompt\nWat?\n")
    kept = parser().parse_args(command).leave_out
    assert kept.is_relative_to(tmp_path / "workspace" / "uploads")
    assert list(tmp_path.rglob("*.csv")) == [kept]
