"""Generate: which prompts still lack a model's answer, what will answers cost, and getting them.

Reads prompts and human responses, asks a Generator item by item, and commits each answer as it arrives together
with the pair it makes. Never asks again for an answer that is stored. Knows no vendor and no server.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import SourceError
from pipeline.estimates import TOKENS_AROUND, rough_tokens
from pipeline.lane import Lane, Patience, Purpose, Question, Report, Tally
from pipeline.ports import Generator, Made, ResponseStore
from pipeline.records import (
    HUMAN,
    Endpoint,
    Exclusion,
    Pair,
    Project,
    Prompt,
    Request,
    Response,
    Screen,
    content_id,
    is_text,
    response_id,
    storable,
)
from pipeline.runner import run

Row = dict[Hashable, Any]

PAGE = 200
"""So many prompts are in memory at a time, whatever the size of the project."""


MakePairs = Callable[[Iterable[Prompt], Iterable[Response]], tuple[list[Pair], list[Exclusion]]]
"""`annotate.make_pairs`, handed in because stages do not import each other."""

Notice = Callable[[Response, Sequence[str], str], Screen]
"""Looks at a response, what people wrote to the same prompt, and how the answer ended; `screens.screen`, handed in."""


def generate(
    store: ResponseStore,
    generator: Generator,
    project: Project,
    endpoint: Endpoint,
    *,
    system_prompt: str,
    system_prompt_version: str = "",
    make_pairs: MakePairs,
    notice: Notice | None = None,
    beside: Sequence[Lane] = (),
    limit: int | None = None,
    among: Sequence[str] = (),
    patience: Patience | None = None,
    on_progress: Callable[[Tally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Ask the model for each answer it has not given yet, and store each with its pair as it arrives.

    With `among`, each prompt is drawn for one of these models with the project's seed, and this one is asked for its own.
    Lanes `beside` go on from each answer as it comes, such as those of judges.

    Raises:
        GenerationError: The terms of the endpoint make no sense, such as a budget without prices.
        EndpointError: The server refuses the key, does not know the model, or fails again and again.
        BackendError: The store cannot take more. What was saved before stays saved.
    """
    missing = store.prompt_ids_without(project.name, generator.model)
    before = int(store.counts(project.name)["prompts"]) - len(missing)
    missing = [one for one in missing if is_drawn_for(generator.model, one, among, seed=project.seed)]
    lane = generation_lane(
        store,
        generator,
        project,
        endpoint,
        missing[:limit],
        system_prompt=system_prompt,
        system_prompt_version=system_prompt_version,
        make_pairs=make_pairs,
        notice=notice,
        on_progress=on_progress,
    )
    run(store, [lane, *beside], patience=patience, should_stop=should_stop)
    return lane.tally.report(before=before)


def generation_lane(
    store: ResponseStore,
    generator: Generator,
    project: Project,
    endpoint: Endpoint,
    prompt_ids: Sequence[str],
    *,
    system_prompt: str,
    system_prompt_version: str = "",
    make_pairs: MakePairs,
    notice: Notice | None = None,
    on_progress: Callable[[Tally], None] = lambda _: None,
) -> Lane:
    """Return the questions that ask for an answer to each of these prompts; texts are read as they are needed."""
    return Lane(
        purpose=Purpose(
            project=project.name,
            name="generate",
            model=generator.model,
            parameters=generator.parameters,
            system_prompt_version=system_prompt_version,
        ),
        endpoint=endpoint,
        questions=_questions(
            store, generator, project.name, prompt_ids, system_prompt, partial(_make, make_pairs, notice), endpoint.max_tokens
        ),
        total=len(prompt_ids),
        close=generator.close,
        on_progress=on_progress,
    )


