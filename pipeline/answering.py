"""Answering: second responses and judgements of a project, from the first price to the last screen.

Here the store meets the stages that talk to models: `Studio` is built on it, and the command line and the pages call it.
Long work records itself as a job; what a run costs, and what it noticed, is kept with it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from pipeline import annotate, estimates, generate, jobs, judge, prices, screens
from pipeline.adapters import distilabel_engine, endpoints, language_detector
from pipeline.adapters.choosing_judge import ChoosingJudge
from pipeline.adapters.conversations import open_conversation
from pipeline.adapters.ledger import Ledger, host_of
from pipeline.adapters.screen_store import ScreenStore
from pipeline.adapters.store import Store
from pipeline.commands import command_of, endpoint_of, with_budget
from pipeline.errors import EndpointError
from pipeline.generate import Notice
from pipeline.lane import Lane, Patience, Report, Tally
from pipeline.languages import language_named
from pipeline.ports import Judge
from pipeline.prices import Price
from pipeline.records import DocumentKind, Endpoint, Job, Project, Prompt, Runner, Summary
from pipeline.settings import Settings
from pipeline.terms import check_terms
from pipeline.tongues import code_of

PREVIEW_S = 60.0
"""How long somebody who tries a model first is left waiting for a server that says nothing."""

Progress = Callable[[Tally], None]


class Answering:
    """What models add to the projects of a workspace."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.screens = ScreenStore(store)
        self.ledger = Ledger(store)

    def generate(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        limit: int | None = None,
        among: Sequence[str] = (),
        judged_by: Endpoint | None = None,
        runner: Runner = Runner.LOCAL,
        progress: Progress | None = None,
    ) -> Summary:
        """Write the missing second responses of a project with one model; a job that any page can follow.

        Each answer is screened as it comes, and with `judged_by` rated by that model while others are still written; so
        are the pairs of this model that earlier runs left unjudged, `limit` of them at most.

        With `among`, each prompt is drawn for one of these models with the project's seed, and this model is asked for
        its own prompts only.

        Raises:
            GenerationError: The terms make no sense, or the server refuses every request.
            JobError: The same work is under way already.
        """
        project = self.store.project(name)
        version, text = self.store.document(name, DocumentKind.SYSTEM_PROMPT)
        # Before anything is stored: the terms become part of the job's row, and may hold a key by mistake.
        for terms in filter(None, (endpoint, judged_by)):
            check_terms(terms)
        asked: Tally | None = None
        command = command_of("generate", name, endpoint, limit, among, judged_by=judged_by, runner=runner)
        with jobs.recording(self.store, project=name, kind="generate", command=command) as job:
            self._check_budget("generate", name, endpoint)
            told = _Reporting(job, progress)
            judges = [self._judging_beside(project, judged_by, endpoint.model, runner, limit, told)] if judged_by else []
            if runner is Runner.DISTILABEL:
                wanted = self.unanswered(name, endpoint.model, among)[:limit]
                asked = self._ask_in_pipeline(project, endpoint, wanted, (version, text), told, job.should_stop)
            report = generate.generate(
                self.store,
                distilabel_engine.DistilabelGenerator(open_conversation(endpoint, runner)),
                project,
                endpoint,
                system_prompt=text,
                system_prompt_version=version,
                make_pairs=annotate.make_pairs,
                notice=self._notice(project),
                beside=judges,
                limit=limit,
                among=among,
                on_progress=told.answers,
                should_stop=job.should_stop,
            )
            job.message = report.ended_early or " ".join(lane.tally.ended_early for lane in judges)
        report = report.after(asked) if asked else report
        self.ledger.save_price(endpoint)
        self.store.note(name, "generate", model=endpoint.model, stored=report.stored, failed=dict(report.failed))
        judged = [_report(lane.tally.report()) for lane in judges]
        return _report(report) | ({"judged": judged[0]} if judged else {}) | {"interrupted": job.was_interrupted}

    def _judging_beside(
        self, project: Project, endpoint: Endpoint, writer: str, runner: Runner, limit: int | None, told: _Reporting
    ) -> Lane:
        """The judge of a run that generates: it rates what the run makes as it comes, and first what earlier runs left."""
        model = self._judge_of(endpoint, judge.STYLES[0], runner)
        set_aside = self.screens.pairs_out(project.name)
        left = judge.what_is_left(self.store, model.name, project.name, source=writer, leave_out=set_aside, limit=limit)
        return judge.judging_lane(self.store, model, project, endpoint, left, on_progress=told.verdicts)

    def _ask_in_pipeline(
        self,
        project: Project,
        endpoint: Endpoint,
        prompts: list[Prompt],
        system_prompt: tuple[str, str],
        told: _Reporting,
        should_stop: Callable[[], bool],
    ) -> Tally:
        """Let a distilabel pipeline ask for answers to these prompts; the run that follows takes them over."""
        from pipeline.adapters import distilabel_pipeline

        return distilabel_pipeline.ask(
            self.store,
            self.settings.workspace,
            project.name,
            endpoint,
            prompts,
            system_prompt=system_prompt,
            on_progress=told.answers,
            should_stop=should_stop,
        )

    def _notice(self, project: Project) -> Notice:
        """What looks at each answer of a project as it comes."""
        tongue = self._tongue(project)
        return lambda response, people, ended: screens.screen(response, people, tongue, finish_reason=ended)

    def judge(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        limit: int | None = None,
        style: str = judge.STYLES[0],
        runner: Runner = Runner.LOCAL,
        progress: Progress | None = None,
    ) -> Summary:
        """Let a model rate the responses of each pair, or choose one, in both orders; a job that any page can follow.

        Pairs that are set aside are passed over, and counted; brought back, the next run takes them.

        Raises:
            GenerationError: The terms make no sense, or the server refuses every request.
            JobError: The same work is under way already.
        """
        project = self.store.project(name)
        check_terms(endpoint)
        command = command_of("judge", name, endpoint, limit, style=style, runner=runner)
        set_aside = self.screens.pairs_out(name)
        with jobs.recording(self.store, project=name, kind="judge", command=command) as job:
            self._check_budget("judge", name, endpoint, style)
            report = judge.judge(
                self.store,
                self._judge_of(endpoint, style, runner),
                project,
                endpoint,
                leave_out=set_aside,
                limit=limit,
                on_progress=_Reporting(job, progress).answers,
                should_stop=job.should_stop,
            )
            job.message = report.ended_early
        self.ledger.save_price(endpoint)
        self.store.note(name, "judge", model=endpoint.model, stored=report.stored, failed=dict(report.failed))
        return _report(report) | {"set_aside": len(set_aside), "interrupted": job.was_interrupted}

    def start(
        self,
        kind: str,
        name: str,
        endpoint: Endpoint,
        *,
        limit: int | None = None,
        among: Sequence[str] = (),
        style: str = "",
    ) -> Job:
        """Start `generate` or `judge` for a visitor of the pages, as a process of its own, and return its job.

        Raises:
            GenerationError: The terms make no sense, the key is for another server, or the budget carries no answer.
            JobError: The same work is under way already, or the process cannot be started.
        """
        self.check_key(endpoint.api_key_env, endpoint.base_url)
        self._check_budget(kind, name, endpoint, style)
        arguments = command_of(kind, self.store.project(name).name, endpoint, limit, among, style)
        return jobs.start(self.store, workspace=self.settings.workspace, project=name, kind=kind, arguments=arguments)

    def resume(self, job: Job, *, budget_usd: float | None = None) -> Job:
        """Start what a job left, for a visitor of the pages: what a terminal may do with a key, a visitor may not.

        With `budget_usd`, under that budget from now on, where the job had one.

        Raises:
            EndpointError: The job used a key for a server that a page may not send it to.
            GenerationError: The budget carries no further answer.
            JobError: The same work is under way already, or the process cannot be started.
        """
        for part in ("--", "--judge-"):
            addresses = jobs.options(job, f"{part}base-url") or jobs.options(job, "--base-url")
            for variable, address in itertools.product(jobs.options(job, f"{part}api-key-env"), addresses):
                self.check_key(variable, address)
        arguments = jobs.resume_arguments(job)
        if budget_usd is not None:
            arguments = with_budget(arguments, budget_usd)
        self._check_budget(job.kind, job.project, endpoint_of(arguments), jobs.option(job, "--style"))
        return jobs.start(self.store, workspace=self.settings.workspace, project=job.project, kind=job.kind, arguments=arguments)

    def check_key(self, api_key_env: str, base_url: str) -> None:
        """Refuse to send a variable's value where it does not belong; who types commands owns the environment, visitors do not.

        Raises:
            EndpointError: It is neither the variable of this well-known service nor listed in STUDIO_KEYS.
        """
        if api_key_env and not endpoints.may_send(api_key_env, base_url, self.settings.keys):
            raise EndpointError(
                f"The key in {api_key_env} may not be sent to this address from a page.",
                hint="Choose the service the key is for. For a server of your own, whoever runs the studio allows it with "
                'STUDIO_KEYS="NAME=ADDRESS"; or start the run in the terminal.',
            )

    @staticmethod
    def _judge_of(endpoint: Endpoint, style: str, runner: Runner) -> Judge:
        conversation = open_conversation(endpoint, runner)
        return ChoosingJudge(conversation) if style == judge.CHOICE else distilabel_engine.DistilabelJudge(conversation)

    def unanswered(self, name: str, model: str, among: Sequence[str] = ()) -> list[Prompt]:
        """Return the prompts a run of this model would ask for; with `among`, those drawn for it."""
        project = self.store.project(name)
        left = self.store.prompts_without(name, model)
        return [one for one in left if generate.is_drawn_for(model, one.id, among, seed=project.seed)]

    def preview(self, name: str, endpoint: Endpoint, *, count: int = 3, among: Sequence[str] = ()) -> list[Summary]:
        """Ask for a few answers to look at before a run: `prompt, answer, error, noticed, tokens_out, cost_usd` of each.

        They are paid for once: a run under the same system prompt, parameters and `among` takes them over. `noticed` is the
        reason of a screen. Somebody sits and waits, so nothing is tried twice, and a silent server is left after a minute.

        Raises:
            GenerationError: The terms make no sense, or the budget is used up.
            EndpointError: The server refuses the key or does not know the model.
        """
        project = self.store.project(name)
        version, text = self.store.document(name, DocumentKind.SYSTEM_PROMPT)
        self._check_budget("generate", name, endpoint)
        asked = generate.preview(
            self.store,
            distilabel_engine.DistilabelGenerator(open_conversation(endpoint, timeout_s=PREVIEW_S)),
            project,
            endpoint,
            system_prompt=text,
            system_prompt_version=version,
            count=count,
            among=among,
            patience=Patience(attempts=1, outage_s=PREVIEW_S),
        )
        self.ledger.save_price(endpoint)
        notice = self._notice(project)
        read = self.store.prompts_and_people(name, [one.prompt_id for one in asked])
        return [
            {
                "prompt": prompt.text,
                "answer": one.text,
                "error": one.error,
                "noticed": ""
                if one.error
                else notice(generate.make_response(one), [human.text for human in people], one.finish_reason).reason,
                "tokens_out": one.tokens_out,
                "cost_usd": one.cost_usd,
            }
            for one, (prompt, people) in zip(asked, read, strict=True)
        ]

    def unjudged(self, name: str, model: str, style: str) -> pd.DataFrame:
        """Return the pairs a run of this judge would ask about, as `Store.pairs`, with `orders`: the verdicts each lacks."""
        project, set_aside = self.store.project(name).name, self.screens.pairs_out(name)
        orders = judge.what_is_left(self.store, judge.judge_name(model, style), project, leave_out=set_aside).orders
        pairs = self.store.pairs(project)
        return pairs[pairs["pair_id"].isin(orders)].assign(orders=lambda rows: rows["pair_id"].map(orders))

    def _check_budget(self, kind: str, name: str, endpoint: Endpoint, style: str = "") -> None:
        """Refuse terms that make no sense, and a budget that does not carry one answer, before anything is spent."""
        check_terms(endpoint)
        if endpoint.budget_usd is None:
            return
        if kind == "judge":
            told = estimates.estimate_verdicts(self.unjudged(name, endpoint.model, style), endpoint)
        else:
            _, system_prompt = self.store.document(name, DocumentKind.SYSTEM_PROMPT)
            told = estimates.estimate_answers(self.store.prompts_without(name, endpoint.model), system_prompt, endpoint)
        estimates.check_budget(told, endpoint, spent_usd=self.store.counts(name)["spent_usd"])

    # Screens and prices

    def screen(self, name: str) -> int:
        """Look at each answer that was not looked at yet; return how many there were.

        An answer's pairs are set aside where something is noticed, except where people have voted on one already.
        """
        tongue = self._tongue(self.store.project(name))
        known = self.screens.ids(name)
        noticed = screens.screen_all(self.store.responses(name), known, tongue)
        return self.screens.add(name, self.screens.unvoted(name, noticed))

    @staticmethod
    def _tongue(project: Project) -> screens.Tongue:
        """What the answers of a project should be written in, and how that is told."""
        spoken = language_named(project.language, project.code)
        return screens.Tongue(
            language=spoken,
            detect=language_detector.detect,
            can_be_detected=code_of(spoken) in language_detector.detectable(),
        )

    def set_aside(self, name: str, response_ids: Iterable[str], *, is_out: bool) -> int:
        """Set the pairs of these responses aside, or bring them back; return how many changed."""
        changed = self.screens.set_aside(self.store.project(name).name, response_ids, is_out=is_out)
        self.store.note(name, "set-aside" if is_out else "bring-back", responses=changed)
        return changed

    def set_aside_reasons(self, name: str, reasons: Iterable[str], *, is_out: bool) -> int:
        """Set all answers noticed under these reasons aside, or bring them back; return how many changed."""
        wanted = set(reasons)
        noticed = self.screens.all(self.store.project(name).name)
        return self.set_aside(name, noticed.loc[noticed["reason"].isin(wanted), "response_id"], is_out=is_out) if wanted else 0

    def screened(self, name: str) -> Summary:
        """Return what was noticed about the answers of a project, by reason and by model."""
        self.screen(name)
        noticed = self.screens.all(name)
        by_reason = screens.counts(noticed)
        return {
            "answers": len(noticed),
            "reasons": {
                str(reason): {"answers": int(answers), "set_aside": int(out)}
                for reason, answers, out in by_reason.itertuples(index=False, name=None)
            },
            "models": screens.by_model(noticed).to_dict(orient="records"),
        }

    def judges(self, name: str) -> pd.DataFrame:
        """Return how each judge judged, as `judge.by_judge`."""
        added_up = judge.verdicts(self.store.judgements(self.store.project(name).name))
        return judge.by_judge(added_up, self.store.pairs(name))

    def spend(self, name: str) -> pd.DataFrame:
        """Return what a project has cost, as `Ledger.spend`."""
        return self.ledger.spend(self.store.project(name).name)

    def priced(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with the known price of its model, where it came without one."""
        known = self.price_of(endpoint.model, endpoint.base_url)
        if known is None or endpoint.price_in is not None or endpoint.price_out is not None:
            return endpoint
        return dataclasses.replace(endpoint, price_in=known.price_in, price_out=known.price_out)

    def price_of(self, model: str, base_url: str) -> Price | None:
        """Return what a model costs at an address: as saved in this workspace, else as in the shipped list, else None."""
        return self.ledger.price(model, base_url) or prices.find(model, host_of(base_url))


def _report(report: Report) -> Summary:
    """A report as the terminal prints it, with what 1,000 answers took."""
    share = 1000 / report.stored if report.stored else None
    per_1000 = {
        "cost_usd": None if share is None or report.cost_usd is None else share * report.cost_usd,
        "seconds": None if share is None else share * report.seconds,
    }
    return dataclasses.asdict(report) | {"per_1000": per_1000}


class _Reporting:
    """Passes a run's progress on to its job, and to the terminal where one looks; both lanes of a run that is judged."""

    def __init__(self, job: jobs.JobRecorder, progress: Progress | None) -> None:
        self._job, self._progress = job, progress
        self._answers, self._verdicts = Tally(), Tally()

    def answers(self, tally: Tally) -> None:
        """Take what the run itself has done: answers, or verdicts where it judges."""
        self._answers = tally
        self._tell()

    def verdicts(self, tally: Tally) -> None:
        """Take what the judge beside it has done."""
        self._verdicts = tally
        self._tell()

    def _tell(self) -> None:
        answers, verdicts = self._answers, self._verdicts
        both = answers.with_beside(verdicts)
        self._job.progress(
            done=answers.done,
            total=answers.total,
            failed=answers.failed,
            set_aside=answers.set_aside,
            verdicts=(verdicts.done - verdicts.failed.total(), verdicts.total),
            cost_usd=both.cost_usd,
            waiting=both.waiting,
        )
        if self._progress:
            self._progress(both)
