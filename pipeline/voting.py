"""Voting: pairs go out to where people vote, and their votes come home.

Two places are known, the studio's own pages and an Argilla server; both are AnnotationBackends. A project may use both.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pipeline import annotate
from pipeline.adapters.argilla_backend import ArgillaBackend
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.adapters.local_backend import LocalBackend
from pipeline.adapters.store import Store
from pipeline.answering import Answering
from pipeline.errors import BackendError
from pipeline.ports import AnnotationBackend, Pulled
from pipeline.records import Summary
from pipeline.settings import Settings
from pipeline.tracking import Tracking

LOCAL, ARGILLA = "local", "argilla"
BACKENDS = (ARGILLA, LOCAL)


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
        with self.backend(backend) as voting:
            pushed = voting.push(project, made, suggest=suggest, on_progress=progress)
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
            with self.backend(backend) as voting:
                pulled = voting.pull(project)
            self.store.note(name, "pull", new=pulled.new, changed=pulled.changed)
        votes = int(self.store.counts(project)["votes"])
        return {"project": name, "backend": backend, "votes": votes} | dataclasses.asdict(pulled)

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
