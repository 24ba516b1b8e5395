"""Studio: everything a person can do, once; the command line and the pages call the same methods.

Here the store meets the stages. Each method reads records or frames, calls a stage, and stores what comes out.
What goes back to the command line is a dictionary in the shape `docs/terminal.md` promises.
"""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import agreement, annotate, consensus, curate, demonstration, export, generate, jobs, languages, selection
from pipeline.adapters import parquet
from pipeline.adapters.local_backend import LocalBackend
from pipeline.adapters.store import Store
from pipeline.errors import BackendError, GenerationError, ProjectError
from pipeline.records import HUMAN, DocumentKind, Endpoint, Job, Project, Release, Request, Response, Vote, content_id, prompt_id
from pipeline.settings import Settings

Answer = dict[str, Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStatus:
    """Where a project stands: how many rows each stage holds, and what was spent in US dollars."""

    name: str
    language: str
    prompts: int
    responses: int
    pairs: int
    votes: int
    annotators: int
    completed_pairs: int
    preferences: int
    releases: int
    spent_usd: float

    def as_dict(self) -> Answer:
        """Return the fields as the `status` command prints them."""
        return dataclasses.asdict(self)


class Studio:
    """The studio of one workspace. Safe to share between visitors: it holds no state of theirs."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.local = LocalBackend(store)

    # Sources and projects

    def open_source(self, spec: str, *, progress: Progress | None = None) -> parquet.Source:
        """Open `hub`, `sample` or a path; the hub's rows are downloaded once."""
        return parquet.open_source(
            spec,
            workspace=self.settings.workspace,
            endpoint=self.settings.hub_endpoint,
            token=self.settings.hub_token,
            progress=progress,
        )

    def languages(self, spec: str | None, *, progress: Progress | None = None) -> pd.DataFrame:
        """Return one row per language of a source, or the published figures when `spec` is None."""
        if spec is None:
            return languages.published()
        return parquet.summary(self.open_source(spec, progress=progress))

    def new_project(
        self,
        name: str,
        language: str,
        source: str,
        *,
        limit: int | None = None,
        seed: int = 0,
        rules: selection.SelectionRules | None = None,
        votes_wanted: int = 3,
        progress: Progress | None = None,
    ) -> Project:
        """Read one language of a source, select its prompts, and keep them as a project.

        Raises:
            ProjectError: The name is taken or cannot be used.
            SourceError: The language or a column is not there, or the source cannot be read.
        """
        self._check_name(name)
        spoken = languages.find_language(language)
        opened = self.open_source(source, progress=progress)
        rows = parquet.language_rows(opened, spoken.name)
        chosen = selection.select_prompts(rows, language=spoken.name, seed=seed, limit=limit, rules=rules)
        project = Project(
            name=name,
            language=spoken.name,
            code=spoken.code,
            source=opened.name,
            revision=opened.revision,
            is_demonstration=opened.is_demonstration,
            seed=seed,
            votes_wanted=votes_wanted,
            # The demonstration looks the same everywhere; a real project's order cannot be guessed.
            order_key=content_id(name) if opened.is_demonstration else secrets.token_hex(16),
            rules=curate.Rules().as_dict(),
        )
        self.store.add_project(project)
        self.store.add_prompts(name, chosen.prompts)
        self.store.add_responses(name, chosen.responses)
        self.store.add_exclusions(name, chosen.exclusions)
        self.store.save_document(name, DocumentKind.SYSTEM_PROMPT, languages.system_prompt(spoken.name))
        self.store.save_document(name, DocumentKind.GUIDELINES, annotate.GUIDELINES)
        self.store.note(name, "new", prompts=len(chosen.prompts), excluded=len(chosen.exclusions))
        return project

    def _check_name(self, name: str) -> None:
        if not re.fullmatch(r"\w[\w .-]{0,59}", name) or name.endswith((".", " ")):
            raise ProjectError(
                "That name cannot be used for a project.",
                hint="Use up to 60 letters, digits, spaces, dots or hyphens, beginning with a letter or digit.",
            )
        if any(project.name == name for project in self.store.projects()):
            raise ProjectError(
                f"A project named {name} is already there.",
                hint="Choose another name, or open the existing project; nothing was changed.",
            )

    def demo(self, language: str = "English") -> Project:
        """Make the demonstration project of a language, with answers, votes and a release; again, change nothing."""
        spoken = languages.find_language(language)
        answers, recorded = demonstration.answers(spoken.name), demonstration.votes(spoken.name)
        name = f"Demonstration {spoken.name}"
        try:
            return self.store.project(name)
        except ProjectError:
            project = self.new_project(name, spoken.name, "sample")
        prompts = {prompt.text: prompt for prompt in self._prompts(name)}
        made = [self._recorded(project, prompts[answer.inputs].id, answer) for answer in answers if answer.inputs in prompts]
        for request, response in made:
            self.store.save_request(request, response)
        self.push(name, "local")
        self.store.add_votes(name, self._recorded_votes(name, recorded))
        self.export(name, ["dpo", "orpo"], out_dir=None)
        return project

    def _recorded(self, project: Project, prompt: str, answer: demonstration.RecordedAnswer) -> tuple[Request, Response]:
        """A recorded answer as the request it stands for, which cost nothing."""
        version, _ = self.store.document(project.name, DocumentKind.SYSTEM_PROMPT)
        request = Request(
            key=content_id("recorded", project.name, answer.model, prompt),
            project=project.name,
            prompt_id=prompt,
            purpose="generate",
            model=answer.model,
            system_prompt_version=version,
            parameters={"recorded": True},
            text=answer.response,
            tokens_in=0,
            tokens_out=0,
            cost_usd=0.0,
            seconds=0.0,
            attempts=1,
            finish_reason=answer.finish_reason,
        )
        return request, generate.make_response(request)

    def _recorded_votes(self, name: str, recorded: Sequence[demonstration.RecordedVote]) -> list[Vote]:
        """Recorded votes as votes on the stored pairs, moved so that the last was cast yesterday."""
        pairs = self.store.pairs(name).set_index("prompt").to_dict(orient="index")
        yesterday = datetime.now(UTC) - timedelta(days=1)
        moved = yesterday - max(datetime.fromisoformat(vote.at) for vote in recorded)
        guidelines, _ = self.store.document(name, DocumentKind.GUIDELINES)
        return [
            annotate.vote_by_source(vote, pairs[vote.inputs], guidelines_version=guidelines, moved=moved)
            for vote in recorded
            if vote.inputs in pairs
        ]

    def _prompts(self, name: str) -> list[Any]:
        return self.store.prompts_without(name, source="")
