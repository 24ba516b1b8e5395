"""Local backend: hands out cards and takes votes, in the studio's own store.

Cards and answers go in and out as `pipeline.annotate` defines them. A pair gets at most the wanted number of
counting votes (skips do not count); who looks at a pair holds a claim on it that runs out, so an abandoned pair
is offered again. Each vote is one transaction; votes are only ever added.
"""

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.adapters import schema
from pipeline.adapters.screen_store import ScreenStore
from pipeline.adapters.store import Store
from pipeline.annotate import Card, is_repeat_due, order
from pipeline.errors import StaleCardError
from pipeline.ports import AnnotatorProgress, BackendProgress, Pulled, Pushed
from pipeline.records import Choice, Pair, Role, Vote

LEASE_S = 1800

# A pair is set aside while one of its responses is: nobody's time goes to an empty answer or one in another language.
_SET_ASIDE = """
    EXISTS (SELECT 1 FROM screens WHERE screens.project = :project AND screens.is_out
            AND screens.response_id IN (pairs.first_id, pairs.second_id))
"""
# One pair of the project, if this annotator may still be offered it and nobody else holds its last place.
_MAY_TAKE = f"""
    NOT {_SET_ASIDE} AND
    NOT EXISTS (SELECT 1 FROM votes WHERE votes.project = :project AND votes.annotator = :annotator AND votes.pair_id = pairs.id
        AND votes.role = 'annotator')
    AND pairs.n_votes + (
        SELECT count(*) FROM claims WHERE claims.project = :project AND claims.pair_id = pairs.id
        AND claims.annotator <> :annotator AND claims.expires_at > :now
    ) < (SELECT votes_wanted FROM projects WHERE name = :project)
"""  # noqa: S608 - put together from constants of this file
_HELD = sa.text(f"""
    SELECT projects.votes_wanted, (
        SELECT pairs.id FROM claims JOIN pairs ON pairs.project = claims.project AND pairs.id = claims.pair_id
        WHERE claims.project = :project AND claims.annotator = :annotator AND claims.expires_at > :now AND {_MAY_TAKE}
        LIMIT 1
    ) AS pair_id FROM projects WHERE projects.name = :project
""")  # noqa: S608 - put together from constants of this file
_OPEN = sa.text(f"""
    SELECT pairs.id FROM pairs WHERE pairs.project = :project AND pairs.n_votes = :n_votes AND {_MAY_TAKE}
    ORDER BY pairs.position, pairs.id LIMIT 1
""")  # noqa: S608 - put together from constants of this file
_DROP_CLAIMS = sa.text("DELETE FROM claims WHERE project = :project AND annotator = :annotator")
_CLAIM = sa.insert(schema.claims)
_DROP_CLAIM = sa.text("DELETE FROM claims WHERE project = :project AND annotator = :annotator AND pair_id = :pair_id")
_VOTE = sa.insert(schema.votes)
_COUNT_IN = sa.text("""
    UPDATE pairs SET n_votes = n_votes + 1 WHERE project = :project AND id = :pair_id AND n_votes + (
        SELECT count(*) FROM claims WHERE claims.project = :project AND claims.pair_id = :pair_id
        AND claims.annotator <> :annotator AND claims.expires_at > :now
    ) < (SELECT votes_wanted FROM projects WHERE name = :project)
""")
_COUNT_OUT = sa.text("UPDATE pairs SET n_votes = n_votes - 1 WHERE project = :project AND id = :pair_id")
_CARD = sa.text("""
    SELECT pairs.prompt_id, pairs.first_id, pairs.second_id, pairs.position,
        prompts.text AS prompt, one.text AS one, other.text AS other, projects.order_key,
        guidelines.version AS guidelines_version, guidelines.text AS guidelines
    FROM pairs
    JOIN projects ON projects.name = pairs.project
    JOIN prompts ON prompts.project = pairs.project AND prompts.id = pairs.prompt_id
    JOIN responses AS one ON one.project = pairs.project AND one.id = pairs.first_id
    JOIN responses AS other ON other.project = pairs.project AND other.id = pairs.second_id
    LEFT JOIN documents AS guidelines ON guidelines.project = pairs.project AND guidelines.kind = 'guidelines'
        AND guidelines.version = (
            SELECT version FROM documents WHERE documents.project = :project AND kind = 'guidelines'
            ORDER BY created_at DESC LIMIT 1
        )
    WHERE pairs.project = :project AND pairs.id = :pair_id
""")
_LAST_VOTE = sa.text("""
    SELECT pair_id, annotator, version, choice, shown_first, reason, edited, seconds, guidelines_version, at
    FROM votes WHERE project = :project AND annotator = :annotator AND role = 'annotator' ORDER BY seq DESC LIMIT 1
""")
_STANDING = sa.text(f"""
    SELECT (
        SELECT count(DISTINCT pair_id) FROM votes
        WHERE project = :project AND annotator = :annotator AND role = 'annotator'
    ) AS done, (
        SELECT count(*) FROM pairs JOIN projects ON projects.name = pairs.project
        WHERE pairs.project = :project AND pairs.n_votes < projects.votes_wanted AND NOT {_SET_ASIDE} AND NOT EXISTS (
            SELECT 1 FROM votes WHERE votes.project = :project AND votes.annotator = :annotator AND votes.pair_id = pairs.id
            AND votes.role = 'annotator'
        )
    ) AS remaining
""")  # noqa: S608 - put together from constants of this file
_OPENED = sa.text(f"""
    SELECT count(*) AS here, coalesce(sum(CASE WHEN {_SET_ASIDE} THEN 1 ELSE 0 END), 0) AS out
    FROM pairs WHERE pairs.project = :project
""")  # noqa: S608 - put together from constants of this file
_ANSWERS = sa.text("""
    SELECT order_key, (
        SELECT count(*) FROM votes WHERE project = :project AND annotator = :annotator AND role <> 'adjudicator'
    ) AS answers FROM projects WHERE name = :project
""")
_TO_REPEAT = sa.text("""
    SELECT pair_id FROM votes WHERE project = :project AND annotator = :annotator AND role = 'annotator' AND choice <> 'skip'
    AND NOT EXISTS (
        SELECT 1 FROM votes AS again WHERE again.project = :project AND again.annotator = :annotator
        AND again.pair_id = votes.pair_id AND again.role = 'repeat'
    ) ORDER BY seq LIMIT 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far one annotator is: pairs answered (skips included), and pairs that still wait for them."""

    done: int
    left: int


class LocalBackend:
    """Annotation in the studio's own store. Safe to share between threads; one for each process."""

    def __init__(self, store: Store, *, lease_s: float = LEASE_S) -> None:
        self._store = store
        self._lease = timedelta(seconds=lease_s)
        # SQLite makes waiting writers sleep and retry; the threads of one process queue here instead.
        self._turn = threading.Lock()

    def push(
        self,
        project: str,
        pairs: Sequence[Pair] = (),
        *,
        suggest: bool = False,  # noqa: ARG002 - the Annotate page never shows a judgement before the vote
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Pushed:
        """Open pairs for voting on the Annotate page: from now on they are among the cards."""
        new = self._store.add_pairs(project, pairs)
        if on_progress:
            on_progress(len(pairs), len(pairs))
        with self._store.reading() as connection:
            here, out = connection.execute(_OPENED, {"project": project}).one()
        return Pushed(pairs=here - out, new=new, excluded={"set_aside": out} if out else {})

    def pull(self, project: str) -> Pulled:
        """Do nothing: votes cast on the Annotate page are home already."""
        self._store.project(project)
        return Pulled()

    def progress(self, project: str) -> BackendProgress:
        """Return how far the voting is, by annotator; a skip stands for a pair somebody declined."""
        votes, wanted = self._store.votes(project), self._store.project(project).votes_wanted
        pairs, out = self._store.pairs(project), ScreenStore(self._store).pairs_out(project)
        is_complete = pairs["n_votes"] >= wanted
        waiting = pairs["pair_id"][~is_complete & ~pairs["pair_id"].isin(out)]
        answered = votes["annotator"][votes["pair_id"].isin(waiting)].value_counts()
        is_skip = votes["choice"] == Choice.SKIP
        counts = votes.assign(is_skip=is_skip).groupby("annotator")["is_skip"].agg(["size", "sum"])
        annotators = tuple(
            AnnotatorProgress(
                annotator=str(name),
                submitted=int(given - skipped),
                drafts=0,
                discarded=int(skipped),
                pending=len(waiting) - int(answered.get(name, 0)),
            )
            for name, given, skipped in counts.itertuples(name=None)
        )
        return BackendProgress(pairs=len(pairs) - len(out), completed=int(is_complete.sum()), annotators=annotators)

    def next_card(self, project: str, annotator: str, *, now: datetime) -> Card | None:
        """Return the card this annotator should vote on, or None when no pair is left for them.

        It is the card they already hold, if any. Else it is a pair close to complete, claimed for them for
        the length of the lease; and now and then one they answered long ago, as a repeat.
        """
        with self._writing(project) as connection:
            values = {"project": project, "annotator": annotator, "now": _iso(now)}
            held = connection.execute(_HELD, values).first()
            pair_id = held and (held.pair_id or _first_open(connection, values, held.votes_wanted))
            connection.execute(_DROP_CLAIMS, values)
            if not pair_id:
                return None
            repeated = _repeat(connection, values)
            if repeated:
                return _card(connection, project, annotator, repeated, role=Role.REPEAT)
            expires_at = _iso(now + self._lease)
            connection.execute(_CLAIM, {"project": project, "pair_id": pair_id, "annotator": annotator, "expires_at": expires_at})
            return _card(connection, project, annotator, pair_id)

    def cast(
        self,
        card: Card,
        choice: Choice,
        *,
        now: datetime,
        reason: str = "",
        edited: str = "",
        seconds: float | None = None,
    ) -> Vote:
        """Store a vote on the card and give up the claim, in one transaction.

        Raises:
            StaleCardError: The annotator answered the pair in another window, or it has all its votes.
        """
        vote = Vote(
            pair_id=card.pair.id,
            annotator=card.annotator,
            choice=choice,
            version=card.version,
            shown_first=card.shown_first_id,
            reason=reason,
            edited=edited,
            seconds=seconds,
            guidelines_version=card.guidelines_version,
            at=_iso(now),
            role=card.role,
        )
        row = {"project": card.project} | dataclasses.asdict(vote) | {"choice": str(choice), "role": str(vote.role)}
        with self._writing(card.project) as connection:
            try:
                connection.execute(_VOTE, row)
            except sa.exc.IntegrityError as error:
                raise StaleCardError(
                    "You already answered this pair in another window; here is the next one.",
                    hint="Nothing is lost: the answer you gave there counts.",
                ) from error
            if card.role is Role.ANNOTATOR:
                _count(connection, card, vote)
            connection.execute(_DROP_CLAIM, {"project": card.project, "annotator": card.annotator, "pair_id": card.pair.id})
        return vote

    def last_card(self, project: str, annotator: str) -> Card | None:
        """Return the pair this annotator voted on last, to vote again; None when there is none."""
        with self._store.reading() as connection:
            row = connection.execute(_LAST_VOTE, {"project": project, "annotator": annotator}).mappings().first()
            if row is None:
                return None
            previous = Vote(**{**row, "choice": Choice(row["choice"])})
            return _card(connection, project, annotator, previous.pair_id, previous)

    def standing(self, project: str, annotator: str) -> Standing:
        """Return how many pairs this annotator answered, and how many are left for them."""
        with self._store.reading() as connection:
            row = connection.execute(_STANDING, {"project": project, "annotator": annotator}).one()
        return Standing(done=row.done, left=row.remaining)

    @contextmanager
    def _writing(self, project: str) -> Iterator[Connection]:
        """A transaction in which nobody else assigns or counts votes of the project."""
        with self._turn, self._store.writing() as connection:
            self._store.queue(connection, project)
            yield connection


def _first_open(connection: Connection, values: dict[str, str], wanted: int) -> str | None:
    """Return the pair nearest to complete that the annotator may take: one index look-up for each number of votes."""
    for n_votes in range(wanted - 1, -1, -1):
        pair_id = connection.execute(_OPEN, values | {"n_votes": n_votes}).scalar()
        if pair_id is not None:
            return str(pair_id)
    return None


def _repeat(connection: Connection, values: dict[str, str]) -> str | None:
    """Return the pair the annotator should answer once more, their oldest that was not repeated yet, or None."""
    standing = connection.execute(_ANSWERS, values).one()
    if not is_repeat_due(standing.order_key, values["annotator"], standing.answers):
        return None
    pair_id = connection.execute(_TO_REPEAT, values).scalar()
    return None if pair_id is None else str(pair_id)


def _card(
    connection: Connection,
    project: str,
    annotator: str,
    pair_id: str,
    previous: Vote | None = None,
    role: Role = Role.ANNOTATOR,
) -> Card:
    """Return the pair as this annotator sees it."""
    row = connection.execute(_CARD, {"project": project, "pair_id": pair_id}).one()
    pair = Pair(id=pair_id, prompt_id=row.prompt_id, first_id=row.first_id, second_id=row.second_id, position=row.position)
    texts = {pair.first_id: row.one, pair.second_id: row.other}
    shown_first_id, shown_second_id = order(row.order_key, pair, annotator)
    return Card(
        project=project,
        annotator=annotator,
        pair=pair,
        prompt=row.prompt,
        shown_first_id=shown_first_id,
        shown_second_id=shown_second_id,
        shown_first=texts[shown_first_id],
        shown_second=texts[shown_second_id],
        guidelines_version=row.guidelines_version or "",
        guidelines=row.guidelines or "",
        previous=previous,
        role=role,
    )


def _count(connection: Connection, card: Card, vote: Vote) -> None:
    """Keep the pair's number of counting votes true, and never above what is wanted."""
    before = card.previous is not None and card.previous.choice is not Choice.SKIP
    after = vote.choice is not Choice.SKIP
    values = {"project": card.project, "pair_id": card.pair.id, "annotator": card.annotator, "now": vote.at}
    if before and not after:
        connection.execute(_COUNT_OUT, values)
    elif after and not before and connection.execute(_COUNT_IN, values).rowcount == 0:
        raise StaleCardError(
            "Others have given this pair all the answers it needs; here is the next one.",
            hint="Nothing is wrong: this happens when a pair was left open for a long time.",
        )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
