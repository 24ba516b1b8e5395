"""Argilla dataset: the form a project's votes are given in, made on the server or found there.

Making it may be interrupted anywhere and taken up again. What somebody changed on the server is told, never overwritten;
nothing here deletes anything.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.argilla_client import ArgillaClient, RefusedError, rows
from pipeline.adapters.argilla_rows import CHOICE, EDITED, FIRST, PROMPT, REASON, SEAL, SECOND
from pipeline.errors import ArgillaError
from pipeline.records import Choice, Project

Body = dict[str, Any]

MOST_GUIDELINES_CHARS = 10_000
_MARK = "aya_preference_studio"
_VERSION_LINE = "\n\nGuidelines version: "

FIELDS = ((PROMPT, "Prompt"), (FIRST, "Answer A"), (SECOND, "Answer B"))
LABELS = {
    Choice.FIRST: "A is better",
    Choice.SECOND: "B is better",
    Choice.TIE: "Equally good",
    Choice.BOTH_BAD: "Both bad",
    Choice.SKIP: "Skip, I cannot judge",
}
CHOICE_SETTINGS = {
    "type": "label_selection",
    "options": [{"value": str(choice), "text": text, "description": None} for choice, text in LABELS.items()],
    "visible_options": None,
}
TEXT_SETTINGS = {"type": "text", "use_markdown": False}
QUESTIONS: tuple[Body, ...] = (
    {"name": CHOICE, "title": "Which answer is better?", "required": True, "settings": CHOICE_SETTINGS},
    {"name": REASON, "title": "Why? (if you like)", "required": False, "settings": TEXT_SETTINGS},
    {
        "name": EDITED,
        "title": "How would the better answer be perfect? (if you like)",
        "required": False,
        "settings": TEXT_SETTINGS,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a project asks of its annotators. `guidelines` is the text of `guidelines_version`."""

    project: Project
    guidelines: str
    guidelines_version: str

    @property
    def mark(self) -> Body:
        """What tells this project's dataset from another of the same name."""
        key = hmac.new(self.project.order_key.encode(), b"argilla dataset", hashlib.sha256)
        return {_MARK: key.hexdigest()[:16]}

    @property
    def told(self) -> str:
        """The guidelines as they stand in Argilla: with their version, which Argilla itself does not keep."""
        return f"{self.guidelines}{_VERSION_LINE}{self.guidelines_version}"

    @property
    def distribution(self) -> Body:
        """How many answers complete a pair."""
        return {"strategy": "overlap", "min_submitted": self.project.votes_wanted}

    def check(self) -> None:
        """Refuse what the server would refuse halfway.

        Raises:
            ArgillaError: The guidelines are too long.
        """
        if len(self.told) > MOST_GUIDELINES_CHARS:
            raise ArgillaError(
                f"The guidelines have {len(self.guidelines):,} characters; Argilla takes {MOST_GUIDELINES_CHARS:,}.",
                hint="Shorten them on the Annotate page, or put the long version on a page of its own and link to it.",
            )


def guidelines_version(dataset: Body, known: dict[str, str]) -> str:
    """Return the version of the guidelines in Argilla, empty when they are none of the project's `known` ones any more."""
    text, _, version = str(dataset.get("guidelines") or "").rpartition(_VERSION_LINE)
    return version if known.get(version) == text else ""


def by_id(client: ArgillaClient, dataset_id: str) -> Body | None:
    """Return a dataset, None when it is not on the server."""
    try:
        return client.get(f"datasets/{dataset_id}")
    except RefusedError as error:
        if error.status != 404:
            raise
    return None


def by_name(client: ArgillaClient, workspace: Body, form: Form) -> Body | None:
    """Return the project's dataset in a workspace, None when there is none.

    Raises:
        ArgillaError: A dataset of that name was made by somebody else.
    """
    named = rows(client.get("me/datasets", workspace_id=workspace["id"], name=form.project.name))
    found = next((one for one in named if one["name"] == form.project.name), None)
    if found is not None and (found.get("metadata") or {}).get(_MARK) != form.mark[_MARK]:
        raise ArgillaError(
            f"The Argilla workspace {workspace['name']} has a dataset named {form.project.name} that is not this project's.",
            hint="Name another workspace in ARGILLA_WORKSPACE, or rename that dataset in Argilla; it was not touched.",
        )
    return found


def make(client: ArgillaClient, workspace: Body, form: Form, found: Body | None) -> Body:
    """Return the project's dataset, published; what an earlier try left unfinished is finished.

    Raises:
        ArgillaError: The server does not answer or refuses.
    """
    dataset = found or _create(client, workspace, form)
    if dataset["status"] != "ready":
        path = f"datasets/{dataset['id']}"
        _add_missing(client, f"{path}/fields", [_field(name, title) for name, title in FIELDS])
        _add_missing(client, f"{path}/questions", list(QUESTIONS))
        _add_missing(client, f"{path}/metadata-properties", [_seal_property()], listed=f"me/{path}/metadata-properties")
        _unless_done(client, "PUT", f"{path}/publish", {})
        dataset = client.get(path)
    return dataset


def _create(client: ArgillaClient, workspace: Body, form: Form) -> Body:
    body = {
        "name": form.project.name,
        "workspace_id": workspace["id"],
        "guidelines": form.told,
        "allow_extra_metadata": False,
        "distribution": form.distribution,
        "metadata": form.mark,
    }
    _unless_done(client, "POST", "datasets", body)
    made = by_name(client, workspace, form)
    if made is None:
        raise ArgillaError(
            "The Argilla server made a dataset and does not show it.", hint="Repeat the push; nothing was sent yet."
        )
    return made


