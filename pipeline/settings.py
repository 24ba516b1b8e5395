"""Settings: where the workspace is and which services it uses; read once, at the edge.

Comes in: an environment mapping. Goes out: a `Settings` value that everything else takes as an argument.
Never reads files, opens connections or changes the environment.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`workspace` holds the database, the downloaded source and the releases.

    `database_url` replaces the SQLite file of the workspace, for a team on Postgres. `keys` are pairs (variable,
    address): beside the well-known services, a visitor of the pages may use these variables for these servers.
    `password` opens the coordinator's pages; where it is empty, they are open on this computer alone.
    `argilla_workspace` may be empty: then it is the only one the key may see.
    """

    workspace: Path
    database_url: str = field(default="", repr=False)
    hub_endpoint: str = "https://huggingface.co"
    hub_token: str = field(default="", repr=False)
    keys: tuple[tuple[str, str], ...] = ()
    password: str = field(default="", repr=False)
    argilla_url: str = ""
    argilla_key: str = field(default="", repr=False)
    argilla_workspace: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str], *, workspace: str | os.PathLike[str] | None = None) -> "Settings":
        """Read settings; `workspace` wins over `STUDIO_WORKSPACE`, which wins over `./workspace`.

        Raises:
            SettingsError: `STUDIO_KEYS` is not a list of pairs.
        """
        return cls(
            workspace=Path(workspace or env.get("STUDIO_WORKSPACE") or "workspace").expanduser().resolve(),
            database_url=env.get("STUDIO_DATABASE_URL", ""),
            hub_endpoint=env.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/"),
            hub_token=env.get("HF_TOKEN", ""),
            keys=_pairs(env.get("STUDIO_KEYS", "")),
            password=env.get("STUDIO_PASSWORD", "").strip(),
            argilla_url=env.get("ARGILLA_API_URL", "").strip(),
            argilla_key=env.get("ARGILLA_API_KEY", "").strip(),
            argilla_workspace=env.get("ARGILLA_WORKSPACE", "").strip(),
        )

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{(self.workspace / 'studio.db').as_posix()}"


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Read `NAME=ADDRESS NAME=ADDRESS`; what is wrong is not repeated, for it may be a key."""
    found = [re.fullmatch(r"([A-Z_][A-Z0-9_]*)=(https?://[^/].*)", word) for word in re.split(r"[\s,]+", text) if word]
    if not all(found):
        raise SettingsError(
            "STUDIO_KEYS is not a list of variables and addresses.",
            hint='Write pairs with a space between them, such as STUDIO_KEYS="MY_KEY=https://my.host/v1"; never a key itself.',
        )
    return tuple((pair[1], pair[2]) for pair in found if pair)
