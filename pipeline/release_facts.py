"""Release facts: what a release would tell of itself: its health, its terms, and everything its card says.

Here the store meets the stages that look at a release before it is written. The coordinator's answers about licences are kept
with the project, every version of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pipeline import agreement, curate, export, health, judge, languages, licences, recipes, tongues, versions
from pipeline.adapters import language_detector
from pipeline.adapters.argilla_links import ArgillaLinks
from pipeline.adapters.store import Store
from pipeline.card import CardFacts
from pipeline.errors import ExportError
from pipeline.export import Contents, Format, ReleaseOptions
from pipeline.health import Health
from pipeline.licences import Terms
from pipeline.records import HUMAN, DocumentKind, Project, Release
from pipeline.shapes import Layout, shape_of
from pipeline.versions import Difference

DECIDED_BY_A_JUDGE = "judge"


class ReleaseFacts:
    """What is known of the releases of a workspace before they are written. Holds no state of visitors."""

    def __init__(self, store: Store, contents: Callable[[str, Sequence[str], ReleaseOptions | None], Contents]) -> None:
        self.store = store
        self._contents = contents

    def health(self, name: str, options: ReleaseOptions | None = None) -> Health:
        """Return whether the next release of a project is fit to train on."""
        return self._examine(self._contents(name, [Format.DPO], options))

    def changes(self, name: str, *, since: str = "latest", until: str = "", options: ReleaseOptions | None = None) -> Difference:
        """Return what changed from a release of a project to another, or to what it would hold now.

        Raises:
            ExportError: There is no such release, or one of them holds no preferences.
        """
        before = self._preferences_in(self.store.release(name, since))
        if until:
            now = self._preferences_in(self.store.release(name, until))
        else:
            contents = self._contents(name, [Format.DPO], options)
            now = contents.complete(_preferences_of(contents), versions.COLUMNS)
        return versions.compare(before, now)

    @staticmethod
    def _preferences_in(release: Release) -> pd.DataFrame:
        found = versions.preferences(Path(release.directory))
        if found is None:
            raise ExportError(
                f"{release.label} holds no format with all preferences, so it cannot be compared.",
                hint=f"Compare a release that holds one of: {', '.join(versions.PREFERENCES)}.",
            )
        return found

    @staticmethod
    def _examine(contents: Contents) -> Health:
        project, preferences = contents.project, _preferences_of(contents)
        spoken = languages.language_named(project.language, project.code)
        can_be_detected = tongues.code_of(spoken) in language_detector.detectable()

        def speaks(text: str) -> str:
            found = tongues.written_in(text, language_detector.detect)
            return tongues.find_wrong_language(text, found, spoken, can_be_detected=can_be_detected)

        limit = recipes.length_limit(recipes.measure(contents))
        seen = contents.complete(preferences.head(health.MOST_ROWS), health.COLUMNS)
        return health.examine(seen, rows=len(preferences), speaks=speaks, max_length=limit)

    def terms(self, name: str) -> Terms:
        """Return under which terms a release of a project goes out, and what is still to be answered."""
        project = self.store.project(name)
        pairs, judgements = self.store.pairs(name), self.store.judgements(name)
        models = ({*pairs["first_source"], *pairs["second_source"]}) - {HUMAN}
        return licences.compose(project, models=models, judges=judgements["judge"].unique(), answers=self._answers(name))

    def answer(self, name: str, question: str, answer: str) -> Terms:
        """Keep the coordinator's answer to a question about licences, and return the terms with it.

        Raises:
            ExportError: There is no such question, or that is no answer to it.
        """
        said = licences.check_answer(self.terms(name), question, answer)
        answers = self._answers(name) | {question: said}
        self.store.save_document(name, DocumentKind.TERMS, json.dumps(answers, ensure_ascii=False, sort_keys=True))
        self.store.note(name, "licence", question=question)
        return self.terms(name)

    def _answers(self, name: str) -> dict[str, str]:
        _, text = self.store.document(name, DocumentKind.TERMS)
        return dict(json.loads(text)) if text else {}

    def card_facts(self, contents: Contents, training_check: Mapping[str, object] | None = None) -> CardFacts:
        """Return everything the card of a release says; `training_check` is what came of trying the training, if it was."""
        name, layout = contents.project.name, contents.options.layout
        holds_preferences = any(kind in map(Format, versions.PREFERENCES) for kind, _ in contents.frames)
        with_preferences = contents if holds_preferences else self._contents(name, [Format.DPO], contents.options)
        preferences = _preferences_of(with_preferences)
        responses, votes = self.store.responses(name), self.store.votes(name)
        judged = judge.by_judge(judge.verdicts(self.store.judgements(name)), self.store.pairs(name))
        inside = votes[votes["pair_id"].isin(preferences["pair_id"])]
        return CardFacts(
            splits=contents.splits,
            counts=contents.counts,
            excluded=contents.excluded,
            excluded_by_format=contents.excluded_by_format,
            reasons={**export.REASONS, **curate.REASONS},
            chosen_by_source=contents.chosen_by_source,
            agreement=agreement.measure(votes).as_json(),
            agreement_inside=agreement.measure(inside).as_json() if len(preferences) else {},
            models=sorted(set(responses["source"]) - {HUMAN}),
            judges=[{str(key): value for key, value in row.items()} for row in judged.to_dict(orient="records")],
            guidelines=self._texts_in_use(name, DocumentKind.GUIDELINES, votes["guidelines_version"]),
            system_prompts=self._texts_in_use(name, DocumentKind.SYSTEM_PROMPT, responses["system_prompt_version"]),
            health=self._examine(with_preferences),
            terms=self.terms(name),
            decided_by_judges=int((preferences["method"] == DECIDED_BY_A_JUDGE).sum()),
            tools=self._tools(contents.project),
            commands={kind: command for kind in contents.splits if (command := recipes.command(kind, layout))},
            recipes=recipes.draw(contents),
            training_check=training_check or {},
        )

    def _tools(self, project: Project) -> list[str]:
        """What took part in making the project, as the Hub tags it."""
        # The demonstration's answers are recorded as the engine's, and were never asked for.
        asked = not project.is_demonstration and self.store.has_answers(project.name)
        return ["distilabel"] * asked + ["argilla"] * ArgillaLinks(self.store).has_votes(project.name)

    def _texts_in_use(self, name: str, kind: DocumentKind, versions: pd.Series[str]) -> dict[str, str]:
        """The texts of the versions that rows name, by version."""
        texts = self.store.documents(name, kind)
        return {version: texts[version] for version in sorted(versions.dropna().unique()) if version in texts}


def _preferences_of(contents: Contents) -> pd.DataFrame:
    """The preferences of a release in one frame; `Contents.complete` adds their texts."""
    for kind in map(Format, versions.PREFERENCES):
        parts = [frame for (each, _), frame in contents.frames.items() if each is kind]
        if parts:
            return pd.concat(parts, ignore_index=True)
    known = [name for name in shape_of(Format.DPO, Layout.TEXT).flat if name not in ("prompt", "chosen", "rejected")]
    return pd.DataFrame(columns=[*known, "place", "is_first"]).astype({"place": int, "is_first": bool})
