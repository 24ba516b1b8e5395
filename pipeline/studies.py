"""Studies: votes cast elsewhere become votes of a project, from a file or from an Argilla dataset of the older cookbook.

Votes are only ever added: the same ones again add nothing, a changed one is the next version of its annotator's vote.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pipeline import annotate, curate, languages
from pipeline.adapters import argilla_cookbook
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.annotate import Study
from pipeline.answering import Answering
from pipeline.errors import ProjectError
from pipeline.records import DocumentKind, Project, Summary
from pipeline.tracking import Tracking


class Studies(Answering):
    """How votes of elsewhere come into the projects of a workspace."""

    def import_votes(self, name: str, file: Path, *, language: str | None = None) -> Summary:
        """Take in a finished study; the same votes again add nothing, a changed one supersedes the one before.

        Raises:
            VoteError: The file cannot be read, or lines of it are wrong; nothing was taken in.
            ProjectError: There is no such project and no language to make one with.
        """
        spoken = self._study_language(name, language)
        study = annotate.read_study(file, language=spoken, now=datetime.now(UTC))
        if not self._is_known(name):
            with file.open("rb") as opened:
                revision = hashlib.file_digest(opened, "sha256").hexdigest()
            self._add_study_project(name, spoken, source=str(file.resolve()), revision=revision)
        return self._take_in(name, study, "import-votes")

    def import_argilla(
        self,
        name: str,
        dataset: str,
        *,
        model: str,
        judge: str = "",
        workspace: str = "",
        language: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Summary:
        """Take in a dataset of the older cookbook from the Argilla server: two answers, each rated from 1 to 5.

        The higher rating is the choice, equal ones a tie; a model's suggestions become judgements. `model` wrote the second
        answer, and suggested the ratings unless `judge` did.

        Raises:
            ArgillaError: The server does not answer, or has no such dataset; nothing was taken in.
            ProjectError: There is no such project and no language to make one with.
        """
        spoken = self._study_language(name, language)
        with Tracking(self.settings, self.store).client() as client:
            there = argilla_cookbook.find(client, workspace, dataset)
            found = argilla_cookbook.read(client, there, language=spoken, model=model, judge=judge or model, on_progress=progress)
        study = annotate.make_study(found.rows, language=spoken, now=datetime.now(UTC))
        if not self._is_known(name):
            self._add_study_project(name, spoken, source=f"argilla/{dataset}", revision=str(there["id"]))
        ArgillaLinks(self.store).name_annotators(name, found.names)
        told = self._take_in(name, study, "import-argilla")
        judgements = self.store.add_judgements(name, found.judgements)
        told["excluded"] = dict(Counter(told["excluded"]) + found.excluded)
        more = {"judgements": judgements, "as_suggested": found.as_suggested, "note": argilla_cookbook.NOTE}
        return {"dataset": dataset, "records": found.records} | told | more

    def _study_language(self, name: str, language: str | None) -> str:
        """The language of a study's prompts: the project's, or the one to make a project with."""
        if self._is_known(name):
            return self.store.project(name).language
        if language is None:
            raise ProjectError(
                f"There is no project named {name} yet, and no language to make one with.",
                hint="Say which language the prompts are in: --language Dutch.",
            )
        self.check_name(name)
        return languages.find_language(language).name

    def _is_known(self, name: str) -> bool:
        return name in {project.name for project in self.store.projects()}

    def _add_study_project(self, name: str, language: str, *, source: str, revision: str) -> None:
        spoken = languages.find_language(language)
        project = Project(
            name=name,
            language=language,
            code=spoken.code,
            source=source,
            revision=revision,
            order_key=secrets.token_hex(16),
            rules=curate.Rules().as_dict(),
        )
        self.store.add_project(
            project,
            documents={
                DocumentKind.SYSTEM_PROMPT: languages.system_prompt(spoken),
                DocumentKind.GUIDELINES: annotate.GUIDELINES,
            },
        )

    def _take_in(self, name: str, study: Study, action: str) -> Summary:
        """Store what a study holds, and return how much of it was new."""
        self.store.add_prompts(name, study.prompts)
        responses = self.store.add_responses(name, study.responses)
        pairs = self.store.add_pairs(name, study.pairs)
        self.store.add_exclusions(name, study.exclusions)
        added = self.store.import_votes(name, study.votes)
        votes, changed = len(added), sum(vote.version > 0 for vote in added)
        self.store.note(name, action, responses=responses, pairs=pairs, votes=votes, changed=changed)
        annotators = len({vote.annotator for vote in study.votes})
        new = {"votes": votes, "changed": changed, "already_stored": len(study.votes) - votes}
        new |= {"responses": responses, "pairs": pairs}
        return (
            {"project": name, "annotators": annotators}
            | new
            | {"excluded": dict(Counter(one.reason for one in study.exclusions))}
        )

    def check_name(self, name: str) -> None:
        """Refuse a name that cannot be a project's, or is one's already.

        Raises:
            ProjectError: As said.
        """
        # A hyphen in front would be read as an option in the terminal.
        is_safe = name == name.strip(" .") and not name.startswith("-") and not set(name) & set("/\\:")
        if not is_safe or len(name) > annotate.MAX_NAME_CHARS or not annotate.can_be_read(name):
            raise ProjectError(
                "That name cannot be used for a project.",
                hint=f"Use up to {annotate.MAX_NAME_CHARS} letters of any script, digits and spaces, without / \\ : "
                "and without a dot, space or hyphen in front or a dot or space at the end.",
            )
        if self._is_known(name):
            raise ProjectError(
                f"A project named {name} is already there.",
                hint="Choose another name, or open the existing project; nothing was changed.",
            )