def _field(name: str, title: str) -> Body:
    return {"name": name, "title": title, "required": True, "settings": TEXT_SETTINGS}


def _seal_property() -> Body:
    return {"name": SEAL, "title": "Seal", "visible_for_annotators": False, "settings": {"type": "terms"}}


def _add_missing(client: ArgillaClient, path: str, wanted: list[Body], *, listed: str = "") -> None:
    there = {one["name"] for one in rows(client.get(listed or path))}
    for one in wanted:
        if one["name"] not in there:
            _unless_done(client, "POST", path, one)


def _unless_done(client: ArgillaClient, method: str, path: str, body: Body) -> None:
    """Send what can be done once only; that it is done already, by an earlier try whose answer was lost, is no error."""
    try:
        client.send(method, path, json=body)
    except RefusedError as error:
        is_done = error.status == 409 or "already" in error.said
        if not is_done:
            raise


def is_searchable(client: ArgillaClient, dataset: Body) -> bool:
    """Say whether the server has a search index for the dataset: it has none when it died while publishing it.

    Raises:
        ArgillaError: The search as a whole is down, which says nothing of this dataset.
    """
    if _answers(client, f"datasets/{dataset['id']}/progress"):
        return True
    # The server's state tells of the search too, whatever its datasets.
    if not _answers(client, "status"):
        raise ArgillaError(
            "The search of the Argilla server is down.",
            hint="Wait until OpenSearch (or Elasticsearch) runs again and repeat the step; nothing was changed.",
        )
    return False


def _answers(client: ArgillaClient, path: str) -> bool:
    try:
        client.get(path)
    except RefusedError as error:
        if error.status != 500:
            raise
        return False
    return True


def set_aside(client: ArgillaClient, dataset: Body, answers: int) -> None:
    """Rename a dataset nobody can annotate, so that a new one can take its name; nothing of it is deleted.

    Raises:
        ArgillaError: It holds answers, which would be left behind.
    """
    if answers:
        raise ArgillaError(
            f"The Argilla server cannot search the dataset {dataset['name']}, which holds {answers:,} answers.",
            hint="If that does not pass, rebuild its index where the server runs: python -m argilla_server search-engine reindex",
        )
    client.send("PATCH", f"datasets/{dataset['id']}", json={"name": f"{dataset['name']} (unusable {dataset['id'][:8]})"[:200]})


def update(client: ArgillaClient, dataset: Body, form: Form, known: dict[str, str], pushed_votes_wanted: int) -> Body:
    """Bring guidelines and the number of votes up to date where nobody but this program has changed them since."""
    changes: Body = {}
    if dataset.get("guidelines") != form.told and guidelines_version(dataset, known):
        changes["guidelines"] = form.told
    on_server = dataset["distribution"]["min_submitted"]
    if on_server != form.project.votes_wanted and on_server == pushed_votes_wanted:
        changes["distribution"] = form.distribution
    return client.send("PATCH", f"datasets/{dataset['id']}", json=changes) if changes else dataset


def differences(client: ArgillaClient, dataset: Body, form: Form) -> tuple[str, ...]:
    """Return in sentences what on the server is not as this program would make it."""
    path = f"datasets/{dataset['id']}"
    told = []
    if dataset["name"] != form.project.name:
        told.append(f"The dataset is named {dataset['name']} in Argilla, {form.project.name} here.")
    if dataset.get("guidelines") != form.told:
        told.append("The guidelines in Argilla are not the project's.")
    votes = dataset["distribution"]["min_submitted"]
    if votes != form.project.votes_wanted:
        told.append(f"Argilla asks for {votes} answers on each pair, the project for {form.project.votes_wanted}.")
    wanted_fields = [_field(name, title) for name, title in FIELDS]
    told += _changed("field", wanted_fields, rows(client.get(f"{path}/fields")))
    told += _changed("question", list(QUESTIONS), rows(client.get(f"{path}/questions")))
    told += _changed("metadata", [_seal_property()], rows(client.get(f"me/{path}/metadata-properties")))
    return tuple(told)


def _changed(what: str, wanted: list[Body], there: list[Body]) -> list[str]:
    by_name = {one["name"]: one for one in there}
    told = [f"Argilla has the {what} {name}, which this program did not make." for name in by_name if not _named(name, wanted)]
    for one in wanted:
        found = by_name.get(one["name"])
        if found is None:
            told.append(f"The {what} {one['name']} is not in Argilla any more, or has another name.")
        elif any(found.get(key) != value for key, value in one.items() if key != "settings") or not _holds(
            found["settings"], one["settings"]
        ):
            told.append(f"The {what} {one['name']} was changed in Argilla.")
    return told


def _named(name: str, wanted: list[Body]) -> bool:
    return any(one["name"] == name for one in wanted)


def _holds(settings: Body, wanted: Body) -> bool:
    return all(settings.get(key) == value for key, value in wanted.items())


def choice_names(client: ArgillaClient, dataset: Body) -> tuple[str, ...]:
    """Return the names the question goes by: its own, and that of one with the same choices if it was renamed."""
    choices = set(Choice)
    names = [
        str(one["name"])
        for one in rows(client.get(f"datasets/{dataset['id']}/questions"))
        if {option.get("value") for option in one["settings"].get("options") or []} == choices
    ]
    return tuple(dict.fromkeys((*names, CHOICE)))
