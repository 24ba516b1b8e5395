"""A release has a version; where it was published is remembered"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("releases", sa.Column("version", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE releases SET version = (SELECT COUNT(*) FROM releases AS other WHERE other.project = releases.project"
        " AND (other.at < releases.at OR (other.at = releases.at AND other.name <= releases.name)))"
    )
    op.create_table(
        "publications",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("repo", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
    )
    op.create_index("publications_by_project", "publications", ["project", "release"])
