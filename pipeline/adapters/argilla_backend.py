"""Argilla backend: pairs go to an Argilla server, and the votes people cast there come home.

Everything may be interrupted anywhere, on this side and on the server's, and repeated: the server knows a pair by its
id, and what is there already is left alone. Records are read and written over REST, for the SDK cannot read a dataset
in which one response has no values. Nothing is deleted but by `remove`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from pipeline import judge
from pipeline.adapters import argilla_dataset, argilla_people, argilla_records
from pipeline.adapters.argilla_client import ArgillaClient, RefusedError, rows
from pipeline.adapters.argilla_dataset import Form
from pipeline.adapters.argilla_links import ArgillaLink, ArgillaLinks
from pipeline.adapters.argilla_rows import (
    CHOICE,
    OpenPair,
    Reason,
    external_id,
    shown_first,
    to_record,
    to_slot,
)
from pipeline.adapters.argilla_tally import DRAFT, Tally, by_status
from pipeline.adapters.screen_store import ScreenStore
from pipeline.adapters.store import Store
from pipeline.errors import ArgillaError
from pipeline.ports import AnnotatorProgress, BackendProgress, Pulled, Pushed
from pipeline.records import DocumentKind, Pair, Project, utc_now

Body = dict[str, Any]

_STATUSES = ("submitted", "draft", "discarded")


class ArgillaBackend:
    """Annotation on one Argilla server, in one of its workspaces; an empty `workspace` is the only one there."""

    def __init__(self, store: Store, client: ArgillaClient, workspace: str = "") -> None:
        self._store, self._client, self._workspace = store, client, workspace
        self._links = ArgillaLinks(store)

    # Push

    def push(
        self,
        project: str,
        pairs: Sequence[Pair] = (),
        *,
        suggest: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Pushed:
        """Open the project's pairs for voting in Argilla; again, add what is new and mend what a crash left half done.

        Raises:
            ArgillaError: The server does not answer or refuses, or has a dataset of that name that is somebody else's.
        """
        form = self._form(project)
        form.check()
        self._store.add_pairs(project, pairs)
        dataset = self._dataset(form)
        excluded: Counter[str] = Counter()
        key = form.project.order_key
        wanted = {external_id(key, one.pair.id): one for one in self._open_pairs(form.project, excluded)}
        suggestions = self._suggestions(form.project, dataset) if suggest else {}
        pages = argilla_records.all_records(self._client, dataset, "suggestions" if suggest else "")
        there = {str(one["external_id"]): one for page in pages for one in page if one.get("external_id")}
        unlisted = argilla_records.unlisted(self._client, dataset, there)
        new = wanted.keys() - there.keys()
        sent = []
        for record_id, one in wanted.items():
            record = to_record(key, one)
            if one.pair.id in suggestions:
                record["suggestions"] = [suggestions[one.pair.id]]
            found = there.get(record_id)
            if found is not None and shown_first(found, key, one) is None:
                excluded[Reason.CHANGED] += 1
            elif found is None or record_id in unlisted or not _is_whole(found, record):
                sent.append(_mended(found, record))
        # One that cannot be written again would fail its whole batch; to find such takes long, and is seldom needed.
        is_mending = any(one["external_id"] in there for one in sent)
        broken = argilla_records.unindexable(self._client, dataset) if is_mending else set()
        refused = argilla_records.send(self._client, dataset, sent, on_progress, leave_out=broken)
        excluded[Reason.REFUSED] += len(refused)
        return Pushed(
            pairs=len(wanted) - excluded[Reason.CHANGED] - len(refused),
            new=len(new - refused),
            excluded={str(reason): n for reason, n in excluded.items() if n},
            differences=argilla_dataset.differences(self._client, dataset, form),
            url=self.dataset_url(dataset["id"]),
        )

    def dataset_url(self, dataset_id: str) -> str:
        """Return where people annotate a dataset."""
        return f"{self._client.url}/dataset/{dataset_id}/annotation-mode"

    def _form(self, name: str) -> Form:
        project = self._store.project(name)
        version, text = self._store.document(name, DocumentKind.GUIDELINES)
        return Form(project=project, guidelines=text, guidelines_version=version)

    def _dataset(self, form: Form) -> Body:
        """The project's dataset, made or found, and up to date where nobody else changed it."""
        name, client = form.project.name, self._client
        workspace = self._ensured_workspace()
        link = self._links.link(name)
        found = argilla_dataset.by_id(client, link.dataset_id) if link else None
        found = found or argilla_dataset.by_name(client, workspace, form)
        dataset = argilla_dataset.make(client, workspace, form, found)
        if not argilla_dataset.is_searchable(client, dataset):
            argilla_dataset.set_aside(client, dataset, by_status(self._users_progress(dataset)).total())
            dataset = argilla_dataset.make(client, workspace, form, None)
        known = self._store.documents(name, DocumentKind.GUIDELINES)
        if link and found and dataset.get("guidelines") != form.told:
            # Answers given under the old guidelines come home as such before there are new ones.
            self.pull(name)
        dataset = argilla_dataset.update(client, dataset, form, known, link.votes_wanted if link else 0)
        self._links.save(
            ArgillaLink(
                project=name,
                url=client.url,
                workspace=str(workspace["name"]),
                dataset_id=str(dataset["id"]),
                votes_wanted=int(dataset["distribution"]["min_submitted"]),
                pushed_at=utc_now(),
            )
        )
        return dataset

    def _ensured_workspace(self) -> Body:
        """The workspace; an owner's key makes one that is missing."""
        try:
            return self._client.workspace(self._workspace)
        except RefusedError:
            raise
        except ArgillaError:
            if self._client.me().get("role") != "owner":
                raise
            try:
                self._client.send("POST", "workspaces", json={"name": self._workspace or "argilla"})
            except RefusedError as error:
                if error.status != 409:
                    raise
            return self._client.workspace(self._workspace or "argilla")

    def _open_pairs(self, project: Project, excluded: Counter[str]) -> list[OpenPair]:
        """The pairs people may vote on; the others are counted."""
        out = ScreenStore(self._store).pairs_out(project.name)
        wanted = []
        for one in _open_pairs(self._store.pairs(project.name)).values():
            if one.pair.id in out:
                excluded[Reason.SET_ASIDE] += 1
            elif not one.is_storable():
                excluded[Reason.UNSTORABLE] += 1
            else:
                wanted.append(one)
        return wanted

    def _suggestions(self, project: Project, dataset: Body) -> dict[str, Body]:
        """What a judge thinks of each pair, where all judges that were asked agree; which judge it was is not told."""
        questions = rows(self._client.get(f"datasets/{dataset['id']}/questions"))
        question = next((one for one in questions if one["name"] == CHOICE), None)
        if question is None:
            return {}
        verdicts = judge.verdicts(self._store.judgements(project.name)).groupby("pair_id")["choice"].agg(["first", "nunique"])
        choices = verdicts.loc[verdicts["nunique"] == 1, "first"].to_dict()
        pairs = _open_pairs(self._store.pairs(project.name))
        return {
            pair_id: {
                "question_id": question["id"],
                "type": "model",
                "agent": "judge",
                "value": to_slot(choice, project.order_key, pairs[pair_id].pair),
            }
            for pair_id, choice in choices.items()
            if pair_id in pairs
        }

    def invite(self, people: Iterable[str]) -> dict[str, str]:
        """Make people annotators in this workspace; return their first passwords as `argilla_people.invite` does.

        Raises:
            ArgillaError: As there.
        """
        return argilla_people.invite(self._client, self._ensured_workspace(), people)

    # Pull

    def pull(self, project: str) -> Pulled:
        """Bring new and changed votes home; reads the records somebody has answered, and no others.

        Raises:
            ArgillaError: As in `dataset_of`.
        """
        dataset = self.dataset_of(project)
        counts = by_status(self._users_progress(dataset))
        drafts = counts.pop(DRAFT, 0)
        tally = self._tally(project, dataset)
        tally.take(argilla_records.answered(self._client, dataset))
        if tally.taken < counts.total():
            # The search index lags behind the database when the server died between the two; the database is right.
            tally = self._tally(project, dataset)
            tally.take(argilla_records.all_records(self._client, dataset, "responses"))
        if drafts:
            tally.excluded[Reason.DRAFT] = drafts
        tally.count_gone()
        names = argilla_people.names(self._client, dataset["workspace_id"], tally.annotators)
        self._links.name_annotators(project, names)
        added = self._store.import_votes(project, tally.votes)
        changed = sum(vote.version > 0 for vote in added)
        return Pulled(
            new=len(added) - changed, changed=changed, excluded={str(reason): n for reason, n in sorted(tally.excluded.items())}
        )

    def _tally(self, project: str, dataset: Body) -> Tally:
        known = self._store.documents(project, DocumentKind.GUIDELINES)
        key = self._store.project(project).order_key
        return Tally(
            order_key=key,
            pairs={external_id(key, pair_id): one for pair_id, one in _open_pairs(self._store.pairs(project)).items()},
            questions=argilla_dataset.choice_names(self._client, dataset),
            guidelines_version=argilla_dataset.guidelines_version(dataset, known),
            said=self._links.said(project),
        )

    def dataset_of(self, project: str) -> Body:
        """Return the dataset a project was sent to, as the server describes it.

        Raises:
            ArgillaError: The project was not pushed, its dataset is gone, or the server does not answer.
        """
        name = self._store.project(project).name
        link = self._links.link(name)
        if link is None:
            raise ArgillaError(
                f"The project {name} was not sent to Argilla yet.",
                hint="Send it with: python -m pipeline push PROJECT --backend argilla",
            )
        found = argilla_dataset.by_id(self._client, link.dataset_id)
        if found is None:
            found = argilla_dataset.by_name(self._client, self._client.workspace(self._workspace), self._form(name))
        if found is None:
            raise ArgillaError(
                f"The dataset of the project {name} is not on the server at {self._client.url} any more.",
                hint="Votes brought home before are kept. Check ARGILLA_API_URL, or push again to make a new dataset.",
            )
        return found

    def remove(self, project: str, held: Counter[str]) -> None:
        """Remove a project's dataset for good, unless anybody answered since `held` was counted: responses by status.

        From then on the project counts as not sent.

        Raises:
            ArgillaError: Somebody did, or the server does not answer or refuses.
        """
        dataset = self.dataset_of(project)
        # The counts tell of new answers; of changed ones, whether any comes home only now.
        pulled = self.pull(project)
        if pulled.new or pulled.changed or by_status(self._users_progress(dataset)) != held:
            raise ArgillaError(
                "Somebody answered in Argilla while the snapshot was written, so nothing was removed.",
                hint="People are still voting there. Ask them to stop, and try again.",
            )
        self._client.send("DELETE", f"datasets/{dataset['id']}")
        self._links.remove(project)

    # Progress

    def progress(self, project: str) -> BackendProgress:
        """Return how far the voting in Argilla is, by annotator.

        Raises:
            ArgillaError: As in `dataset_of`.
        """
        dataset = self.dataset_of(project)
        whole = self._client.get(f"datasets/{dataset['id']}/progress")
        total = int(whole.get("total") or 0)
        annotators = []
        for one in self._users_progress(dataset):
            given = {status: sum(one[side].get(status, 0) for side in ("completed", "pending")) for status in _STATUSES}
            annotators.append(
                AnnotatorProgress(
                    annotator=str(one["username"]),
                    submitted=given["submitted"],
                    drafts=given["draft"],
                    discarded=given["discarded"],
                    # A pair that has all its answers waits for nobody any more.
                    pending=max(0, int(whole.get("pending") or 0) - sum(one["pending"].get(status, 0) for status in _STATUSES)),
                )
            )
        return BackendProgress(pairs=total, completed=int(whole.get("completed") or 0), annotators=tuple(annotators))

    def _users_progress(self, dataset: Body) -> list[Body]:
        users = self._client.get(f"datasets/{dataset['id']}/users/progress").get("users")
        return users if isinstance(users, list) else []


def _open_pairs(frame: pd.DataFrame) -> dict[str, OpenPair]:
    columns = ["pair_id", "prompt_id", "first_id", "second_id", "position", "prompt", "first", "second"]
    return {
        pair_id: OpenPair(
            pair=Pair(id=pair_id, prompt_id=prompt_id, first_id=first_id, second_id=second_id, position=position),
            prompt=prompt,
            first=first,
            second=second,
        )
        for pair_id, prompt_id, first_id, second_id, position, prompt, first, second in frame[columns].itertuples(
            index=False, name=None
        )
    }


def _mended(found: Body | None, record: Body) -> Body:
    """What to send of a record: of one that is there, fields stay as shown, and metadata that others added stays too."""
    if found is None:
        return record
    return record | {"fields": found["fields"], "metadata": (found.get("metadata") or {}) | record["metadata"]}


def _is_whole(found: Body, record: Body) -> bool:
    """Say whether a record on the server has all that is sent with it beside its texts."""
    has = {(one.get("question_id"), one.get("value")) for one in found.get("suggestions") or []}
    wants = {(one["question_id"], one["value"]) for one in record.get("suggestions") or []}
    return record["metadata"].items() <= (found.get("metadata") or {}).items() and wants <= has
