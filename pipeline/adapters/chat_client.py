"""Chat client: one HTTP request for one chat completion, over connections that are kept open.

Goes straight to aiohttp: the openai package costs eight times its CPU time per request, in checks that we make
ourselves. Says how a call failed; what to do about it is decided elsewhere. Never retries.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pipeline.adapters.endpoints import is_loopback

# aiohttp takes a third of a second to import: a run waits for it, a page does not.
if TYPE_CHECKING:
    import aiohttp

LONGEST_BODY = 32 * 1024 * 1024
CONNECT_TIMEOUT_S = 10.0
MOST_TOKENS = 1_000_000_000
"""More than any server counts in one answer: a number above it is a mistake, and no database could keep the largest."""

Body = dict[str, Any]


class RefusedError(Exception):
    """The server answered with a status other than 200; `wait_s` is how long it asks to wait, None where it does not say."""

    def __init__(self, status: int, code: str, said: str, wait_s: float | None) -> None:
        super().__init__(f"status {status}: {said}")
        self.status, self.code, self.said, self.wait_s = status, code, said, wait_s


class MalformedError(Exception):
    """The server's answer is not JSON in UTF-8, or not of the shape of a chat completion."""


class AddressError(Exception):
    """The address is no address, or its certificate is not to be trusted: no request to it can succeed."""


class UnreachableError(Exception):
    """No connection could be made, so the request was never sent."""


class BrokenError(Exception):
    """The connection broke after the request was sent."""


class ChatClient:
    """Connections to one OpenAI-compatible address. Opened at the first request, on the loop that makes it."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        # A proxy does not lead to a server on this machine.
        self._is_local = is_loopback(base_url)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp
            import certifi

            trusted: ssl.SSLContext | bool = True
            if self._url.startswith("https"):
                # The system's certificates, and a list of our own where the system has none.
                trusted = ssl.create_default_context()
                trusted.load_verify_locations(certifi.where())
            # The runner says how many requests are under way; a second limit here would only hide them.
            connector = aiohttp.TCPConnector(limit=0, ssl=trusted, ttl_dns_cache=300)
            # The whole time of a call is limited by the caller.
            limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=limits, trust_env=not self._is_local, headers=self._headers
            )
        return self._session

    async def complete(self, body: Mapping[str, object]) -> Body:
        """Return the server's JSON object.

        Raises:
            RefusedError: Any status but 200.
            MalformedError: The body is no JSON object in UTF-8, or is longer than any answer.
            AddressError, UnreachableError, BrokenError: There was no connection, or it broke.
        """
        content = await self._post(json.dumps(body).encode())
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise MalformedError(f"the server's answer is not JSON ({type(error).__name__})") from error
        if not isinstance(parsed, dict):
            raise MalformedError("the server's answer is not a JSON object")
        return parsed

    async def _post(self, body: bytes) -> bytes:
        """Send a body and return the one that comes back, with aiohttp's errors translated."""
        session = self._open()
        import aiohttp

        try:
            # A redirect would turn the request into another one, and may lead the key elsewhere.
            async with session.post(self._url, data=body, allow_redirects=False) as response:
                content = await _read(response)
                if response.status != 200:
                    raise _refused(response, content)
                return content
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.ClientSSLError) as error:
            raise AddressError(str(error)) from error
        except aiohttp.ClientConnectorError as error:
            # The library's own words name sockets and a setting of TLS.
            why = f": {os.strerror(error.errno).lower()}" if error.errno and error.errno > 0 else ""
            raise UnreachableError(f"nothing answers at {error.host}:{error.port}{why}") from error
        except aiohttp.ConnectionTimeoutError as error:
            raise UnreachableError(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, up to a length that no answer has."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > LONGEST_BODY:
            raise MalformedError(f"the server's answer is longer than {LONGEST_BODY // 1024 // 1024} MB")
    return b"".join(pieces)


def _refused(response: aiohttp.ClientResponse, content: bytes) -> RefusedError:
    """What the server says of its refusal, in OpenAI's shape or another."""
    text = content.decode("utf-8", "replace")
    code, said = "", text.strip() or (response.reason or "")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        inner = parsed.get("error", parsed)
        if isinstance(inner, dict):
            code = str(inner.get("code") or "")
            said = str(inner.get("message") or inner.get("detail") or said)
        else:
            said = str(inner)
    return RefusedError(response.status, code, said, _wait_s(response.headers))


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """The seconds a server asks to wait: it may say seconds, milliseconds, or a date."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        if 0 <= wait_s < float("inf"):
            return wait_s
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def read_completion(body: Body) -> tuple[list[Body], int, int]:
    """Return the choices of a chat completion as `text, finish_reason, refusal`, and the tokens read and written.

    Tokens are 0 where the server counted none or wrote what cannot be a count there.

    Raises:
        MalformedError: It is no chat completion.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise MalformedError("the server sent no choice")
    read = []
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise MalformedError("the server's answer is not a chat completion")
        text, refusal = message.get("content"), message.get("refusal")
        if not isinstance(text, str | None):
            raise MalformedError(f"the answer is no text but a {type(text).__name__}")
        read.append(
            {
                "text": text,
                "finish_reason": str(choice.get("finish_reason") or ""),
                "refusal": refusal if isinstance(refusal, str) else "",
            }
        )
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return read, _tokens(counts.get("prompt_tokens")), _tokens(counts.get("completion_tokens"))


def _tokens(count: object) -> int:
    return count if isinstance(count, int) and 0 <= count <= MOST_TOKENS else 0
