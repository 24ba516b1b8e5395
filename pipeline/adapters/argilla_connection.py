"""Argilla connection: can this key send pairs and bring votes home, and if not, what is in the way?

Asks a server a handful of questions and changes nothing. The answer is a Connection, or one error in plain words.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.adapters.argilla_client import SUPPORTED, ArgillaClient, UnreachableError, rows
from pipeline.errors import ArgillaError

CHECK_TIMEOUT_S = 2.5
"""A check is waited for: a server that is down is named within three seconds."""
ROLES = ("owner", "admin")
"""Who may make datasets and read the votes of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What a key reaches. `datasets` are the names in the workspace; `note` is empty, or what to keep in mind."""

    url: str
    version: str
    user: str
    role: str
    workspace: str
    datasets: tuple[str, ...]
    note: str = ""


def check(client: ArgillaClient, workspace: str) -> Connection:
    """Return what the client's key reaches in a workspace; with an empty name in the only one there is.

    Raises:
        ArgillaError: The first thing that is in the way, with a way out.
    """
    version = client.version()
    try:
        person = client.me()
        user, role = str(person.get("username")), str(person.get("role"))
        if role not in ROLES:
            raise ArgillaError(
                f"The key belongs to {user}, who is an {role} on the Argilla server; that is too small a role for this.",
                hint="Use the key of an owner, or of an admin who is a member of the workspace.",
            )
        home = client.workspace(workspace)
        datasets = rows(client.get("me/datasets", workspace_id=home["id"]))
    except UnreachableError as error:
        raise UnreachableError(
            f"The Argilla server at {client.url} answered, and then went away.",
            hint="It may be restarting: wait a minute and try again. What was saved before is kept.",
        ) from error
    is_tested = version.split(".")[:2] == [str(number) for number in SUPPORTED]
    tested = ".".join(map(str, SUPPORTED))
    return Connection(
        url=client.url,
        version=version,
        user=user,
        role=role,
        workspace=str(home["name"]),
        datasets=tuple(sorted(str(one["name"]) for one in datasets)),
        note="" if is_tested else f"This program was tested with Argilla {tested}; the server is {version}.",
    )
