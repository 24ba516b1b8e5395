"""The check of tables: each trap that loads without a word is refused before a file is final."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ExportError
from pipeline.shapes import Format, Layout, shape_of, type_of_message
from pipeline.traps import check_table

SCHEMA = shape_of(Format.DPO).schema


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def row(**changes: object) -> dict[str, object]:
    nothing = dict.fromkeys(SCHEMA.names)
    return nothing | {"pair_id": "p7", "prompt": user("Why?"), "chosen": assistant("So."), "rejected": assistant("No.")} | changes


def file_of(folder: Path, rows: list[dict[str, object]], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Write rows as Parquet, trap and all, and read them as the check does."""
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "broken.parquet")
    return pq.read_table(folder / "broken.parquet")


def with_types(schema: pa.Schema, **types: pa.DataType) -> pa.Schema:
    """The schema with other types, or without a column where the type is None."""
    kept = [field.with_type(types.get(field.name, field.type)) for field in schema if types.get(field.name, 0) is not None]
    return pa.schema(kept)


def test_good_rows_pass_and_are_counted(tmp_path):
    assert check_table(Format.DPO, file_of(tmp_path, [row(), row(rejected=assistant("Never."))])) == 2
    assert check_table(Format.DPO, file_of(tmp_path, [])) == 0


@pytest.mark.parametrize(
    ("trap", "broken"),
    [
        ("chosen repeats the prompt", row(chosen=user("Why?") + assistant("So."))),
        ("chosen and rejected are the same", row(rejected=assistant("So."))),
        ("rejected is an empty list", row(rejected=[])),
        ("chosen is an empty list", row(chosen=None)),
        ("chosen is empty", row(chosen=assistant(" \n\u3000"))),
        ("prompt is empty", row(prompt=user(""))),
        ("prompt is not spoken by the user", row(prompt=assistant("Why?"))),
        ("chosen is not spoken by the assistant", row(chosen=[{"role": "system", "content": "So."}])),
        ("has no role", row(chosen=[{"role": None, "content": "So."}, *assistant("So.")])),
    ],
)
def test_each_broken_row_is_refused_by_name(trap, broken, tmp_path):
    with pytest.raises(ExportError, match=trap) as refused:
        check_table(Format.DPO, file_of(tmp_path, [row(pair_id="fine"), broken]))
    assert "pair p7" in refused.value.message
    assert "Nothing was written" in refused.value.hint


def test_a_plain_prompt_beside_message_lists_is_refused(tmp_path):
    broken = file_of(tmp_path, [row(prompt="Why?")], with_types(SCHEMA, prompt=pa.string()))
    with pytest.raises(ExportError, match="plain text and message lists stand side by side"):
        check_table(Format.DPO, broken)


def test_plain_sides_without_a_prompt_are_refused_for_they_are_cut_at_their_common_prefix(tmp_path):
    # TRL makes of these the prompt "The sky is bl", or so: it cuts where the letters part.
    cut = with_types(SCHEMA, prompt=None, chosen=pa.string(), rejected=pa.string())
    with pytest.raises(ExportError, match="cut where the two answers begin to differ"):
        check_table(Format.DPO, file_of(tmp_path, [row(chosen="The sky is blue.", rejected="The sky is black.")], cut))


def test_lists_as_polars_writes_them_are_refused(tmp_path):
    large = with_types(SCHEMA, chosen=pa.large_list(type_of_message.value_type))
    with pytest.raises(ExportError, match="column chosen is of another type, large_list"):
        check_table(Format.DPO, file_of(tmp_path, [row()], large))


def test_a_margin_is_welcome_in_reward_and_nowhere_else(tmp_path):
    with_margin = shape_of(Format.REWARD).schema
    assert check_table(Format.REWARD, file_of(tmp_path, [row(margin=0.5)], with_margin)) == 1
    for kind in (Format.DPO, Format.ORPO):
        with pytest.raises(ExportError, match="margin column"):
            check_table(kind, file_of(tmp_path, [row(margin=0.5)], with_margin))


def test_a_column_that_is_missing_is_named(tmp_path):
    with pytest.raises(ExportError, match="no column rejected"):
        check_table(Format.DPO, file_of(tmp_path, [row()], with_types(SCHEMA, rejected=None)))


def test_half_a_character_is_refused(tmp_path):
    # What a lone surrogate looks like in bytes; Arrow stores it unseen.
    half = pa.array([b"half \xed\xa0\xbd"]).view(pa.string())
    messages = pa.StructArray.from_arrays([pa.array(["assistant"]), half], fields=list(type_of_message.value_type))
    table = file_of(tmp_path, [row()])
    broken = table.set_column(1, SCHEMA.field("chosen"), pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), messages))
    pq.write_table(broken, tmp_path / "half.parquet")
    with pytest.raises(ExportError, match="half a character"):
        check_table(Format.DPO, pq.read_table(tmp_path / "half.parquet"))


def test_answers_that_all_begin_with_their_prompt_are_refused_and_one_greeting_is_not(tmp_path):
    schema = shape_of(Format.DPO, Layout.TEXT).schema
    plain = row(prompt="Why?", chosen="So.", rejected="No.")
    hello = row(prompt="Hello", chosen="Hello to you!", rejected="No.")
    assert check_table(Format.DPO, file_of(tmp_path, [plain, hello, plain], schema), Layout.TEXT) == 3
    with pytest.raises(ExportError, match="chosen repeats the prompt"):
        check_table(Format.DPO, file_of(tmp_path, [plain, hello, hello], schema), Layout.TEXT)


def test_whole_conversations_must_begin_alike(tmp_path):
    shape = shape_of(Format.DPO, Layout.IMPLICIT).schema
    good = row(chosen=user("Why?") + assistant("So."), rejected=user("Why?") + assistant("No."))
    assert check_table(Format.DPO, file_of(tmp_path, [good], shape), Layout.IMPLICIT) == 1
    torn = row(chosen=user("Why?") + assistant("So."), rejected=user("Who?") + assistant("No."))
    with pytest.raises(ExportError, match="answer different prompts"):
        check_table(Format.DPO, file_of(tmp_path, [good, torn], shape), Layout.IMPLICIT)
    bare = row(chosen=assistant("So."), rejected=assistant("No."))
    with pytest.raises(ExportError, match="not spoken by the assistant"):
        check_table(Format.DPO, file_of(tmp_path, [bare], shape), Layout.IMPLICIT)


def test_single_answers_are_checked_too(tmp_path):
    schema = shape_of(Format.KTO).schema
    answer = {"pair_id": "p7", "prompt": user("Why?"), "completion": assistant("So."), "label": True}
    assert check_table(Format.KTO, file_of(tmp_path, [answer], schema)) == 1
    with pytest.raises(ExportError, match="completion is an empty list"):
        check_table(Format.KTO, file_of(tmp_path, [answer | {"completion": []}], schema))
