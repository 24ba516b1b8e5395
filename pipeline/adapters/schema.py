"""Schema: the tables of the studio's store, as SQLAlchemy Core metadata.

Responses, requests that were answered, and votes are append-only: no code updates or deletes such a row.
Change a table here and add a migration beside it; a test compares the two.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

projects = Table(
    "projects",
    metadata,
    Column("name", String, primary_key=True),
    Column("language", String, nullable=False),
    Column("code", String, nullable=False),
    Column("source", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("is_demonstration", Boolean, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("votes_wanted", Integer, nullable=False),
    Column("order_key", String, nullable=False),
    Column("rules", JSON, nullable=False),
    Column("created_at", String, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("project", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("text", Text, nullable=False),
    Column("created_at", String, nullable=False),
)

prompts = Table(
    "prompts",
    metadata,
    Column("project", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("text", Text, nullable=False),
    Column("annotation_type", String, nullable=False),
    Column("contributor", String, nullable=False),
    Column("position", Integer, nullable=False),
)

exclusions = Table(
    "exclusions",
    metadata,
    Column("project", String, primary_key=True),
    Column("stage", String, primary_key=True),
    Column("row_id", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("text", Text, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("key", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("prompt_id", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("model", String, nullable=False),
    Column("system_prompt_version", String, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("text", Text),
    Column("tokens_in", Integer, nullable=False),
    Column("tokens_out", Integer, nullable=False),
    Column("cost_usd", Float),
    Column("seconds", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("finish_reason", String, nullable=False),
    Column("error", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", String, nullable=False),
    Column("revision", String, nullable=False, server_default=""),
    Index("requests_by_project", "project", "error"),
)

request_claims = Table(
    "request_claims",
    metadata,
    Column("key", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Index("request_claims_by_owner", "owner"),
)

responses = Table(
    "responses",
    metadata,
    Column("project", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("prompt_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("request_key", String),
    Column("created_at", String, nullable=False),
    Index("responses_by_prompt", "project", "prompt_id", "source"),
)

screens = Table(
    "screens",
    metadata,
    Column("project", String, primary_key=True),
    Column("response_id", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("language", String, nullable=False),
    # Whether the response's pairs are set aside now; a coordinator may change it both ways, at any time.
    Column("is_out", Boolean, nullable=False),
    Column("at", String, nullable=False),
)

prices = Table(
    "prices",
    metadata,
    Column("model", String, primary_key=True),
    Column("host", String, primary_key=True),
    Column("price_in", Float, nullable=False),
    Column("price_out", Float, nullable=False),
    Column("at", String, nullable=False),
)

pairs = Table(
    "pairs",
    metadata,
    Column("project", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("prompt_id", String, nullable=False),
    Column("first_id", String, nullable=False),
    Column("second_id", String, nullable=False),
    Column("position", Integer, nullable=False),
    # How many annotators' votes count on this pair (skips do not): kept beside the votes so that the
    # next card is one index look-up; `Store.recount` derives it again from the votes.
    Column("n_votes", Integer, nullable=False),
    Index("pairs_by_votes", "project", "n_votes", "position", "id"),
)

claims = Table(
    "claims",
    metadata,
    Column("project", String, primary_key=True),
    Column("pair_id", String, primary_key=True),
    Column("annotator", String, primary_key=True),
    Column("expires_at", String, nullable=False),
    Index("claims_by_annotator", "project", "annotator"),
)

votes = Table(
    "votes",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("project", String, nullable=False),
    Column("pair_id", String, nullable=False),
    Column("annotator", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("choice", String, nullable=False),
    Column("shown_first", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("edited", Text, nullable=False),
    Column("seconds", Float),
    Column("guidelines_version", String, nullable=False),
    Column("at", String, nullable=False),
    # A reviewer's decision is a vote too, kept apart from what the same person said as an annotator.
    Column("role", String, nullable=False, server_default="annotator"),
    # Two tabs cannot overwrite each other: the second to write the same version is refused.
    UniqueConstraint("project", "annotator", "pair_id", "role", "version", name="one_vote_per_version"),
    Index("votes_by_pair", "project", "pair_id"),
    Index("votes_by_arrival", "project", "seq"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("project", String, primary_key=True),
    Column("annotator", String, primary_key=True),
    # Under which name the votes of this annotator are shown: for someone renamed, or who voted under two names.
    Column("name", String, nullable=False),
    Column("at", String, nullable=False),
)

argilla_links = Table(
    "argilla_links",
    metadata,
    Column("project", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("workspace", String, nullable=False),
    Column("dataset_id", String, nullable=False),
    # What the last push set there: a different number on the server was set by somebody else.
    Column("votes_wanted", Integer, nullable=False),
    Column("pushed_at", String, nullable=False),
)

judgements = Table(
    "judgements",
    metadata,
    Column("project", String, primary_key=True),
    Column("pair_id", String, primary_key=True),
    Column("judge", String, primary_key=True),
    Column("shown_first", String, primary_key=True),
    Column("choice", String, nullable=False),
    Column("rating_first", Float),
    Column("rating_second", Float),
    Column("rationale", Text, nullable=False),
    Column("at", String, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("command", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", Float, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("failed", JSON, nullable=False),
    Column("set_aside", JSON, nullable=False, server_default="{}"),
    Column("verdicts", Integer, nullable=False, server_default="0"),
    Column("verdicts_wanted", Integer, nullable=False, server_default="0"),
    Column("cost_usd", Float),
    Column("message", Text, nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("started_at", String, nullable=False),
    Column("heartbeat_at", String, nullable=False),
    Column("ended_at", String, nullable=False),
    Index("jobs_by_project", "project", "started_at"),
)

releases = Table(
    "releases",
    metadata,
    Column("project", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("directory", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("at", String, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
)

publications = Table(
    "publications",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("project", String, nullable=False),
    Column("release", String, nullable=False),
    Column("repo", String, nullable=False),
    Column("url", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("tag", String, nullable=False),
    Column("before", String, nullable=False),
    Column("is_private", Boolean, nullable=False),
    Column("at", String, nullable=False),
    Index("publications_by_project", "project", "release"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("project", String, nullable=False),
    Column("at", String, nullable=False),
    Column("action", String, nullable=False),
    Column("detail", JSON, nullable=False),
)
