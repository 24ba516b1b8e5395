"""A small project whose texts hold what markup, templates and left-to-right habits would spoil."""

from typing import Any

from pipeline.adapters.argilla_rows import external_id
from pipeline.adapters.store import Store
from pipeline.annotate import make_pairs
from pipeline.records import HUMAN, DocumentKind, Pair, Project, Prompt, Response, prompt_id, response_id

NAME = "p"
MODEL = "tiny-model"
TEXT = "سؤال \u202b1\u202c\r\n\t<b>{{ x }}</b> **{}**"


def fill(store: Store, *, pairs: int) -> list[Pair]:
    store.add_project(
        Project(name=NAME, language="Standard Arabic", code="arb", source="sample", revision="r", order_key="k", votes_wanted=2),
        documents={DocumentKind.GUIDELINES: "Choose the better answer."},
    )
    return more(store, range(pairs))


def more(store: Store, numbers: range) -> list[Pair]:
    prompts = [Prompt(id=prompt_id("Standard Arabic", f"{TEXT} {n}"), text=f"{TEXT} {n}", position=n) for n in numbers]
    responses = [
        Response(id=response_id(prompt.id, source, text), prompt_id=prompt.id, source=source, text=text)
        for prompt in prompts
        for source, text in ((HUMAN, f"human {prompt.position}"), (MODEL, f"machine {prompt.position}"))
    ]
    store.add_prompts(NAME, prompts)
    store.add_responses(NAME, responses)
    return make_pairs(prompts, responses)[0]


def by_record(store: Store, project: str = NAME) -> dict[str, dict[str, Any]]:
    """The project's pairs, by the id of their record in Argilla."""
    key = store.project(project).order_key
    return {external_id(key, str(pair["pair_id"])): pair for pair in store.pairs(project).to_dict("records")}
