"""Hub: a real HTTP server on loopback that answers what the Hub's client asks for one dataset, and misbehaves on request.

In a test: `with Hub({"data/train-00000.parquet": content}) as hub: ... hub.endpoint`. It keeps what it was asked.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

DATASET = "somebody/some_dataset"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong, once: an error `status`, or the connection cut after `cut_after` bytes of a file."""

    on: str = "GET"
    part: str = "/resolve/"
    status: int = 0
    cut_after: int = 0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as the server received it."""

    method: str
    path: str
    range: str
    authorization: str


class Hub:
    """One dataset at one revision, its files kept in memory; `served` replaces what a file's bytes are when sent."""

    handler: type["Answering"]

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        faults: list[Fault] | None = None,
        moved_from: str = "",
        dataset: str = DATASET,
        revision: str = REVISION,
    ) -> None:
        self.files, self.faults, self.moved_from = dict(files), list(faults or []), moved_from
        self.dataset, self.revision = dataset, revision
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.served: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        class Handler(self.handler):  # type: ignore[name-defined]
            hub = self

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def downloads(self) -> list[Asked]:
        """The requests that asked for bytes of a file."""
        return [asked for asked in self.asked if asked.method == "GET" and "/resolve/" in asked.path]

    def fault_for(self, asked: Asked) -> Fault | None:
        with self.lock:
            self.asked.append(asked)
            fault = next((fault for fault in self.faults if fault.on == asked.method and fault.part in asked.path), None)
            if fault is not None:
                self.faults.remove(fault)
            return fault


class Answering(BaseHTTPRequestHandler):
    """Answers one connection of a Hub."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.split("?")[0]
        fault = self.hub.fault_for(
            Asked(
                method=self.command,
                path=path,
                range=self.headers.get("Range", ""),
                authorization=self.headers.get("Authorization", ""),
            )
        )
        if fault and fault.status:
            self.send(fault.status, b"trouble", with_body=with_body)
        elif self.hub.moved_from and f"/{self.hub.moved_from}/" in path:
            location = self.path.replace(self.hub.moved_from, self.hub.dataset)
            self.send(307, b"", headers={"Location": location}, with_body=with_body)
        elif path == f"/api/datasets/{self.hub.dataset}/revision/{self.hub.revision}":
            self.send(200, self.listing(), headers={"Content-Type": "application/json"}, with_body=with_body)
        elif (
            path.startswith(start := f"/datasets/{self.hub.dataset}/resolve/{self.hub.revision}/")
            and path[len(start) :] in self.hub.files
        ):
            self.send_file(path[len(start) :], cut_after=fault.cut_after if fault else 0, with_body=with_body)
        else:
            code = "RepoNotFound" if self.hub.dataset not in path else "RevisionNotFound"
            self.send(404, b"", headers={"X-Error-Code": code}, with_body=with_body)

    def listing(self) -> bytes:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(content).hexdigest(),
                "lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134},
            }
            for name, content in self.hub.files.items()
        ]
        return json.dumps(
            {"id": self.hub.dataset, "sha": self.hub.revision, "private": False, "tags": [], "siblings": siblings}
        ).encode()

    def send_file(self, name: str, *, cut_after: int, with_body: bool) -> None:
        content = self.hub.files[name]
        headers = {
            "X-Repo-Commit": self.hub.revision,
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "Accept-Ranges": "bytes",
        }
        body, status = self.hub.served.get(name, content), 200
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        self.send(status, body, headers=headers, cut_after=cut_after, with_body=with_body)

    def send(
        self, status: int, body: bytes, *, headers: Mapping[str, str] | None = None, cut_after: int = 0, with_body: bool
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body[: cut_after or None])
        if cut_after:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay silent."""


Hub.handler = Answering
