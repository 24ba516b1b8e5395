"""The shapes: what a row looks like in each format and layout."""

import pandas as pd
import pyarrow as pa
import pytest

from pipeline.errors import ExportError
from pipeline.shapes import Format, Layout, parse_layout, shape_of, texts_of, to_table
from pipeline.traps import check_table

USER, SO, NO = ({"role": role, "content": text} for role, text in (("user", "Why?"), ("assistant", "So."), ("assistant", "No.")))
SYSTEM = {"role": "system", "content": "Be brief."}


def rows(kind: Format, layout: Layout, *, with_system: bool = False) -> list[dict[str, object]]:
    """Two flat rows laid out, the second without a system prompt; checked for traps on the way."""
    shape = shape_of(kind, layout, with_system=with_system)
    texts = {"prompt": "Why?", "chosen": "So.", "rejected": "No.", "completion": "So.", "pair_id": ["p1", "p2"]}
    frame = pd.DataFrame(dict.fromkeys(shape.plain) | texts | {"label": True, "system": ["Be brief.", ""]}, index=[0, 1])
    table = to_table(shape, frame)
    check_table(kind, table, layout, with_system=with_system)
    return table.to_pylist()


def test_the_default_is_prompt_chosen_and_rejected_as_message_lists():
    for kind in (Format.DPO, Format.ORPO, Format.REWARD):
        row = rows(kind, Layout.MESSAGES)[0]
        assert (row["prompt"], row["chosen"], row["rejected"]) == ([USER], [SO], [NO])
        assert ("margin" in row) == (kind is Format.REWARD)


def test_an_implicit_prompt_stands_in_both_conversations_and_in_no_column():
    row = rows(Format.DPO, Layout.IMPLICIT)[0]
    assert "prompt" not in row
    assert (row["chosen"], row["rejected"]) == ([USER, SO], [USER, NO])


def test_plain_text_always_has_its_prompt():
    row = rows(Format.ORPO, Layout.TEXT)[0]
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("Why?", "So.", "No.")


def test_the_alignment_handbook_has_a_plain_prompt_whole_conversations_and_scores():
    row = rows(Format.DPO, Layout.HANDBOOK)[0]
    assert (row["prompt"], row["chosen"], row["rejected"], row["messages"]) == ("Why?", [USER, SO], [USER, NO], [USER, SO])
    assert {"score_chosen", "score_rejected", "prompt_id"} <= row.keys()


@pytest.mark.parametrize("layout", [Layout.TEXT, Layout.LLAMA_FACTORY, Layout.AXOLOTL])
def test_kto_is_plain_text_where_the_trainer_reads_no_messages(layout):
    row = rows(Format.KTO, layout)[0]
    assert (row["prompt"], row["completion"], row["label"]) == ("Why?", "So.", True)


def test_sft_is_one_conversation_where_the_trainer_reads_those():
    assert rows(Format.SFT, Layout.AXOLOTL)[0]["messages"] == [USER, SO]
    assert rows(Format.SFT, Layout.MESSAGES)[0]["completion"] == [SO]


def test_a_system_prompt_comes_first_and_only_where_there_was_one():
    asked, silent = rows(Format.DPO, Layout.MESSAGES, with_system=True)
    assert (asked["prompt"], silent["prompt"]) == ([SYSTEM, USER], [USER])
    asked, silent = rows(Format.DPO, Layout.IMPLICIT, with_system=True)
    assert (asked["chosen"], silent["rejected"]) == ([SYSTEM, USER, SO], [USER, NO])
    asked, silent = rows(Format.DPO, Layout.TEXT, with_system=True)
    assert (asked["system"], silent["system"], asked["prompt"]) == ("Be brief.", "", "Why?")
    assert "system" not in rows(Format.DPO, Layout.TEXT)[0]


def test_votes_and_judgements_look_the_same_in_every_layout():
    for kind in (Format.VOTES, Format.JUDGEMENTS):
        assert len({tuple(shape_of(kind, layout, with_system=True).schema.names) for layout in Layout}) == 1


def test_lists_are_lists_as_datasets_reads_them():
    kind = shape_of(Format.DPO).schema.field("chosen").type
    assert kind == pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def test_the_texts_of_a_row_are_those_a_person_reads():
    read = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
    for layout in Layout:
        assert texts_of(Format.DPO, rows(Format.DPO, layout)[0]) == read
        told = texts_of(Format.DPO, rows(Format.DPO, layout, with_system=True)[0])
        assert list(told) == ["system", *read]
        assert told["system"]
        assert told | read == told
        assert texts_of(Format.SFT, rows(Format.SFT, layout)[0])["prompt"] == "Why?"


def test_an_unknown_layout_is_named_and_the_known_ones_offered():
    assert parse_layout("alignment-handbook") is Layout.HANDBOOK
    with pytest.raises(ExportError, match="alpaca") as refused:
        parse_layout("alpaca")
    assert "axolotl" in refused.value.hint
