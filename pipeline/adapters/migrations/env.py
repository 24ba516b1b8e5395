"""Alembic's entry: run the migrations on the connection that `upgrade` opened."""

from alembic import context

from pipeline.adapters.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
