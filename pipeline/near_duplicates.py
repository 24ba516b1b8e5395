"""Near duplicates: which texts say the same but for a few characters?

Texts come in, in the order of preference; out goes, for each, the earlier kept text that it repeats.
Two texts are near duplicates when they are equal once case, spaces and punctuation are set aside, or when their sets of
SHINGLE-character pieces overlap by at least THRESHOLD (Jaccard). Characters, not words: many scripts write no spaces.
Texts with different digits are never near duplicates: "12 + 5" and "12 + 6" are two questions.

The search is exact, not sampled: two sets that overlap by t share a piece among the first n - ceil(t * n) + 1 rarest of
each. Source: Bayardo, Ma, Srikant (2007), "Scaling Up All Pairs Similarity Search".
"""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SHINGLE = 4
THRESHOLD = 0.95
"""At .95 a text of 200 characters may differ by a letter, one of 1,000 by two or three words; another question on the same
passage stays."""

Pieces = npt.NDArray[np.int64]


class _Plain(dict[int, int | None]):
    """Drops spaces, punctuation and control characters in `str.translate`; decides once for each character."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if unicodedata.category(chr(code))[0] in "PZC" else code
        return self[code]


_PLAIN = _Plain()
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"[-+.,:/*−×÷^]?\d")


def plain(text: str) -> str:
    """Return a text without case, spaces and punctuation; a text of nothing else is returned as it is."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN) or text


def digits(text: str) -> str:
    """Return what makes two sums different: the numbers, and the signs before them."""
    written = unicodedata.normalize("NFKC", text)
    return "".join(_NUMBER.findall("".join(written.split()))) if _DIGIT.search(written) else ""


def find_repeats(texts: Sequence[str], *, threshold: float = THRESHOLD) -> list[int | None]:
    """Return for each text the index of the earlier, kept text that it repeats, or None where it is kept.

    Args:
        texts: In order of preference: of two near duplicates the earlier is kept.
        threshold: The overlap from which two texts repeat each other, in (0, 1].
    """
    shortened = [plain(text) for text in texts]
    numbers = [digits(text) for text in texts]
    repeats: list[int | None] = [None] * len(texts)
    first_with: dict[tuple[str, str], int] = {}
    for index, key in enumerate(zip(shortened, numbers, strict=True)):
        first = first_with.setdefault(key, index)
        repeats[index] = None if first == index else first
    different = [index for index, kept in enumerate(repeats) if kept is None]
    overlapping = _find_overlaps([shortened[i] for i in different], [numbers[i] for i in different], threshold)
    for place, kept in enumerate(overlapping):
        if kept is not None:
            repeats[different[place]] = different[kept]
    # A text equal to one that is itself a near duplicate repeats what that one repeats.
    return [kept if kept is None or repeats[kept] is None else repeats[kept] for kept in repeats]


def count_repeated(texts: Iterable[str], *, of: Iterable[str]) -> int:
    """Return how many of `texts` are near duplicates of a text in `of`."""
    known, asked = sorted(set(of)), sorted(set(texts))
    found = find_repeats([*known, *asked])
    return sum(earlier is not None and earlier < len(known) for earlier in found[len(known) :])


def _find_overlaps(texts: Sequence[str], numbers: Sequence[str], threshold: float) -> list[int | None]:
    pieces = _rarest_first([_shingles(text) for text in texts])
    holders: dict[tuple[int, str], list[int]] = defaultdict(list)
    repeats: list[int | None] = []
    for index, ranked in enumerate(pieces):
        prefix = [(piece, numbers[index]) for piece in ranked[: len(ranked) - math.ceil(threshold * len(ranked)) + 1].tolist()]
        candidates = sorted({other for key in prefix for other in holders.get(key, ())})
        kept = next((other for other in candidates if _overlaps(ranked, pieces[other], threshold)), None)
        repeats.append(kept)
        if kept is None:
            for key in prefix:
                holders[key].append(index)
    return repeats


def _shingles(text: str) -> Pieces:
    """Return the distinct hashes of a text's SHINGLE-character pieces."""
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(codes) <= SHINGLE:
        return np.array([hash(tuple(codes.tolist()))], dtype=np.int64)
    mixed = np.zeros(len(codes) - SHINGLE + 1, dtype=np.uint64)
    for offset in range(SHINGLE):
        mixed = mixed * np.uint64(0x100000001B3) + codes[offset : len(codes) - SHINGLE + 1 + offset]
    return np.unique(mixed).astype(np.int64)