def _questions(
    store: ResponseStore,
    generator: Generator,
    project: str,
    prompt_ids: Sequence[str],
    system_prompt: str,
    make: Callable[[Prompt, Sequence[Response], Request], Made],
    max_tokens: int,
) -> Iterator[Question]:
    """A question for each prompt, in order; a page of texts is in memory at a time."""
    for start in range(0, len(prompt_ids), PAGE):
        for prompt, people in store.prompts_and_people(project, prompt_ids[start : start + PAGE]):
            yield Question(
                key=generator.request_key(system_prompt, prompt.text),
                prompt_id=prompt.id,
                ask=partial(generator.answer, system_prompt, prompt.text),
                make=partial(make, prompt, people),
                rough_tokens=(rough_tokens(system_prompt + prompt.text)[1] + TOKENS_AROUND, max_tokens),
            )


def draw_model(prompt_id: str, models: Sequence[str], *, seed: int) -> str:
    """Return which of several models a prompt is for: drawn evenly, and the same for the same seed in whatever order."""
    names = sorted(set(models))
    return names[int(content_id("model", str(seed), prompt_id), 16) % len(names)]


def is_drawn_for(model: str, prompt_id: str, among: Sequence[str], *, seed: int) -> bool:
    """Return whether a prompt is for this model: each is, unless it was drawn for one `among` several."""
    return not among or draw_model(prompt_id, among, seed=seed) == model


def preview(
    store: ResponseStore,
    generator: Generator,
    project: Project,
    endpoint: Endpoint,
    *,
    system_prompt: str,
    system_prompt_version: str = "",
    count: int = 3,
    among: Sequence[str] = (),
    patience: Patience | None = None,
) -> list[Request]:
    """Ask the model for a few answers and make nothing of them yet, in the order of the prompts; failures are among them.

    What is paid for is stored: a run with the same text, model, parameters and `among` takes these answers without asking
    again.
    """
    asked: dict[str, Request] = {}

    def keep(question: Question, request: Request) -> Made:
        asked[question.prompt_id] = request
        return Made(request=request)

    missing = store.prompt_ids_without(project.name, generator.model)
    prompt_ids = [one for one in missing if is_drawn_for(generator.model, one, among, seed=project.seed)][:count]
    lane = generation_lane(
        store,
        generator,
        project,
        endpoint,
        prompt_ids,
        system_prompt=system_prompt,
        system_prompt_version=system_prompt_version,
        make_pairs=lambda _prompts, _responses: ([], []),
    )
    kept = [replace(one, make=partial(keep, one)) for one in lane.questions]
    run(store, [replace(lane, purpose=replace(lane.purpose, name="preview"), questions=kept)], patience=patience)
    return [asked[prompt_id] for prompt_id in prompt_ids if prompt_id in asked]


def _make(make_pairs: MakePairs, notice: Notice | None, prompt: Prompt, people: Sequence[Response], request: Request) -> Made:
    """What follows from a request: the response, its pairs with what people wrote, or why there is none."""
    if request.error:
        return Made(request=request)
    response = make_response(request)
    pairs, exclusions = make_pairs([prompt], [*people, response])
    return Made(
        request=request,
        responses=(response,),
        pairs=tuple(pairs),
        exclusions=tuple(exclusions),
        screens=(notice(response, [one.text for one in people], request.finish_reason),) if notice else (),
        prompt=prompt.text,
        texts={one.id: one.text for one in (*people, response)},
    )


def make_response(request: Request) -> Response:
    """Return the response that an answered request is, exactly as the model wrote it."""
    text = request.text or ""
    return Response(
        id=response_id(request.prompt_id, request.model, text),
        prompt_id=request.prompt_id,
        source=request.model,
        text=text,
        request_key=request.key,
    )


