"""Judge: which response of a pair would a model prefer? An opinion beside the votes, never a vote.

Each pair is shown to the judge in both orders, one Judgement row each; a judge that changes its mind with the seats
says a tie. Asks item by item and never again for a verdict that is stored.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from pipeline.ports import FailureReason, Judge, JudgementStore, Rating
from pipeline.records import Choice, Endpoint, Judgement, Project, Request
from pipeline.runner import MAX_NEW_TOKENS, Purpose, Question, Tally, rough_tokens, run

INSTRUCTION_TOKENS = 1000
"""Tokens of the judge's instructions (1,900 letters), at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReport:
    """What a run brought: verdicts, one per pair and order. `failed` counts them by reason."""

    stored: int
    already_stored: int
    failed: Mapping[str, int]
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    seconds: float
    ended_early: str = ""


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
    limit: int | None = None,
    on_progress: Callable[[Tally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> JudgeReport:
    """Ask the judge for each verdict it has not given yet; `limit` counts pairs.

    Raises:
        GenerationError: The terms of the endpoint make no sense.
        EndpointError: The server refuses the key, does not know the model, or fails again and again.
        BackendError: The store cannot take more. What was saved before stays saved.
    """
    given = store.judgements(project.name)
    given = given[given["judge"] == model.model]
    known = set(zip(given["pair_id"], given["shown_first"], strict=True))
    seatings = [
        seating for seating in _seatings(store.pairs(project.name)) if (seating.pair_id, seating.shown_first) not in known
    ]
    chosen = set(list(dict.fromkeys(seating.pair_id for seating in seatings))[:limit])
    # Two models may have written the same text: one verdict then serves both pairs.
    by_key: dict[str, list[_Seating]] = defaultdict(list)
    for seating in seatings:
        if seating.pair_id in chosen:
            by_key[model.request_key(seating.prompt, seating.texts)].append(seating)

    def save(question: Question, request: Request) -> str:
        if request.error:
            store.save_request(request)
            return ""
        ratings = model.read(request.text or "")
        if ratings is None:
            detail = "The verdict does not hold two ratings from 1 to 5."
            store.save_request(replace(request, error=str(FailureReason.UNREADABLE), detail=detail))
            return str(FailureReason.UNREADABLE)
        store.save_request(request)
        store.add_judgements(project.name, [_judgement(one, model.model, ratings) for one in by_key[question.key]])
        return ""

    tally = run(
        store,
        (_question(model, key, same[0]) for key, same in by_key.items()),
        Purpose(project=project.name, name="judge", model=model.model, parameters=model.parameters),
        save,
        total=len(by_key),
        endpoint=endpoint,
        close=model.close,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return JudgeReport(
        stored=tally.stored,
        already_stored=len(known) + tally.already_stored,
        failed=dict(tally.failed),
        tokens_in=tally.tokens_in,
        tokens_out=tally.tokens_out,
        cost_usd=tally.cost_usd,
        seconds=tally.seconds,
        ended_early=tally.ended_early,
    )


def _question(model: Judge, key: str, seating: _Seating) -> Question:
    return Question(
        key=key,
        prompt_id=seating.prompt_id,
        ask=partial(model.rate, seating.prompt, seating.texts),
        rough_tokens=(rough_tokens(seating.prompt + "".join(seating.texts))[1] + INSTRUCTION_TOKENS, MAX_NEW_TOKENS),
    )


def _seatings(pairs: pd.DataFrame) -> Iterator[_Seating]:
    """Each pair in both orders."""
    for row in pairs.to_dict(orient="records"):
        texts = (row["first"], row["second"])
        for is_canonical in (True, False):
            yield _Seating(
                pair_id=row["pair_id"],
                prompt_id=row["prompt_id"],
                prompt=row["prompt"],
                shown_first=row["first_id"] if is_canonical else row["second_id"],
                is_canonical=is_canonical,
                texts=texts if is_canonical else (texts[1], texts[0]),
            )


def _judgement(seating: _Seating, judge_model: str, ratings: tuple[Rating, Rating]) -> Judgement:
    """The verdict in terms of the pair's canonical order."""
    first, second = ratings if seating.is_canonical else (ratings[1], ratings[0])
    better = Choice.FIRST if first.value > second.value else Choice.SECOND
    choice = Choice.TIE if first.value == second.value else better
    return Judgement(
        pair_id=seating.pair_id,
        judge=judge_model,
        shown_first=seating.shown_first,
        choice=choice,
        rating_first=first.value,
        rating_second=second.value,
        rationale=f"First response: {first.rationale}\nSecond response: {second.rationale}",
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
