"""What the documentation says of the terminal is what the program does."""

import argparse
import re
from pathlib import Path

from pipeline.cli import parser

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"--workspace", "--json", "--help", "-h"}


def commands() -> dict[str, argparse.ArgumentParser]:
    action = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(action.choices)


def documented() -> dict[str, set[str]]:
    """Command -> options, from the code block of docs/terminal.md."""
    block = (ROOT / "docs" / "terminal.md").read_text(encoding="utf-8").split("```")[1]
    lines = re.sub(r"\n +", " ", block).strip().splitlines()
    return {line.split()[3]: set(re.findall(r"--[a-z-]+", line)) for line in lines}


def test_every_command_and_option_is_documented_and_no_other():
    known = documented()
    actual = {
        name: {option for one in command._actions for option in one.option_strings} - COMMON
        for name, command in commands().items()
    }
    assert actual == known


def test_every_command_says_in_a_sentence_what_it_does():
    for name, command in commands().items():
        assert command.description is not None, name
        assert command.description.endswith("."), name


def test_the_commands_of_the_readme_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"python -m pipeline ([a-z][a-z-]*)", readme):
        assert name in commands()


def test_every_file_the_readme_links_to_is_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", readme):
        assert (ROOT / target).exists(), target
