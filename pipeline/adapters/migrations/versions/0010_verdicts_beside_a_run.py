"""A run counts the verdicts of the judge beside it"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for name in ("verdicts", "verdicts_wanted"):
        op.add_column("jobs", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
