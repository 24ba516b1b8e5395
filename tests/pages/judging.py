"""A workspace with one voted project, and the real app opened on a page of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamlit.testing.v1 import AppTest

from dashboard import services
from pipeline.records import HUMAN, Choice, Project, Prompt, Response, Vote, make_pair
from pipeline.records import prompt_id as id_of_prompt
from pipeline.records import response_id as id_of_response
from pipeline.studio import Studio
from tests.visitor import visitor

NAME = "Dutch trial"
HOSTILE = "<script>alert(1)</script> **not bold**"
SIDES = {"h": HUMAN, "m": "model-m"}


@contextmanager
def workspace_of(folder: Path) -> Iterator[Studio]:
    """Point the app at an empty workspace in `folder`."""
    before = os.environ.get("STUDIO_WORKSPACE")
    os.environ["STUDIO_WORKSPACE"] = str(folder)
    try:
        yield services.studio()
    finally:
        services.studio().store.close()
        del os.environ["STUDIO_WORKSPACE"]
        if before is not None:
            os.environ["STUDIO_WORKSPACE"] = before


def add_project(studio: Studio, *words: str, n_pairs: int | None = None) -> None:
    """Add a project with one pair per word, or `n_pairs`; each letter is the vote of annotators a, b, c.

    h: the human response is better; m: the model's; t: equally good; b: both bad; k: skip; a dot: no vote.
    """
    project = Project(name=NAME, language="Dutch", code="nld", source="rows.csv", revision="1", rules={})
    store, yesterday = studio.store, datetime.now(UTC) - timedelta(days=1)
    store.add_project(project)
    others = {"t": Choice.TIE, "b": Choice.BOTH_BAD, "k": Choice.SKIP}
    prompts, responses, pairs, votes = [], [], [], []
    for place in range(n_pairs or len(words)):
        prompt = Prompt(id=id_of_prompt("Dutch", f"vraag {place}"), text=f"{HOSTILE} {place}", position=place)
        sides = {
            letter: Response(
                id=id_of_response(prompt.id, source, letter), prompt_id=prompt.id, source=source, text=f"{letter} {place}"
            )
            for letter, source in SIDES.items()
        }
        pair = make_pair(sides["h"], sides["m"], position=place)
        prompts.append(prompt)
        responses += sides.values()
        pairs.append(pair)
        for seat, letter in enumerate(words[place] if place < len(words) else ""):
            if letter == ".":
                continue
            is_first = letter in SIDES and sides[letter].id == pair.first_id
            choice = others.get(letter) or (Choice.FIRST if is_first else Choice.SECOND)
            at = (yesterday - timedelta(days=place % 5)).isoformat(timespec="microseconds")
            votes.append(Vote(pair_id=pair.id, annotator="abc"[seat], choice=choice, seconds=5.0, at=at))
    store.add_prompts(NAME, prompts)
    store.add_responses(NAME, responses)
    store.add_pairs(NAME, pairs)
    store.add_votes(NAME, votes)


def open_page(noun: str) -> AppTest:
    """Open a page of the real app, looking at the project."""
    app = visitor()
    app.query_params["project"] = NAME
    app.run()
    app.switch_page(f"../pages/{noun}.py")
    app.query_params["project"] = NAME
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def shown(app: AppTest) -> str:
    """Everything the page says in words."""
    parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.success, *app.warning, *app.error, *app.info]
    html = [element.proto.body for element in app.get("html")]
    return "\n".join([*(str(part.value) for part in parts), *html]).replace("\\", "")
