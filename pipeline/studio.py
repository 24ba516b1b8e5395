"""Studio: everything a person can do, once; the command line and the pages call the same methods.

Here the store meets the stages. Each method reads records or frames, calls a stage, and stores what comes out.
What goes back to the command line is a dictionary in the shape `docs/terminal.md` promises.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import (
    agreement,
    annotate,
    card,
    curate,
    demonstration,
    export,
    generate,
    jobs,
    languages,
    releasing,
    selection,
    snapshots,
)
from pipeline.adapters import parquet
from pipeline.adapters.store import Store
from pipeline.decisions import Decisions
from pipeline.errors import ExportError, ProjectError
from pipeline.export import Contents, ExportResult, ReleaseOptions
from pipeline.ports import Made
from pipeline.publishing import Publishing
from pipeline.records import (
    DocumentKind,
    Exclusion,
    Job,
    Project,
    Release,
    Summary,
    content_id,
)
from pipeline.release import same_files
from pipeline.release_facts import ReleaseFacts
from pipeline.settings import Settings
from pipeline.source import Source
from pipeline.studies import Studies
from pipeline.tracking import Tracking
from pipeline.voting import Voting

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStatus:
    """Where a project stands: how many rows each stage holds, and what was spent in US dollars.

    `votes` count, `skipped` do not; `annotators` are those with a vote.
    """

    name: str
    language: str
    prompts: int
    responses: int
    pairs: int
    votes: int
    skipped: int
    annotators: int
    completed_pairs: int
    preferences: int
    releases: int
    spent_usd: float

    def as_dict(self) -> Summary:
        """Return the fields as the `status` command prints them."""
        return dataclasses.asdict(self)


class Studio(Voting, Studies):
    """The studio of one workspace. Safe to share between visitors: it holds no state of theirs."""

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__(settings, store)
        self.decisions = Decisions(store)
        self.facts = ReleaseFacts(store, self.contents)
        self.publishing = Publishing(settings, store, self.facts)
        self.tracking = Tracking(settings, store)

    # Sources and projects

    def open_source(self, spec: str, *, progress: Progress | None = None) -> Source:
        """Open `hub`, `sample` or a path; the hub's rows are downloaded once."""
        return parquet.open_source(
            spec,
            workspace=self.settings.workspace,
            endpoint=self.settings.hub_endpoint,
            token=self.settings.hub_token,
            progress=progress,
        )

    def hub_is_downloaded(self) -> bool:
        """Return whether the hub's rows are in the workspace already."""
        return parquet.hub_is_downloaded(self.settings.workspace)

    def language_rows(self, opened: Source, language: str) -> pd.DataFrame:
        """Return the rows of one language of a source, as `parquet.language_rows`."""
        return parquet.language_rows(opened, language)

    def language_figures(self, opened: Source | None) -> pd.DataFrame:
        """Return one row per language of an open source, or the published figures for None."""
        return languages.published() if opened is None else parquet.summary(opened)

    def languages(self, spec: str | None, *, progress: Progress | None = None) -> pd.DataFrame:
        """Return one row per language of a source, or the published figures when `spec` is None."""
        return self.language_figures(None if spec is None else self.open_source(spec, progress=progress))

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
        self.check_name(name)
        opened = self.open_source(source, progress=progress)
        spoken = parquet.language_in(opened, language)
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
        self.store.add_project(
            project,
            prompts=chosen.prompts,
            responses=chosen.responses,
            exclusions=chosen.exclusions,
            documents={
                DocumentKind.SYSTEM_PROMPT: languages.system_prompt(spoken),
                DocumentKind.GUIDELINES: annotate.GUIDELINES,
            },
        )
        self.store.note(name, "new", prompts=len(chosen.prompts), excluded=len(chosen.exclusions))
        return project

    def demo(self, language: str = "English") -> Project:
        """Make the demonstration project of a language, with answers, votes and a release; again, change nothing."""
        spoken = languages.find_language(language).name
        if spoken not in demonstration.languages():
            demonstration.answers(spoken)  # raises, with the languages there are
        name = f"Demonstration {spoken}"
        with contextlib.suppress(ProjectError):
            self.new_project(name, spoken, "sample")
        project = self.store.project(name)
        if not self.store.releases(name):
            self._fill_demo(project)
        return project

    def _fill_demo(self, project: Project) -> None:
        """Add the recorded answers and votes, and a release; each step may be repeated."""
        name = project.name
        system_prompt, _ = self.store.document(name, DocumentKind.SYSTEM_PROMPT)
        guidelines, _ = self.store.document(name, DocumentKind.GUIDELINES)
        prompt_ids = {prompt.text: prompt.id for prompt in self.store.prompt_records(name)}
        for request in demonstration.to_requests(project, prompt_ids, system_prompt_version=system_prompt):
            self.store.save_made([Made(request=request, responses=(generate.make_response(request),))])
        self.push(name, "local")
        pairs = self.store.pairs(name)
        self.store.add_votes(name, demonstration.to_votes(project, pairs, guidelines_version=guidelines, now=datetime.now(UTC)))
        # The loaders take seconds to start, and the first page waits; that the sample's files load is tested.
        self.export(name, ["dpo", "orpo"], check_loads=False)

    def demonstration_languages(self) -> list[str]:
        """Return the languages of the demonstration sample."""
        return demonstration.languages()

    def save_settings(self, name: str, *, votes_wanted: int, guidelines: str) -> None:
        """Change how many votes a pair needs and what the annotators read."""
        self.store.update_project(name, votes_wanted=votes_wanted)
        self.store.save_document(name, DocumentKind.GUIDELINES, guidelines)

    # Pairs and votes

    def import_responses(self, name: str, file: Path) -> Summary:
        """Take in answers made elsewhere, and pair them; the same file again adds nothing."""
        project = self.store.project(name)
        responses, exclusions = generate.read_responses(file, self.store.prompts(project.name))
        added = self.store.add_responses(name, responses)
        self.store.add_exclusions(name, exclusions)
        pushed = self.push(name, "local")
        self.store.note(name, "import-responses", added=added)
        return {"stored": added, "already_stored": len(responses) - added, "pairs": pushed["pairs"]} | _counted(exclusions)

    # Numbers and files

    def status(self, name: str) -> ProjectStatus:
        """Return where a project stands."""
        project = self.store.project(name)
        counts = self.store.counts(name)
        spent = counts.pop("spent_usd")
        preferences = len(self.curation(name).preferences)
        whole = {field: int(value) for field, value in counts.items()} | self.store.vote_counts(name)
        return ProjectStatus(name=name, language=project.language, preferences=preferences, spent_usd=spent, **whole)

    def agreement(self, name: str) -> Summary:
        """Return how far the annotators of a project agree."""
        return agreement.measure(self.store.votes(self.store.project(name).name)).as_json()

    def curation(self, name: str, rules: curate.Rules | None = None) -> curate.Curation:
        """Apply rules, or else the project's saved ones, to the votes of a project; nothing is changed."""
        return self._curate(self.store.project(name), rules)[1]

    def _curate(self, project: Project, rules: curate.Rules | None) -> tuple[pd.DataFrame, curate.Curation]:
        rules = rules or curate.Rules.from_dict(project.rules)
        pairs = self.store.pairs(project.name)
        decided = self.decisions.decide(project.name, rules, pairs)
        screened = self.screens.all(project.name)
        set_aside = screened[screened["is_out"]]
        return decided, curate.curate(decided, pairs, rules, screened=set_aside)

    def save_rules(self, name: str, rules: curate.Rules) -> Summary:
        """Save the rules of a project, and return what they let through."""
        summary = self.curation(name, rules).summary
        self.store.update_project(name, rules=rules.as_dict())
        self.store.note(name, "curate", **rules.as_dict())
        return dict(summary)

    def contents(self, name: str, formats: Sequence[str], options: ReleaseOptions | None = None) -> Contents:
        """Return what a release of a project would hold; nothing is written."""
        return export.gather(**self._inputs(name, formats, options))

    def _inputs(self, name: str, formats: Sequence[str], options: ReleaseOptions | None) -> dict[str, Any]:
        """Everything a release is made from, as `export.gather` takes it."""
        project = self.store.project(name)
        decided, curation = self._curate(project, None)
        return {
            "project": project,
            "preferences": curation.preferences,
            "left_out": curation.excluded,
            "pairs": self.store.pairs(name),
            "votes": self.store.votes(name),
            "judgements": self.store.judgements(name),
            "consensus": decided,
            "formats": list(map(str, formats)),
            "system_prompts": self._system_prompts(name),
            "options": options,
        }

    def _system_prompts(self, name: str) -> dict[str, str]:
        """The system prompt that each response of a model was asked under, by the response's id."""
        texts, asked = self.store.documents(name, DocumentKind.SYSTEM_PROMPT), self.store.system_prompt_versions(name)
        return {response: texts[version] for response, version in asked.items() if version in texts}

    def export(
        self,
        name: str,
        formats: Sequence[str],
        out_dir: Path | None = None,
        options: ReleaseOptions | None = None,
        *,
        try_training: bool = False,
        check_loads: bool = True,
    ) -> ExportResult:
        """Write a release: training files, card and manifest; into the workspace unless `out_dir` names a new folder.

        With `try_training` each recipe is run for five steps first, and the release says how that went. With `check_loads`
        the trainers' own loaders read the files before they are final. What a page started tells of itself as a job.

        Raises:
            ExportError: There is nothing to export, the folder holds something else, the disk refuses, or TRL does.
            KeyboardInterrupt: It was stopped; nothing was written.
        """
        with self._job_of_page(name, releasing.KIND) as job:
            inputs = self._inputs(name, formats, options)
            contents = export.gather(**inputs)
            tried = releasing.try_training(contents, job) if try_training else None
            written = self._write(inputs, contents, tried, out_dir, check_loads=check_loads)
            if job is not None:
                releasing.tell_end(job, written)
        return written

    def start_export(self, name: str, formats: Sequence[str], options: ReleaseOptions, *, evaluation_file: bytes = b"") -> Job:
        """Start an export that tries the training first, for a visitor of the pages, in a process of its own.

        `evaluation_file` is the file whose prompts `options` leaves out: the process reads it again.

        Raises:
            JobError: The same work is under way already, or the process cannot be started.
            ExportError: The disk refuses the evaluation file.
        """
        arguments = releasing.command_of(self.settings.workspace, name, formats, options, evaluation_file)
        workspace = self.settings.workspace
        return jobs.start(self.store, workspace=workspace, project=name, kind=releasing.KIND, arguments=arguments)

    def _write(
        self,
        inputs: dict[str, Any],
        contents: Contents,
        tried: dict[str, object] | None,
        out_dir: Path | None,
        *,
        check_loads: bool,
    ) -> ExportResult:
        """Write the release, keep its snapshot, and give it its version."""
        name = contents.project.name
        text = card.card(contents.project, self.facts.card_facts(contents, tried))
        releases = self.settings.workspace / "releases"
        written = export.write_release(
            contents, card=text, releases=releases, out_dir=out_dir, training_check=tried, check_loads=check_loads
        )
        try:
            snapshots.save(self._snapshot(written.name), inputs, card=text, training_check=tried)
        except ExportError as error:
            raise ExportError(
                f"The release lies in {written.directory}, but the workspace's disk refuses what it was made from,"
                " so it has no version yet.",
                hint=f"Free some space on the disk of {self.settings.workspace}, and export again: the files stay as they are.",
            ) from error
        release = Release(
            project=name,
            name=written.name,
            directory=written.directory,
            digest=written.manifest_digest,
            rows=written.preferences,
        )
        version = self.store.add_release(release).version
        self.store.note(name, "export", release=written.name, version=version, preferences=written.preferences)
        return dataclasses.replace(written, version=version)

    def _snapshot(self, release: str) -> Path:
        return self.settings.workspace / "snapshots" / release

    def remake(self, name: str, release: str) -> Summary:
        """Make a release again from the votes as they were then, compare it with what was written, and throw it away.

        Raises:
            ExportError: There is no such release, or it was written before there were snapshots.
        """
        chosen = self.store.release(self.store.project(name).name, release)
        inputs, text, tried = snapshots.load(self._snapshot(chosen.name))
        with tempfile.TemporaryDirectory() as folder:
            again = export.write_release(export.gather(**inputs), card=text, releases=Path(folder), training_check=tried)
            as_written = same_files(Path(again.directory), Path(chosen.directory))
        answer = {"release": chosen.name, "version": chosen.label, "digest": chosen.digest, "digest_again": again.manifest_digest}
        return answer | {"is_the_same": again.manifest_digest == chosen.digest, "files_as_written": as_written}


def _counted(exclusions: Sequence[Exclusion]) -> Summary:
    return {"excluded": dict(Counter(exclusion.reason for exclusion in exclusions))}
