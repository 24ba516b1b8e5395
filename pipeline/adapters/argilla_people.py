"""Argilla people: who annotates on the server, under which names, and how somebody new gets in."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from pipeline.adapters.argilla_client import ArgillaClient, RefusedError, rows
from pipeline.errors import ArgillaError

Body = dict[str, Any]


def names(client: ArgillaClient, workspace_id: str, annotators: Iterable[str]) -> dict[str, str]:
    """Return a name for each annotator's id: the user name as far as this key may see it."""
    wanted, known = set(annotators), dict[str, str]()
    for path in (f"workspaces/{workspace_id}/users", "users"):
        if wanted - known.keys():
            try:
                known |= {str(one["id"]): str(one["username"]) for one in rows(client.get(path))}
            except RefusedError as error:
                if error.status != 403:  # an admin may not see who is not a member of the workspace
                    raise
    return {one: known.get(one, f"annotator {one[:8]}") for one in wanted}


def invite(client: ArgillaClient, workspace: Body, people: Iterable[str]) -> dict[str, str]:
    """Make people annotators of a workspace; return the first password of each, empty for who has an account already.

    The password is drawn here, told once and kept nowhere.

    Raises:
        ArgillaError: A name cannot be used, or the key's owner may not make users; those before it are in.
    """
    passwords: dict[str, str] = {}
    for name in people:
        wanted = name.strip()
        if not wanted or not wanted.isprintable():
            raise ArgillaError("A user name needs letters that can be seen.", hint="Write names such as ana or bo.k.")
        password = secrets.token_urlsafe(9)
        body = {"first_name": wanted, "username": wanted, "password": password, "role": "annotator"}
        try:
            user = client.send("POST", "users", json=body, repeatable=False)
        except RefusedError as error:
            if error.status != 409:
                raise
            user = next(one for one in rows(client.get("users")) if one["username"] == wanted)
            password = ""
        try:
            client.send("POST", f"workspaces/{workspace['id']}/users", json={"user_id": user["id"]})
        except RefusedError as error:
            if error.status != 409:  # a member already
                raise
        passwords[wanted] = password
    return passwords