def by_model(responses: pd.DataFrame) -> pd.DataFrame:
    """Return what each model has answered.

    Args:
        responses: As `Store.responses`.

    Returns:
        Columns `model, answers, truncated` (cut at the longest length), `tokens_out` (mean, where counted) and
        `cost_usd` (missing where no price was given), most answers first.
    """
    made = responses[responses["source"] != HUMAN]
    made = made.assign(
        is_cut=made["finish_reason"] == "length",
        tokens_out=pd.to_numeric(made["tokens_out"]).where(lambda tokens: tokens > 0),
        cost_usd=pd.to_numeric(made["cost_usd"]),
    )
    told = made.groupby("source", sort=True).agg(
        answers=("id", "size"),
        truncated=("is_cut", "sum"),
        tokens_out=("tokens_out", "mean"),
        cost_usd=("cost_usd", lambda costs: costs.sum(min_count=1)),
    )
    return told.rename_axis("model").reset_index().sort_values("answers", ascending=False, kind="stable", ignore_index=True)


def read_responses(path: Path, prompts: pd.DataFrame) -> tuple[list[Response], list[Exclusion]]:
    """Read answers made elsewhere and match them to the prompts of a project.

    Args:
        path: JSONL or Parquet with `prompt_id` or `prompt`, `response` and `model`.
        prompts: Columns `id, text`.

    Returns:
        The responses, and the rows left out: `unknown_prompt`, `empty`, or `not_text` for what no file can store.

    Raises:
        SourceError: The file cannot be read, or a column is missing.
    """
    by_text, ids = dict(zip(prompts["text"], prompts["id"], strict=True)), set(prompts["id"])
    responses: list[Response] = []
    exclusions: list[Exclusion] = []
    for number, row in enumerate(_read_rows(path), start=1):
        model, text = _model(row, f"Row {number} of {path.name}"), row.get("response")
        prompt_id, prompt = str(row.get("prompt_id")), str(row.get("prompt"))
        known = prompt_id if prompt_id in ids else by_text.get(prompt)
        if known is None:
            exclusions.append(_left_out(row, "unknown_prompt", path))
        elif not isinstance(text, str) or not text.strip():
            exclusions.append(_left_out(row, "empty", path))
        elif not is_text(text) or not is_text(model):
            exclusions.append(_left_out(row, "not_text", path))
        else:
            responses.append(Response(id=response_id(known, model, text), prompt_id=known, source=model, text=text))
    return responses, exclusions


def _model(row: Row, place: str) -> str:
    """The model a row names."""
    model = row.get("model")
    if not isinstance(model, str) or model.strip() in ("", HUMAN):
        raise SourceError(
            f"{place} does not say which model wrote the response.",
            hint=f"Fill the column model with the model's name, other than {HUMAN}, and import the file again.",
        )
    return model.strip()


def _left_out(row: Row, reason: str, path: Path) -> Exclusion:
    shown = storable(str(row.get("prompt") or row.get("prompt_id") or ""))
    row_id = content_id("imported", *(str(row.get(name)) for name in ("model", "prompt_id", "prompt", "response")))
    return Exclusion(row_id=row_id, stage="pair", reason=reason, detail=storable(f"imported from {path.name}"), text=shown)


def _read_rows(path: Path) -> list[Row]:
    """The rows of a JSONL or Parquet file, with its columns checked."""
    try:
        if path.suffix.lower() == ".parquet":
            rows = pd.read_parquet(path).to_dict(orient="records")
        else:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path.name} cannot be read: {error}.",
            hint="Give a Parquet file, or a JSONL file in UTF-8 with one object on each line.",
        ) from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise SourceError(
            f"{path.name} holds no rows.",
            hint='Each line must be a JSON object such as {"prompt": "...", "response": "...", "model": "..."}.',
        )
    missing = [name for name in ("response", "model") if name not in rows[0]]
    if "prompt" not in rows[0] and "prompt_id" not in rows[0]:
        missing.insert(0, "prompt (or prompt_id)")
    if missing:
        raise SourceError(
            f"{path.name} has no column {', '.join(missing)}; it has {', '.join(map(str, rows[0]))}.",
            hint="Name the columns prompt or prompt_id, response, and model, and import the file again.",
        )
    return rows
