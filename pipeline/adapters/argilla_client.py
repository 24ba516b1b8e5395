"""Argilla client: one request to the REST interface of an Argilla 2 server, and what is wrong when it fails.

Knows addresses, keys, waiting and paging; what the rows mean is known elsewhere. A request that changes nothing when it
is repeated is tried again, with growing pauses, for as long as the caller is patient; any other is sent once.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.adapters.endpoints import is_loopback
from pipeline.errors import ArgillaError

Body = dict[str, Any]

SUPPORTED = (2, 8)
"""The version of Argilla this was tested against; others of the same major version should do."""
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 60.0
PATIENCE_S = 60.0
"""How long a push or a pull waits for a server that restarts."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
# What passes by itself: too many requests, and a proxy in front of a server that restarts.
_MAY_PASS = {429, 502, 503, 504}
# A fault of the server's own may be a lock on its database, which passes soon, or one that waiting does not mend.
_SOON_S = 5.0


class RefusedError(ArgillaError):
    """The server understood the request and said no; `status` is the HTTP status, `said` the server's own words."""

    def __init__(self, message: str, *, hint: str, status: int, said: str) -> None:
        super().__init__(message, hint=hint)
        self.status, self.said = status, said


class UnreachableError(ArgillaError):
    """Nothing answers any more, though the address and the certificate may be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where an Argilla server is and the key to it; `hub_token` goes to a private Hugging Face Space alone."""

    url: str
    api_key: str = field(repr=False)
    hub_token: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Return what each request carries."""
        headers = {"X-Argilla-Api-Key": self.api_key}
        parts = urlsplit(self.url)
        if self.hub_token and parts.scheme == "https" and (parts.hostname or "").endswith(".hf.space"):
            headers["Authorization"] = f"Bearer {self.hub_token}"
        return headers


class ArgillaClient:
    """Requests to one server over connections that are kept open. Safe to share between threads; close it when done."""

    def __init__(
        self,
        address: Address,
        *,
        patience_s: float = PATIENCE_S,
        timeout_s: float = READ_TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open no connection yet.

        Raises:
            ArgillaError: The address is none, or the key holds what no key does.
        """
        parts = _parsed(address.url)
        if parts.username or parts.password:
            raise ArgillaError(
                "The address of the Argilla server holds a name or a password.",
                hint="Leave them out of ARGILLA_API_URL; the key in ARGILLA_API_KEY says who you are.",
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ArgillaError(
                f"{without_login(address.url)} is not the address of an Argilla server."
                if address.url
                else "No Argilla server is named.",
                hint="Set ARGILLA_API_URL to something like https://argilla.example.org or http://localhost:6900.",
            )
        if not address.api_key.isascii() or not address.api_key.isprintable() or not address.api_key:
            raise ArgillaError(
                "There is no usable key for the Argilla server.",
                hint="Set ARGILLA_API_KEY to the API key from your settings page in Argilla, without spaces around it.",
            )
        self.url = address.url.rstrip("/")
        self._patience_s, self._wait = patience_s, wait
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers=address.headers(),
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            # A proxy does not lead to this machine; a redirect may lead the key elsewhere.
            trust_env=not is_loopback(self.url),
            follow_redirects=False,
            transport=transport,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> ArgillaClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, **params: object) -> Body:
        """Return the JSON object at a path below `/api/v1/`.

        Raises:
            RefusedError: The server said no, 404 among others.
            ArgillaError: Nothing answers, or what answers is no Argilla server.
        """
        return self.send("GET", path, params=params)

    def send(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, object] | None = None,
        repeatable: bool = True,
    ) -> Body:
        """Send a request and return the JSON object that comes back, empty where there is none.

        With `repeatable` false it is sent once: for what would be done twice when the answer to the first was lost.

        Raises:
            RefusedError, ArgillaError: As in `get`.
        """
        told = {name: str(value) for name, value in (params or {}).items()}
        patience_s = self._patience_s if repeatable else 0
        begun, pause_s = time.monotonic(), FIRST_PAUSE_S
        while True:
            waited_s = time.monotonic() - begun + pause_s
            response: httpx.Response | None = None
            try:
                response = self._http.request(method, path.lstrip("/"), json=json, params=told)
                if waited_s > _worth_s(response, patience_s):
                    return self._read(response)
            except httpx.TransportError as error:
                if _is_final(error) or waited_s > patience_s:
                    raise self._unreachable(error) from error
            # Drawn anew each time, so that many who lost the same server do not all come back at once.
            self._wait(max(pause_s * random.uniform(0.5, 1), _asked_s(response)))  # noqa: S311 - no secret depends on it
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def pages(self, path: str, *, limit: int, method: str = "GET", json: object = None, **params: object) -> Iterator[list[Body]]:
        """Yield the `items` at a path, up to `limit` at a time, until a page is not full.

        Raises:
            RefusedError, ArgillaError: As in `get`.
        """
        offset = 0
        while True:
            items = rows(self.send(method, path, json=json, params={**params, "offset": offset, "limit": limit}))
            if items:
                yield items
            if len(items) < limit:
                return
            offset += limit

    def version(self) -> str:
        """Return the server's version, such as 2.8.0.

        Raises:
            ArgillaError: Nothing answers, what answers is no Argilla server, or it is of another major version.
        """
        try:
            version = self.get("version").get("version")
        except RefusedError as error:
            if error.status == 404:
                raise self._not_argilla() from error
            raise
        if not isinstance(version, str):
            raise self._not_argilla()
        if version.split(".")[0] != str(SUPPORTED[0]):
            raise ArgillaError(
                f"The server at {self.url} is Argilla {version}; this program speaks Argilla {SUPPORTED[0]}.",
                hint=f"Use a server of version {'.'.join(map(str, SUPPORTED))}.",
            )
        return version

    def me(self) -> Body:
        """Return who the key belongs to: `id, username, role` among others.

        Raises:
            ArgillaError: The key is refused, nothing answers, or what answers is no Argilla server.
        """
        return self.get("me")

    def workspace(self, name: str) -> Body:
        """Return a workspace this key may see; with an empty name the only one, or the one called `argilla`.

        Raises:
            ArgillaError: There is no such workspace, or none; the names there are stand in the hint.
        """
        there = sorted(rows(self.get("me/workspaces")), key=lambda one: str(one["name"]))
        wanted = name or (str(there[0]["name"]) if len(there) == 1 else "argilla")
        found = next((one for one in there if one["name"] == wanted), None)
        if found is None:
            offer = f"There are {', '.join(str(one['name']) for one in there[:10])}." if there else "There is none yet."
            raise ArgillaError(
                f"The Argilla server has no workspace named {wanted} that this key may see.",
                hint=f"{offer} Name one in ARGILLA_WORKSPACE; with the key of an owner, sending pairs makes it.",
            )
        return found

    def _read(self, response: httpx.Response) -> Body:
        """The JSON object in an answer; raises for every answer that is none."""
        if response.is_success:
            if response.status_code == 204 or not response.content:
                return {}
            try:
                body = response.json()
            except ValueError as error:
                raise self._not_argilla() from error
            if not isinstance(body, dict):
                raise self._not_argilla()
            return body
        if response.is_redirect:
            raise ArgillaError(
                f"The server at {self.url} sends requests elsewhere.",
                hint="Set ARGILLA_API_URL to the address it leads to, often https instead of http; the key was not sent there.",
            )
        raise self._refused(response)

    def _refused(self, response: httpx.Response) -> RefusedError:
        said = _said(response)
        status = response.status_code
        if status == 401:
            message = f"The Argilla server at {self.url} refuses the key."
            hint = "Copy the API key from your settings page in Argilla into ARGILLA_API_KEY; a new server has new keys."
        elif status == 403:
            message = "The key's owner has too small a role on the Argilla server for this."
            hint = "Use the key of an owner, or of an admin who is a member of the workspace."
        elif status >= 500:
            message = f"The Argilla server at {self.url} reports a fault of its own (status {status})."
            hint = "Look at the server's log, or try again later; what was saved before is kept."
        else:
            message = f"The Argilla server refuses the request (status {status}): {said}"
            hint = "If the dataset was changed in Argilla, look at it there; nothing of the request was taken in."
        return RefusedError(message, hint=hint, status=status, said=said)

    def _not_argilla(self) -> ArgillaError:
        return ArgillaError(
            f"What answers at {self.url} is not an Argilla server of version {SUPPORTED[0]}.",
            hint="Check ARGILLA_API_URL: it is the address you open Argilla at, without a path behind it.",
        )

    def _unreachable(self, error: httpx.TransportError) -> ArgillaError:
        if "CERTIFICATE" in str(error) or "SSL" in str(error):
            return ArgillaError(
                f"The connection to {self.url} is not safe: its certificate cannot be checked.",
                hint="Check the address; for a certificate of your own, name its file in SSL_CERT_FILE.",
            )
        return UnreachableError(
            f"The Argilla server at {self.url} does not answer.",
            hint="Check that it runs and that ARGILLA_API_URL is right, then repeat the step; it goes on from there.",
        )


