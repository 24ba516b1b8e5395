"""Voting: pairs go out to where people vote, and their votes come home.

Two places are known, the studio's own pages and an Argilla server; both are AnnotationBackends. A project may use both.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from pipeline import annotate, jobs
from pipeline.adapters import argilla_snapshot
from pipeline.adapters.argilla_backend import ArgillaBackend
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.adapters.argilla_rows import Reason
from pipeline.adapters.local_backend import LocalBackend
from pipeline.adapters.store import Store
from pipeline.answering import Answering
from pipeline.errors import BackendError
from pipeline.ports import AnnotationBackend, Pulled
from pipeline.records import Job, Summary
from pipeline.settings import Settings
from pipeline.tracking import Tracking

LOCAL, ARGILLA = "local", "argilla"
BACKENDS = (ARGILLA, LOCAL)
REMOVABLE = {Reason.DRAFT, Reason.DISCARDED, Reason.GONE}
"""Answers in Argilla that are no votes yet, none any more, or home already."""


class Voting(Answering):
    """How the pairs of a workspace's projects get their votes."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__(settings, store)
        self.local = LocalBackend(store)

    def push(
        self,
        name: str,
        backend: str = LOCAL,
        *,
        suggest: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Summary:
        """Pair the human response with each model's and open the pairs for voting.

        Raises:
            BackendError: The backend is not known, does not answer, or cannot take the project.
        """
        project = self.store.project(name).name
        made, exclusions = annotate.make_pairs(self.store.prompt_records(project), self.store.response_records(project))
        self.store.add_exclusions(name, exclusions)
        self.screen(name)
        with self._job_of_page(project, "push") as job, self.backend(backend) as voting:
            pushed = voting.push(project, made, suggest=suggest, on_progress=job.report if job else progress)
            if job:
                sent = f"{pushed.pairs:,} pairs are open for voting in Argilla, {pushed.new:,} of them new."
                job.message = " ".join((sent, *pushed.differences))
        left_out = Counter(exclusion.reason for exclusion in exclusions) + Counter(dict(pushed.excluded))
        self.store.note(name, "push", backend=backend, new=pushed.new)
        told = {"project": name, "backend": backend, "pairs": pushed.pairs, "new": pushed.new, "excluded": dict(left_out)}
        return told | ({"differences": list(pushed.differences), "url": pushed.url} if backend == ARGILLA else {})

    def pull(self, name: str) -> Summary:
        """Bring new votes home; votes cast on the Annotate page are home already.

        Raises:
            BackendError: The project's pairs are in Argilla and its server does not answer as it should.
        """
        project = self.store.project(name).name
        backend = ARGILLA if ArgillaLinks(self.store).link(project) else LOCAL
        pulled = Pulled()
        if backend == ARGILLA:
            with self._job_of_page(project, "pull") as job, self.backend(backend) as voting:
                pulled = voting.pull(project)
                if job:
                    job.message = f"{pulled.new:,} new votes and {pulled.changed:,} changed ones came home."
            self.store.note(name, "pull", new=pulled.new, changed=pulled.changed)
        votes = self.store.vote_counts(project)["votes"]
        return {"project": name, "backend": backend, "votes": votes} | dataclasses.asdict(pulled)

    def start_voting_job(self, kind: str, name: str, *, suggest: bool = False) -> Job:
        """Start `push` to Argilla or `pull` for a visitor of the pages, as a process of its own, and return its job.

        Raises:
            JobError: The same work is under way already, or the process cannot be started.
        """
        options = ["--backend=argilla", *(["--suggest"] if suggest else [])] if kind == "push" else []
        arguments = [kind, *options, "--", self.store.project(name).name]
        return jobs.start(self.store, workspace=self.settings.workspace, project=name, kind=kind, arguments=arguments)

    @contextmanager
    def _job_of_page(self, name: str, kind: str) -> Iterator[jobs.JobRecorder | None]:
        """The job of this process, where a page started it; what a person typed is seen in the terminal."""
        if jobs.JOB_ID not in os.environ:
            yield None
            return
        with jobs.recording(self.store, project=name, kind=kind, command=[kind, "--", name]) as job:
            yield job

    def remove_from_argilla(self, name: str, confirmed: str) -> Summary:
        """Remove a project's dataset from Argilla for good, after a snapshot of all it holds; votes here stay as they are.

        `confirmed` is the dataset's name as somebody typed it.

        Raises:
            BackendError: The name is another, votes there are not home, or the snapshot cannot be written; nothing was removed.
        """
        with Tracking(self.settings, self.store).client() as client:
            opened = ArgillaBackend(self.store, client, self.settings.argilla_workspace)
            dataset = opened.dataset_of(name)
            if confirmed != dataset["name"]:
                raise BackendError(
                    "That is not the name of the dataset, so nothing was removed.",
                    hint=f"Type the name exactly as it is: {dataset['name']}",
                )
            _refuse_unsaved(opened.pull(name))
            folder = self.settings.workspace / "argilla"
            path, held = argilla_snapshot.save(client, dataset, folder, now=datetime.now(UTC))
            opened.remove(name, held)
        self.store.note(name, "remove-from-argilla", snapshot=path.name, responses=held.total())
        return {"project": name, "snapshot": str(path), "responses": dict(held)}

    @contextmanager
    def backend(self, name: str) -> Iterator[AnnotationBackend]:
        """Open the backend of this name for the block.

        Raises:
            BackendError: There is none of that name.
            ArgillaError: The address or the key of the Argilla server is not set.
        """
        if name == LOCAL:
            yield self.local
        elif name == ARGILLA:
            with self.argilla() as opened:
                yield opened
        else:
            raise BackendError(f"There is no backend named {name}.", hint=f"Use one of {', '.join(BACKENDS)}.")

    def invite(self, people: Sequence[str]) -> Summary:
        """Make people annotators on the Argilla server; return each one's first password, which is kept nowhere.

        Raises:
            BackendError: The server does not answer, or the key may not make users.
        """
        with self.argilla() as opened:
            passwords = opened.invite(people)
        told = [{"annotator": name, "password": password or "has an account already"} for name, password in passwords.items()]
        return {"url": self.settings.argilla_url, "annotators": told}

    @contextmanager
    def argilla(self) -> Iterator[ArgillaBackend]:
        """Open the Argilla server that the settings name for the block.

        Raises:
            ArgillaError: Its address or its key is not set.
        """
        with Tracking(self.settings, self.store).client() as client:
            yield ArgillaBackend(self.store, client, self.settings.argilla_workspace)


def _refuse_unsaved(pulled: Pulled) -> None:
    """Refuse to remove a dataset when the pull just before brought votes, or found answers that cannot come home."""
    came = pulled.new + pulled.changed
    stuck = sum(n for reason, n in pulled.excluded.items() if reason not in REMOVABLE)
    if came or stuck:
        raise BackendError(
            f"Nothing was removed: {came:,} votes had not come home before just now, and {stuck:,} answers cannot come home.",
            hint="Look at them first: people may still be voting, or somebody changed the dataset in Argilla. Then try again.",
        )
