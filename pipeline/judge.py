"""Judge: which response of a pair would a model prefer? An opinion beside the votes, never a vote.

Each pair is shown to the judge in both orders, one Judgement row each; a judge that changes its mind with the seats
says a tie. Asks item by item and never again for a verdict that is stored.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from pipeline.estimates import rough_tokens
from pipeline.families import are_related
from pipeline.lane import Lane, Patience, Purpose, Question, Report, Tally
from pipeline.ports import FailureReason, Judge, JudgementStore, Made, Verdict
from pipeline.records import HUMAN, Choice, Endpoint, Judgement, Project, Request
from pipeline.runner import run
from pipeline.shares import share_interval

RATING, CHOICE = "rating", "choice"
STYLES = (RATING, CHOICE)
"""How a judge is asked: to rate each response from 1 to 5, or to choose the better one."""

INSTRUCTION_TOKENS = 1000
"""Tokens of the judge's instructions (1,900 letters), at most."""

PAGE = 200
"""So many pairs are in memory at a time, whatever the size of the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seating:
    """A pair in one of its two orders."""

    pair_id: str
    prompt_id: str
    prompt: str
    shown_first: str
    is_canonical: bool
    texts: tuple[str, str]


def judge(
    store: JudgementStore,
    model: Judge,
    project: Project,
    endpoint: Endpoint,
    *,
    leave_out: Set[str] = frozenset(),
    limit: int | None = None,
    patience: Patience | None = None,
    on_progress: Callable[[Tally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Ask the judge for each verdict it has not given yet, but for the pairs to `leave_out`; `limit` counts pairs.

    Raises:
        GenerationError: The terms of the endpoint make no sense.
        EndpointError: The server refuses the key, does not know the model, or fails again and again.
        BackendError: The store cannot take more. What was saved before stays saved.
    """
    left = what_is_left(store, model.name, project.name, leave_out=leave_out, limit=limit)
    lane = judging_lane(store, model, project, endpoint, left, on_progress=on_progress)
    run(store, [lane], patience=patience, should_stop=should_stop)
    return lane.tally.report(before=len(left.known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a judge has not judged: pairs by position, with the verdicts each lacks; and the verdicts that are `known`."""

    orders: Mapping[str, int]
    known: Set[tuple[str, str]]
    """Pair, and the response it showed first."""


NOTHING_LEFT = Left(orders={}, known=frozenset())


def what_is_left(
    store: JudgementStore, judge_name: str, project: str, *, source: str = "", leave_out: Set[str], limit: int | None = None
) -> Left:
    """Return what this judge has not judged of the pairs of a project, of those of one `source` where it is given."""
    given = store.judgements(project)
    given = given[given["judge"] == judge_name]
    times = given["pair_id"].value_counts()
    wanted = (pair_id for pair_id in store.pair_ids(project, source=source) if pair_id not in leave_out)
    lacking = ((pair_id, 2 - int(times.get(pair_id, 0))) for pair_id in wanted if times.get(pair_id, 0) < 2)
    return Left(
        orders=dict(itertools.islice(lacking, limit)),
        known=set(zip(given["pair_id"], given["shown_first"], strict=True)),
    )


def judge_name(model: str, style: str) -> str:
    """Return what the judgements of a model stand under: its id, and how it was asked where that is not by rating."""
    return f"{model} (choosing)" if style == CHOICE else model


def judging_lane(
    store: JudgementStore,
    model: Judge,
    project: Project,
    endpoint: Endpoint,
    left: Left = NOTHING_LEFT,
    *,
    on_progress: Callable[[Tally], None] = lambda _: None,
) -> Lane:
    """Return the questions that ask for a verdict on what is left, and on each pair that another lane of the run makes."""
    return Lane(
        purpose=Purpose(project=project.name, name="judge", model=model.model, parameters=model.parameters),
        endpoint=endpoint,
        questions=_questions(store, model, project.name, list(left.orders), left.known, endpoint.max_tokens),
        total=sum(left.orders.values()),
        close=model.close,
        follow=partial(_of_made, model, endpoint.max_tokens),
        on_progress=on_progress,
    )


def _questions(
    store: JudgementStore,
    model: Judge,
    project: str,
    pair_ids: Sequence[str],
    known: Set[tuple[str, str]],
    max_tokens: int,
) -> Iterator[Question]:
    """A question for each pair and order that has no verdict; a page of texts is in memory at a time."""
    for start in range(0, len(pair_ids), PAGE):
        for row in store.pairs(project, pair_ids[start : start + PAGE]).to_dict(orient="records"):
            texts = (row["first"], row["second"])
            for seating in _seatings(row["pair_id"], row["prompt_id"], row["prompt"], (row["first_id"], row["second_id"]), texts):
                if (seating.pair_id, seating.shown_first) not in known:
                    yield _question(model, seating, max_tokens)


def _of_made(model: Judge, max_tokens: int, made: Made) -> list[Question]:
    """Both orders of each pair that an answer has just made; none where the answer was set aside."""
    if any(screen.is_out for screen in made.screens):
        return []
    return [
        _question(model, seating, max_tokens)
        for pair in made.pairs
        for seating in _seatings(
            pair.id,
            pair.prompt_id,
            made.prompt,
            (pair.first_id, pair.second_id),
            (made.texts[pair.first_id], made.texts[pair.second_id]),
        )
    ]


def _question(model: Judge, seating: _Seating, max_tokens: int) -> Question:
    return Question(
        key=model.request_key(seating.prompt, seating.texts),
        prompt_id=seating.prompt_id,
        ask=partial(model.rate, seating.prompt, seating.texts),
        make=partial(_make, model, seating),
        rough_tokens=(rough_tokens(seating.prompt + "".join(seating.texts))[1] + INSTRUCTION_TOKENS, max_tokens),
    )


def _make(model: Judge, seating: _Seating, request: Request) -> Made:
    """What follows from a request: the judgement its verdict holds, or why there is none."""
    if request.error:
        return Made(request=request)
    verdict = model.read(request.text or "")
    if verdict is None:
        detail = "The verdict holds neither two ratings from 1 to 5 nor one clear choice."
        return Made(request=replace(request, error=str(FailureReason.UNREADABLE), detail=detail))
    return Made(request=request, judgements=(_judgement(seating, model.name, verdict),))


def _seatings(
    pair_id: str, prompt_id: str, prompt: str, response_ids: tuple[str, str], texts: tuple[str, str]
) -> Iterator[_Seating]:
    """A pair in both orders."""
    for is_canonical in (True, False):
        yield _Seating(
            pair_id=pair_id,
            prompt_id=prompt_id,
            prompt=prompt,
            shown_first=response_ids[0 if is_canonical else 1],
            is_canonical=is_canonical,
            texts=texts if is_canonical else (texts[1], texts[0]),
        )


def _judgement(seating: _Seating, judge_name: str, verdict: Verdict) -> Judgement:
    """The verdict in terms of the pair's canonical order."""
    turned = {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST}
    choice, rationales = verdict.choice, verdict.rationales
    ratings: tuple[float | None, float | None] = verdict.ratings or (None, None)
    if not seating.is_canonical:
        choice, ratings = turned.get(choice, choice), (ratings[1], ratings[0])
    if len(rationales) == 2:
        one, other = rationales if seating.is_canonical else (rationales[1], rationales[0])
        rationale = f"First response: {one}\nSecond response: {other}"
    else:
        # It speaks of the responses as it saw them.
        shown = "" if seating.is_canonical else "(Response A is the second, response B the first.)\n"
        rationale = shown + "\n".join(rationales)
    return Judgement(
        pair_id=seating.pair_id,
        judge=judge_name,
        shown_first=seating.shown_first,
        choice=choice,
        rating_first=ratings[0],
        rating_second=ratings[1],
        rationale=rationale,
    )


def verdicts(judgements: pd.DataFrame) -> pd.DataFrame:
    """Add up both orders of each pair and judge.

    Args:
        judgements: Columns `pair_id, judge, choice`, one row per order.

    Returns:
        Columns `pair_id, judge, choice, is_flip`, for pairs judged in both orders. Orders that disagree are a tie,
        and a flip when each order prefers another response.
    """
    orders = judgements.groupby(["pair_id", "judge"], sort=True)["choice"].agg(["first", "last", "count"]).reset_index()
    both = orders[orders["count"] == 2]
    agrees = both["first"] == both["last"]
    is_flip = ~agrees & (both["first"] != Choice.TIE) & (both["last"] != Choice.TIE)
    choice = both["first"].where(agrees, str(Choice.TIE))
    return both[["pair_id", "judge"]].assign(choice=choice, is_flip=is_flip).reset_index(drop=True)


def by_judge(verdicts_given: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return how each judge judged.

    Args:
        verdicts_given: As `verdicts` returns them.
        pairs: Columns `pair_id, first, second, first_source, second_source`.

    Returns:
        Columns `judge, pairs, flips, flip_share, flip_low, flip_high` (95 %), `ties, human_preferred` (of `against_human`
        pairs decided between a person and a model), `longer_preferred` (of `decided`), and `relatives`: the models of the
        judge's own family among those it judged, in one text; empty where there is none.
    """
    rows = verdicts_given.merge(pairs, on="pair_id", how="inner")
    return pd.DataFrame(
        [_judge_row(str(name), group) for name, group in rows.groupby("judge", sort=True)],
        columns=[
            "judge",
            "pairs",
            "flips",
            "flip_share",
            "flip_low",
            "flip_high",
            "ties",
            "human_preferred",
            "against_human",
            "longer_preferred",
            "decided",
            "relatives",
        ],
    )


def _judge_row(name: str, judged: pd.DataFrame) -> dict[str, object]:
    flips = int(judged["is_flip"].sum())
    decided = judged[judged["choice"].isin([Choice.FIRST, Choice.SECOND])]
    is_first = decided["choice"] == Choice.FIRST
    chosen = decided["first_source"].where(is_first, decided["second_source"])
    with_human = (decided["first_source"] == HUMAN) != (decided["second_source"] == HUMAN)
    longer_first = decided["first"].str.len() > decided["second"].str.len()
    sources = set(judged["first_source"]) | set(judged["second_source"])
    low, high = share_interval(flips, len(judged))
    return {
        "judge": name,
        "pairs": len(judged),
        "flips": flips,
        "flip_share": flips / len(judged),
        "flip_low": low,
        "flip_high": high,
        "ties": int((judged["choice"] == Choice.TIE).sum()),
        "human_preferred": int((chosen[with_human] == HUMAN).sum()),
        "against_human": int(with_human.sum()),
        "longer_preferred": int((longer_first == is_first).sum()),
        "decided": len(decided),
        "relatives": ", ".join(sorted(source for source in sources - {HUMAN} if are_related(name, source))),
    }
