"""A run counts the answers that screens set aside"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("set_aside", sa.JSON(), nullable=False, server_default="{}"))
