"""A vote has a role, annotator or adjudicator; annotators may have an alias"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # SQLite cannot change a constraint in place: Alembic copies the table, votes and their order included.
    with op.batch_alter_table("votes") as votes:
        votes.add_column(sa.Column("role", sa.String(), nullable=False, server_default="annotator"))
        votes.drop_constraint("one_vote_per_version", type_="unique")
        votes.create_unique_constraint("one_vote_per_version", ["project", "annotator", "pair_id", "role", "version"])
    op.create_table(
        "aliases",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("annotator", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("project", "annotator"),
    )