def _rarest_first(shingles: Sequence[Pieces]) -> list[Pieces]:
    """Return each set with its pieces renamed by their rank from rare to common, in that order."""
    if not shingles:
        return []
    _, names, counts = np.unique(np.concatenate(shingles), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    ends = np.cumsum([len(one) for one in shingles])
    return [np.sort(one) for one in np.split(rank[names], ends[:-1])]


def _overlaps(one: Pieces, other: Pieces, threshold: float) -> bool:
    """Return whether the Jaccard overlap of two sets reaches the threshold; sizes too far apart rule it out."""
    if min(len(one), len(other)) < threshold * max(len(one), len(other)):
        return False
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared >= threshold * (len(one) + len(other) - shared)


def find_groups(texts: Sequence[str], *, threshold: float = THRESHOLD) -> list[int]:
    """Return for each text the index of the first text of its group; near duplicates, and theirs, share a group.

    So that whole groups can be kept together: unlike in `find_repeats`, a text that is like a near duplicate of the first,
    but no longer like the first itself, belongs to it too.
    """
    first_with: dict[tuple[str, str], int] = {}
    roots = [first_with.setdefault((plain(text), digits(text)), index) for index, text in enumerate(texts)]
    different = list(first_with.values())
    keys = list(first_with)

    def root(index: int) -> int:
        while roots[index] != index:
            roots[index] = index = roots[roots[index]]
        return index

    for one, other in _candidates([text for text, _ in keys], [numbers for _, numbers in keys], threshold):
        low, high = sorted((root(different[one]), root(different[other])))
        if low != high and _overlaps(_shingles(keys[one][0]), _shingles(keys[other][0]), threshold):
            roots[high] = low
    return [root(index) for index in range(len(texts))]


TEXTS_AT_ONCE = 1 << 11
PAIRS_AT_ONCE = 1 << 16
_COUNTED = 1 << 20
"""Pieces are counted by their hash modulo this power of two: two that share a number are both taken for more common, no more."""
_BINS = 32
"""Pieces of a text by their hash modulo this power of two: two texts differ by at least as many pieces as their bins do."""


class _Cut(NamedTuple):
    """Texts cut into pieces: their rarest pieces and whose they are; of every text the number of pieces, and the bins."""

    rarest: Pieces
    owners: Pieces
    sizes: Pieces
    bins: npt.NDArray[np.uint8]


def _candidates(texts: Sequence[str], numbers: Sequence[str], threshold: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs of texts that may overlap by the threshold: one of their rarest pieces is shared, the bins are alike.

    Whole chunks of texts are cut in pieces at once, so that hundreds of thousands of prompts take seconds.
    """
    counts = np.zeros(_COUNTED, dtype=np.int64)
    chunks = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
    for chunk in chunks:
        counts += np.bincount(_pieces(chunk)[0] & (_COUNTED - 1), minlength=_COUNTED)
    if not chunks:
        return
    cut = _Cut(
        *map(np.concatenate, zip(*(_cut(chunk, start, counts, threshold) for start, chunk in enumerate(chunks)), strict=True))
    )
    order = np.argsort(cut.rarest, kind="stable")
    pieces, owners = cut.rarest[order], cut.owners[order]
    places, step = np.arange(len(pieces)), 0
    while len(places):
        # Whoever shares a piece with the text so many places on shares it with all between.
        step += 1
        places = places[: np.searchsorted(places, len(pieces) - step)]
        places = places[pieces[places] == pieces[places + step]]
        for start in range(0, len(places), PAIRS_AT_ONCE):
            some = places[start : start + PAIRS_AT_ONCE]
            one, other = _alike(owners[some], owners[some + step], cut, threshold)
            pairs = zip(one.tolist(), other.tolist(), strict=True)
            yield from (pair for pair in pairs if numbers[pair[0]] == numbers[pair[1]])


def _alike(one: Pieces, other: Pieces, cut: _Cut, threshold: float) -> tuple[Pieces, Pieces]:
    """Keep the pairs of texts whose sizes, then bins, do not differ by more than the threshold lets two texts differ."""
    most = (1 - threshold) / (1 + threshold) * (cut.sizes[one] + cut.sizes[other]) + 1e-9
    alike = np.abs(cut.sizes[one] - cut.sizes[other]) <= most
    one, other, most = one[alike], other[alike], most[alike]
    apart = np.maximum(cut.bins[one], cut.bins[other]) - np.minimum(cut.bins[one], cut.bins[other])
    alike = apart.sum(axis=1, dtype=np.int64) <= most
    return one[alike], other[alike]


def _cut(texts: Sequence[str], chunk: int, counts: Pieces, threshold: float) -> _Cut:
    """Cut texts, and keep as many of the rarest pieces of each as near duplicates must share one of."""
    hashes, owners = _pieces(texts)
    # One number to sort by: the text, then how common the piece is, then the piece.
    common = np.minimum(counts[hashes & (_COUNTED - 1)], _COUNTED - 1)
    ranked = np.sort((owners.astype(np.int64) << 52) | (common << 32) | hashes)
    ranked = ranked[np.append(True, ranked[1:] != ranked[:-1])[: len(ranked)]]
    ends = np.searchsorted(ranked, np.arange(1, len(texts) + 1) << 52)
    sizes = np.diff(ends, prepend=0)
    bins = np.bincount((ranked >> 52) * _BINS + (ranked & (_BINS - 1)), minlength=len(texts) * _BINS)
    n_rare = np.where(sizes > 0, sizes - np.ceil(threshold * sizes).astype(np.int64) + 1, 0)
    rare = np.repeat(ends - sizes - np.cumsum(n_rare) + n_rare, n_rare) + np.arange(n_rare.sum())
    return _Cut(
        ranked[rare] & ((1 << 52) - 1),
        (ranked[rare] >> 52) + chunk * TEXTS_AT_ONCE,
        sizes,
        np.minimum(bins, 255).astype(np.uint8).reshape(-1, _BINS),
    )


def _pieces(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
    """Return a 32-bit hash of every piece of SHINGLE characters, and the number of its text. Shorter texts have none."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), [len(text) for text in texts])
    n = max(len(codes) - SHINGLE + 1, 0)
    mixed = np.zeros(n, dtype=np.uint32)
    # In 32 bits and in place: most of the time goes into moving numbers.
    for place in range(SHINGLE):
        mixed *= np.uint32(0x9E3779B1)
        mixed += codes[place : place + n]
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x2C1B3C6D)
    mixed ^= mixed >> np.uint32(13)
    within = owners[SHINGLE - 1 :] == owners[:n]
    return mixed[within], owners[:n][within]
