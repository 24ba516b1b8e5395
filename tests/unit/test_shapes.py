"""The check of rows: each trap that loads without a word is refused before a file is written."""

import pytest

from pipeline.errors import ExportError
from pipeline.shapes import Format, check_rows


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def row(**changes: object) -> dict[str, object]:
    return {"pair_id": "p7", "prompt": user("Why?"), "chosen": assistant("So."), "rejected": assistant("No.")} | changes


def test_good_rows_pass_and_are_counted():
    assert check_rows(Format.DPO, [row(), row(rejected=assistant("Never."))]) == 2
    assert check_rows(Format.DPO, []) == 0
    assert check_rows(Format.DPO, [row(prompt="Why?", chosen="So.", rejected="No.")]) == 1


@pytest.mark.parametrize(
    ("trap", "broken"),
    [
        ("plain text and message lists", row(prompt="Why?")),
        ("chosen repeats the prompt", row(chosen=user("Why?") + assistant("So."))),
        ("chosen repeats the prompt", row(prompt="Why?", chosen="Why? So.", rejected="No.")),
        ("chosen and rejected are the same", row(rejected=assistant("So."))),
        ("rejected is an empty list", row(rejected=[])),
        ("chosen is empty", row(chosen=assistant(" \n"))),
        ("chosen is empty", row(prompt="Why?", chosen="", rejected="No.")),
        ("prompt is empty", row(prompt=user(""))),
        ("prompt is not spoken by the user", row(prompt=assistant("Why?"))),
        ("chosen is not spoken by the assistant", row(chosen=[{"role": "system", "content": "So."}])),
        ("has no role", row(chosen=["So."])),
        ("not a list of messages", row(chosen=None)),
        ("no column rejected", {"pair_id": "p7", "prompt": user("Why?"), "chosen": assistant("So.")}),
        ("margin", row(margin=0.5)),
        ("lone surrogate", row(chosen=assistant("half \ud83d"))),
        ("lone surrogate", row(method="half \udc00")),
    ],
)
def test_each_trap_is_refused_by_name(trap, broken):
    with pytest.raises(ExportError, match=trap) as refused:
        check_rows(Format.DPO, [row(), broken])
    assert "pair p7" in refused.value.message
    assert "Nothing was written" in refused.value.hint


def test_a_margin_is_welcome_in_reward_and_nowhere_else():
    assert check_rows(Format.REWARD, [row(margin=0.5)]) == 1
    for kind in (Format.DPO, Format.ORPO):
        with pytest.raises(ExportError, match="margin"):
            check_rows(kind, [row(margin=0.5)])


def test_single_answers_are_checked_too():
    answer = {"prompt": user("Why?"), "completion": assistant("So."), "label": True}
    assert check_rows(Format.KTO, [answer]) == 1
    with pytest.raises(ExportError, match="number 1"):
        check_rows(Format.SFT, [answer | {"completion": []}])
