"""Settings: where the workspace is and which services it uses; read once, at the edge.

Comes in: an environment mapping. Goes out: a `Settings` value that everything else takes as an argument.
Never reads files, opens connections or changes the environment.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`workspace` holds the database, the downloaded source and the releases.

    `database_url` replaces the SQLite file of the workspace, for a team on Postgres.
    """

    workspace: Path
    database_url: str = field(default="", repr=False)
    hub_endpoint: str = "https://huggingface.co"
    hub_token: str = field(default="", repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str], *, workspace: str | os.PathLike[str] | None = None) -> "Settings":
        """Read settings; `workspace` wins over `STUDIO_WORKSPACE`, which wins over `./workspace`."""
        return cls(
            workspace=Path(workspace or env.get("STUDIO_WORKSPACE") or "workspace").expanduser().resolve(),
            database_url=env.get("STUDIO_DATABASE_URL", ""),
            hub_endpoint=env.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/"),
            hub_token=env.get("HF_TOKEN", ""),
        )

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{(self.workspace / 'studio.db').as_posix()}"
