"""Migrations: bring a database to the tables this version of the studio expects.

`versions/` holds one file per change, applied in order by Alembic; a database that a newer version wrote
is refused and left untouched.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from pipeline.errors import WorkspaceError

HEAD = "0010"


def upgrade(engine: Engine) -> None:
    """Apply the migrations that are missing.

    Raises:
        WorkspaceError: The database was written by a newer version.
    """
    with engine.connect() as connection:
        current = None
        if sa.inspect(connection).has_table("alembic_version"):
            current = connection.execute(sa.text("select version_num from alembic_version")).scalar()
    if current == HEAD:
        return

    # Imported here because Alembic takes longer to import than an up-to-date database takes to open.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise WorkspaceError(
            f"A newer version of the studio wrote this workspace (database version {current}, this program knows {HEAD}).",
            hint="Update the program (git pull, then install requirements.txt again), or choose another workspace.",
        )
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        # Two processes may start at once on a new workspace: the second finds the work done.
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("select pg_advisory_xact_lock(4017)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