def without_login(url: str) -> str:
    """Return an address somebody typed as it may be shown: without a name and a password before an @."""
    return re.sub(r"^(https?://)?.*@", r"\1", url, flags=re.DOTALL)


def rows(body: Body) -> list[Body]:
    """Return the `items` of an answer.

    Raises:
        ArgillaError: There are none, so it is no answer of Argilla.
    """
    items = body.get("items")
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise ArgillaError(
            "The Argilla server sent no list where one was asked for.",
            hint=f"Check that it is an Argilla server of version {'.'.join(map(str, SUPPORTED))}.",
        )
    return items


def _parsed(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _is_final(error: httpx.TransportError) -> bool:
    """Say whether waiting cannot help."""
    return isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError) or "CERTIFICATE" in str(error)


def _worth_s(response: httpx.Response, patience_s: float) -> float:
    """How long it is worth repeating a request that was answered so."""
    if response.status_code == 500:
        return min(_SOON_S, patience_s)
    return patience_s if response.status_code in _MAY_PASS else 0.0


def _asked_s(response: httpx.Response | None) -> float:
    """The seconds a server asks to wait, at most the longest pause; 0 where it does not say."""
    try:
        return min(float(response.headers["retry-after"]), LONGEST_PAUSE_S) if response is not None else 0.0
    except (KeyError, ValueError):
        return 0.0


def _said(response: httpx.Response) -> str:
    """The server's own words, cut to what fits on a screen."""
    try:
        body = response.json()
    except ValueError:
        return response.reason_phrase
    told: object = body
    while isinstance(told, dict):
        told = told.get("detail") or told.get("message") or told.get("params") or str(told)
    return str(told)[:500]
