"""Publishing: a release of a project goes to the Hugging Face Hub, and the studio remembers where it went.

Here the store meets the Hub. Long work records itself as a job, which any page can follow. The access token comes from the
environment at the moment it is used, and is neither stored nor shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import yaml

from pipeline import jobs, privacy, versions
from pipeline.adapters import hub_plan, hub_push, hub_refusals
from pipeline.adapters.store import Store
from pipeline.errors import PublishError
from pipeline.privacy import Found
from pipeline.records import Publication, Release, Summary
from pipeline.release_facts import ReleaseFacts
from pipeline.settings import Settings

Progress = Callable[[int, int], None]
KIND = "publish"


class Publishing:
    """What sends the releases of a workspace out. Safe to share between visitors: it holds no state of theirs."""

    def __init__(self, settings: Settings, store: Store, facts: ReleaseFacts) -> None:
        self.settings = settings
        self.store = store
        self.facts = facts

    def personal(self, name: str, release: str) -> list[Found]:
        """Return what in a release has the form of an e-mail address, a telephone number, or an annotator's name.

        Raises:
            ExportError: There is no such release, or its folder is gone or was changed.
        """
        chosen = self._find(name, release)
        # Under every name that was ever voted under, joined ones too.
        names = {*self.store.votes(name, history=True)["annotator"].unique(), *self.store.aliases(name)}
        return privacy.search(versions.tables(Path(chosen.directory)), names=names)

    def hindrances(self, name: str, release: str, *, texts_reviewed: bool = False) -> list[PublishError]:
        """Return what stands in the way of publishing a release, each with its way out; the Hub is not asked.

        Raises:
            ExportError: As `personal`.
        """
        chosen = self._find(name, release)
        found = []
        terms, stated = self.facts.terms(name), _licence_in(Path(chosen.directory))
        if terms.open:
            asked = "; ".join(f"[{question.id}] {question.text}" for question in terms.open)
            hint = (
                f'Answer on the Export page or with: python -m pipeline licence "{name}" --answer ID=ANSWER. Then export again.'
            )
            n = len(terms.open)
            are_open = f"{n} questions about the licence are" if n > 1 else "1 question about the licence is"
            found.append(PublishError(f"{are_open} open: {asked}", hint=hint))
        elif stated != terms.licence:
            found.append(
                PublishError(
                    f"The card of {chosen.label} states the licence {stated or '(none)'}; by your answers it is {terms.licence}.",
                    hint="Export again: the new version has a card that says so. The old one stays as it is.",
                )
            )
        personal = [] if texts_reviewed else self.personal(name, release)
        if personal:
            counted = ", ".join(f"{n} {what}" for what, n in Counter(each.what for each in personal).items())
            found.append(
                PublishError(
                    f"The texts of {chosen.label} may hold personal data: {counted}.",
                    hint="Look at them with --dry-run or on the Export page. Leave pairs out on the Curate page and export again,"
                    " or say that you have read them: --texts-reviewed.",
                )
            )
        return found

    def plan(self, name: str, release: str, repo: str, *, is_private: bool = True) -> Summary:
        """Say what publishing would do, file by file; nothing is changed anywhere.

        Raises:
            ExportError: There is no such release, or its folder is gone or was changed.
            PublishError: The Hub would not take it.
        """
        chosen = self._find(name, release)
        plan = hub_plan.look(self._target(repo, is_private), Path(chosen.directory), project=name)
        return _described(chosen, repo, is_private) | {
            "dry_run": True,
            "user": plan.user,
            "exists": plan.exists,
            "files": [asdict(step) | {"does": str(step.does)} for step in plan.steps],
            "does": dict(Counter(str(step.does) for step in plan.steps)),
            "upload_bytes": sum(
                step.size_bytes for step in plan.steps if step.does in (hub_plan.Does.ADD, hub_plan.Does.REPLACE)
            ),
        }

    def publish(
        self,
        name: str,
        release: str,
        repo: str,
        *,
        is_private: bool = True,
        texts_reviewed: bool = False,
        progress: Progress | None = None,
    ) -> Summary:
        """Bring a release to the Hub, as a job that any page can follow; again, only what is missing there is sent.

        Raises:
            ExportError: There is no such release, or its folder is gone or was changed.
            PublishError: A licence question is open, personal data was not looked at, the Hub does not take it, or the
                connection broke; publishing again goes on from there.
            JobError: The project is being published already.
        """
        command = command_of(name, release, repo, is_private=is_private, texts_reviewed=texts_reviewed)
        # A page reads what stands in the way off the job.
        with jobs.recording(self.store, project=name, kind=KIND, command=command) as recorder:
            chosen = self._find(name, release)
            hub_plan.check_name(repo)
            for hindrance in self.hindrances(name, release, texts_reviewed=texts_reviewed):
                raise hindrance

            def on_progress(done: int, total: int) -> None:
                recorder.progress(done=done, total=total)
                if progress is not None:
                    progress(done, total)

            pushed = hub_push.push(
                self._target(repo, is_private),
                Path(chosen.directory),
                project=name,
                version=chosen.label,
                progress=on_progress,
                should_stop=recorder.should_stop,
            )
            if pushed is None:
                return _described(chosen, repo, is_private) | {"interrupted": True, "uploaded": 0}
            recorder.message = pushed.url
        publication = Publication(
            project=name,
            release=chosen.name,
            repo=repo,
            url=pushed.url,
            revision=pushed.revision,
            tag=pushed.tag,
            before=pushed.before,
            is_private=is_private,
        )
        self._remember(publication)
        return _described(chosen, repo, is_private) | asdict(pushed)

    def _remember(self, publication: Publication) -> None:
        known = self.store.publications(publication.project)
        if (publication.release, publication.repo, publication.revision) not in {(p.release, p.repo, p.revision) for p in known}:
            self.store.add_publication(publication)
            self.store.note(publication.project, KIND, release=publication.release, revision=publication.revision)

    def _target(self, repo: str, is_private: bool) -> hub_refusals.Target:
        return hub_refusals.Target(
            repo=repo, is_private=is_private, endpoint=self.settings.hub_endpoint, token=self.settings.hub_token
        )

    def _find(self, name: str, release: str) -> Release:
        """The release as it was written; one that was changed since is not what its card says, so it is refused."""
        chosen = self.store.release(self.store.project(name).name, release)
        wrong = versions.differences(Path(chosen.directory), chosen.digest)
        if wrong:
            raise PublishError(
                f"The folder of {chosen.label} was changed since it was written: {', '.join(wrong)} in {chosen.directory}.",
                hint="Put it back as it was, or export again: the same votes and rules give the same release.",
            )
        return chosen


def command_of(name: str, release: str, repo: str, *, is_private: bool, texts_reviewed: bool) -> list[str]:
    """Return the arguments of the command that publishes a release."""
    options = [option for option, given in (("--public", not is_private), ("--texts-reviewed", texts_reviewed)) if given]
    return [KIND, name, release, f"--repo={repo}", *options]


def _licence_in(folder: Path) -> str:
    """The licence that the head of a release's card states."""
    try:
        head = (folder / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    except (OSError, IndexError):
        return ""
    values = yaml.safe_load(head)
    return str(values.get("license", "")) if isinstance(values, dict) else ""


def _described(release: Release, repo: str, is_private: bool) -> Summary:
    return {"release": release.name, "version": release.label, "repo": repo, "is_private": is_private}
