"""Model server: a real OpenAI-compatible HTTP server on loopback that answers at once, and misbehaves on request.

In a test: `with ModelServer() as server: ... server.base_url`. On its own: `python -m tests.fakes.model_server PORT
[SECONDS|heavy]`, where `heavy` draws heavy-tailed times.
It counts what it was asked, so that a test can tell which prompts were paid for twice.
"""

import asyncio
import hashlib
import json
import logging
import math
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Self

from aiohttp import web

RATED = "#### Output for Text 1\nRating: {}\nRationale: Clear.\n\n#### Output for Text 2\nRating: {}\nRationale: Clear too."


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One HTTP answer: a chat completion with `text`, or `body` as it stands; after `delay_s`, or a broken connection.

    `breaks` ends the connection before the answer, `is_cut` in the middle of it.
    """

    text: str | None = "An answer."
    finish_reason: str | None = "stop"
    tokens: tuple[int, int] | None = (10, 5)
    status: int = 200
    body: str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip_s: float = 0.0
    breaks: bool = False
    is_cut: bool = False


def failing(status: int, message: str = "no", *, code: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    """An error in OpenAI's shape."""
    body = json.dumps({"error": {"message": message, "code": code or None, "type": "error"}})
    return Reply(status=status, body=body, headers=headers or {})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as the server received it."""

    prompt: str
    system: str
    body: Mapping[str, object]
    authorization: str


class ModelServer:
    """`replies[prompt]` are given first, one after the other; then `answer(prompt)`."""

    def __init__(self, *, models: tuple[str, ...] = ("tiny",), key: str = "", delay_s: float = 0.0, port: int = 0) -> None:
        # A client that hangs up on a slow reply is part of what is tested.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        self.models, self.key, self.delay_s, self.port = models, key, delay_s, port
        self.replies: dict[str, list[Reply]] = {}
        self.answer: Callable[[str], Reply] = lambda prompt: Reply(text=f"Answer to: {prompt}")
        self.asked: list[Asked] = []
        self.answered: Counter[str] = Counter()
        self.under_way = 0
        self.most_under_way = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.get("/v1/models", self._list),
                web.post("/v1/chat/completions", self._complete),
                web.get("/asked", self._count),
                web.get("/order", self._order),
            ]
        )
        # Like a real one it drops what it was writing when the client is gone.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        self._started.set()
        await self._ended.wait()
        await runner.cleanup()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _refuses(self, request: web.Request) -> bool:
        return bool(self.key) and request.headers.get("Authorization") != f"Bearer {self.key}"

    async def _list(self, request: web.Request) -> web.Response:
        if self._refuses(request):
            return web.json_response({"error": {"message": "Incorrect API key"}}, status=401)
        return web.json_response({"object": "list", "data": [{"id": model, "object": "model"} for model in self.models]})

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response({"asked": Counter(asked.prompt for asked in self.asked), "answered": self.answered})

    async def _order(self, request: web.Request) -> web.Response:
        return web.json_response([asked.prompt for asked in self.asked])

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        texts = {message["role"]: message["content"] for message in body["messages"]}
        prompt = texts["user"]
        self.asked.append(
            Asked(
                prompt=prompt, system=texts.get("system", ""), body=body, authorization=request.headers.get("Authorization", "")
            )
        )
        if self._refuses(request):
            sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
            return web.json_response({"error": {"message": f"Incorrect API key provided: {sent}"}}, status=401)
        if body["model"] not in self.models:
            return web.json_response({"error": {"message": f"The model {body['model']} does not exist"}}, status=404)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            waiting = self.replies.get(prompt)
            return await self._send(request, body, waiting.pop(0) if waiting else self.answer(prompt), prompt)
        finally:
            self.under_way -= 1

    async def _send(self, request: web.Request, body: Mapping[str, object], reply: Reply, prompt: str) -> web.StreamResponse:
        await asyncio.sleep(reply.delay_s or self.delay_s)
        if reply.breaks:
            assert request.transport is not None
            request.transport.abort()
        content = reply.body if reply.body is not None else json.dumps(_completion(body, reply))
        if reply.status == 200 and reply.body is None:
            self.answered[prompt] += 1
        sent = content.encode() if isinstance(content, str) else content
        response = web.StreamResponse(status=reply.status, headers={"Content-Type": "application/json", **reply.headers})
        response.content_length = len(sent)
        await response.prepare(request)
        for start in range(len(sent)) if reply.drip_s else [0]:
            await response.write(sent[start : start + 1] if reply.drip_s else sent[: len(sent) // 2 if reply.is_cut else None])
            await asyncio.sleep(reply.drip_s)
        if reply.is_cut:
            assert request.transport is not None
            request.transport.close()
        await response.write_eof()
        return response


def _completion(body: Mapping[str, object], reply: Reply) -> dict[str, object]:
    message = {"role": "assistant", "content": reply.text}
    whole: dict[str, object] = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason}],
    }
    if reply.tokens:
        read, written = reply.tokens
        whole["usage"] = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return whole


def heavy_tailed(prompt: str) -> Reply:
    """An answer, or a verdict, after a time drawn from the prompt's hash: lognormal, median 0.4 s, 99th percentile 4 s."""
    share = (int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:6]) + 0.5) / 2**48
    # ln(4 / 0.4) lies 2.326 standard deviations above the median.
    delay_s = NormalDist(math.log(0.4), math.log(10) / NormalDist().inv_cdf(0.99)).inv_cdf(share)
    return Reply(text=RATED.format(4, 3) if "<text 1>" in prompt else "Dat is goed. " * 20, delay_s=math.exp(delay_s))


if __name__ == "__main__":
    delay = sys.argv[2] if len(sys.argv) > 2 else "0"
    with ModelServer(port=int(sys.argv[1]), delay_s=0.0 if delay == "heavy" else float(delay)) as running:
        if delay == "heavy":
            running.answer = heavy_tailed
        print(running.base_url, flush=True)
        threading.Event().wait()
