"""Coding: votes as numbers, in the order they came and by item.

Comes in: a frame of votes, one per annotator and item. Goes out: arrays of codes, from which `pipeline.resampling` and
`pipeline.cohen` count. A million votes are cheap only as long as what is worked on fits into the processor's cache, so
votes by item come in blocks. Never reads files or the network.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.coefficients import Integers
from pipeline.errors import VoteError

_ITEMS_A_BLOCK = 32_768


class Coded(NamedTuple):
    """Votes as numbers: three arrays of the same length, how many of each there are, and what items and annotators are called."""

    items: Integers
    annotators: Integers
    labels: Integers
    n_items: int
    n_annotators: int
    n_labels: int
    item_ids: pd.Index
    people: pd.Index


class Grouped(NamedTuple):
    """Votes by item.

    The items of a block have equally many votes. A block has a column for each item, and a row for each of its votes in the
    order of the annotators. What stands there is a place in the arrays `annotators` and `labels`: who, and what they said.
    There is one block at least, empty where nobody voted.
    """

    blocks: list[NDArray[np.int32]]
    annotators: Integers
    labels: Integers
    n_annotators: int
    n_labels: int


def encode(votes: pd.DataFrame, allowed: Sequence[str], *, item: str = "pair_id", label: str = "choice") -> Coded:
    """Return votes as codes, in their order; annotators by name, labels by place in `allowed`.

    Args:
        votes: Columns `item`, `annotator`, `label`; one row per annotator and item.
        allowed: Every label that could be given, in order.
        item: The column that says what was voted on.
        label: The column that says what was voted.

    Raises:
        VoteError: An annotator voted twice on the same item, or said what was not offered.
    """
    coded, words = _code(votes, item, label)
    _sorted(coded)
    items, item_ids = _used(coded.items.astype(np.int64), coded.item_ids)
    annotators, people = _used(coded.annotators.astype(np.int64), coded.people)
    labels = _offered(coded.labels, words, allowed)
    return Coded(items, annotators, labels, len(item_ids), len(people), len(allowed), item_ids, people)


def encode_by_item(
    votes: pd.DataFrame, allowed: Sequence[str], *, item: str = "pair_id", label: str = "choice"
) -> tuple[Grouped, pd.Index]:
    """Return votes by item, and what the annotators are called; arguments and errors as of `encode`."""
    coded, words = _code(votes, item, label)
    grouped = by_item(coded)
    # What no vote says, and who said nothing, is looked for among the few places and not among the votes.
    cast = np.zeros(len(grouped.labels), dtype=np.bool_)
    for block in grouped.blocks:
        cast[block] = True
    annotators, labels = np.zeros((2, len(cast)), dtype=np.int64)
    annotators[cast], people = _used(grouped.annotators[cast], coded.people)
    labels[cast] = _offered(grouped.labels[cast], words, allowed)
    return Grouped(grouped.blocks, annotators, labels, len(people), len(allowed)), people


def _code(votes: pd.DataFrame, item: str, label: str) -> tuple[Coded, pd.Index]:
    """The votes as codes, of which some may not occur, and what was said in words."""
    items, item_ids = _codes(votes[item], sort=False)
    annotators, people = _codes(votes["annotator"], sort=True)
    said, words = _codes(votes[label], sort=False)
    return Coded(items, annotators, said, len(item_ids), len(people), len(words), pd.Index(item_ids), pd.Index(people)), words


def _offered(said: NDArray[Any], words: pd.Index, allowed: Sequence[str]) -> Integers:
    """The places in `allowed` of what was said; refuse what is not there."""
    places = pd.Index([str(one) for one in allowed]).get_indexer(pd.Index([str(word) for word in words])).astype(np.int64)
    strange = words[np.unique(said[places[said] < 0])]
    if len(strange):
        raise VoteError(
            f"Some votes say {', '.join(sorted(str(word) for word in strange))}, which was not offered.",
            hint=f"The choices are {', '.join(map(str, allowed))}; correct the votes or name every choice that was offered.",
        )
    return np.asarray(places[said])


def _codes(column: pd.Series, *, sort: bool) -> tuple[NDArray[Any], pd.Index]:
    """The codes of a column, and what they stand for; a categorical column has them already."""
    known = isinstance(column.dtype, pd.CategoricalDtype) and len(column) > 0
    if known and (not sort or column.cat.categories.is_monotonic_increasing):
        return column.cat.codes.to_numpy(), column.cat.categories
    return pd.factorize(column, sort=sort)


def _used(codes: NDArray[Any], names: pd.Index) -> tuple[NDArray[Any], pd.Index]:
    """The same codes, and names, without those that do not occur."""
    occurs = np.zeros(len(names), dtype=np.bool_)
    occurs[codes] = True
    if occurs.all():
        return codes, names
    return (np.cumsum(occurs) - 1)[codes], names[occurs]


def part_of(coded: Coded, kept: NDArray[np.bool_]) -> Coded:
    """Return the votes that are kept; items without any are gone, annotators keep their codes."""
    items, ids = _used(coded.items[kept], coded.item_ids)
    return coded._replace(
        items=items, annotators=coded.annotators[kept], labels=coded.labels[kept], n_items=len(ids), item_ids=ids
    )


def by_item(coded: Coded) -> Grouped:
    """Return votes by item.

    Raises:
        VoteError: An annotator voted twice on the same item.
    """
    packed, who_bits, said_bits = _sorted(coded)
    places = (packed & ((1 << who_bits + said_bits) - 1)).astype(np.int32)
    packed >>= who_bits + said_bits
    starts = np.flatnonzero(np.concatenate([[len(packed) > 0], packed[1:] != packed[:-1]]))
    sizes, blocks = np.diff(starts, append=len(packed)), []
    for size in np.flatnonzero(np.bincount(sizes)).tolist():
        of_size, seats = starts[sizes == size], np.arange(size)[:, None]
        blocks += [places[of_size[at : at + _ITEMS_A_BLOCK] + seats] for at in range(0, len(of_size), _ITEMS_A_BLOCK)]
    blocks = blocks or [places[None, :]]
    annotators, labels = np.divmod(np.arange(coded.n_annotators << said_bits), 1 << said_bits)
    return Grouped(blocks, annotators, labels, coded.n_annotators, coded.n_labels)


def _sorted(coded: Coded) -> tuple[NDArray[Any], int, int]:
    """Votes as sorted numbers of item, annotator and label, and how many bits annotator and label take; refuse a second vote."""
    who_bits, said_bits = coded.n_annotators.bit_length(), (coded.n_labels - 1).bit_length()
    # Numbers are sorted ten times as fast as places, and twice as fast where they are short.
    short = coded.n_items.bit_length() + who_bits + said_bits < 32
    packed: NDArray[Any] = coded.items.astype(np.int32 if short else np.int64)
    for codes, bits in ((coded.annotators, who_bits), (coded.labels, said_bits)):
        packed <<= bits
        packed |= codes
    packed.sort()
    # Two that differ in the label at most are votes of one annotator on one item.
    repeated = packed[1:][packed[1:] ^ packed[:-1] < 1 << said_bits]
    if len(repeated):
        raise VoteError(
            f"{len(repeated)} repeated votes, first on pair {coded.item_ids[repeated[0] >> who_bits + said_bits]}.",
            hint="Keep the latest vote of each annotator on a pair before you measure agreement.",
        )
    return packed, who_bits, said_bits
