"""Wiring: settings in, a working studio out. The only place that opens the store."""

from pipeline.adapters.store import open_store
from pipeline.settings import Settings
from pipeline.studio import Studio


def open_studio(settings: Settings) -> Studio:
    """Open the workspace, making or migrating its database.

    Raises:
        WorkspaceError: The workspace cannot be opened.
        BackendError: The database server cannot be reached.
    """
    return Studio(settings, open_store(settings.store_url))
