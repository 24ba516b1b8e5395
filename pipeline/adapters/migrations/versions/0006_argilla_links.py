"""Where a project's pairs are annotated in Argilla"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "argilla_links",
        sa.Column("project", sa.String(), primary_key=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("workspace", sa.String(), nullable=False),
        sa.Column("dataset_id", sa.String(), nullable=False),
        sa.Column("votes_wanted", sa.Integer(), nullable=False),
        sa.Column("pushed_at", sa.String(), nullable=False),
    )
