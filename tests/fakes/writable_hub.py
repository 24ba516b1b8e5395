"""Writable Hub: a real HTTP server on loopback that takes datasets as the Hub does, and misbehaves on request.

In a test: `with WritableHub() as hub: ... hub.endpoint`. `hub.repos["ana/kaas"]` is what was pushed; `hub.stored` are the
large files that arrived, in order; `hub.asked` every request. Files that end in .parquet are large, the others small.
What it answers follows what `huggingface_hub` reads: create, whoami, preupload, LFS batch and put, commit, refs, tag, tree.
"""

import base64
import hashlib
import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.fakes.hub import Answering, Asked, Hub

WRITE, READ = "hf_write", "hf_read"


@dataclass(kw_only=True)
class Repo:
    """One dataset: its commits with the files of each, its tags."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)

    @property
    def head(self) -> str:
        return self.commits[-1][0]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][1]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit a branch, a tag or a commit names."""
        wanted = self.head if revision == "main" else self.tags.get(revision, revision)
        return next(((sha, files) for sha, files in self.commits if sha == wanted), None)

    def commit(self, files: Mapping[str, bytes]) -> str:
        sha = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode() + b"".join(files.values())).hexdigest()
        self.commits.append((sha, dict(files)))
        return sha


class WritableHub(Hub):
    """Datasets of `ana`, who may write for the organisation `kaasclub` and read for `stillclub`."""

    def __init__(self) -> None:
        super().__init__({})
        self.handler = Taking
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.stored: list[str] = []
        self.roles = {WRITE: "write", READ: "read"}
        self.lose_answer_to = ""
        self.before_commit: Callable[[Repo], object] | None = None

    def add(self, name: str, files: Mapping[str, bytes] = {}, *, private: bool = True) -> Repo:
        repo = self.repos[name] = Repo(private=private)
        repo.commit({".gitattributes": b"*.parquet filter=lfs\n"} | dict(files))
        return repo


class Taking(Answering):
    """Answers one connection of a WritableHub."""

    hub: WritableHub

    def do_POST(self) -> None:  # noqa: N802
        self.answer(with_body=True)

    def do_PUT(self) -> None:  # noqa: N802
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = urllib.parse.unquote(self.path.split("?")[0])
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        fault = self.hub.fault_for(
            Asked(method=self.command, path=path, range=self.headers.get("Range", ""), authorization=token)
        )
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault and fault.cut_after:
            self.close_connection = True
            self.connection.close()
        elif fault:
            self.send(fault.status, b"trouble", headers={"Retry-After": "0"}, with_body=with_body)
        elif token and token not in self.hub.roles:
            headers = {"X-Error-Message": "Invalid credentials in Authorization header"}
            self.send(401, b"{}", headers=headers, with_body=with_body)
        else:
            self.route(path, body, token, with_body=with_body)

    def route(self, path: str, body: bytes, token: str, *, with_body: bool) -> None:
        for pattern, answer in ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                status, content, headers = answer(self, body, token, **match.groupdict())
                found = content if isinstance(content, bytes) else json.dumps(content).encode()
                if self.hub.lose_answer_to and self.hub.lose_answer_to in path:
                    self.hub.lose_answer_to = ""
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send(status, found, headers={"Content-Type": "application/json"} | headers, with_body=with_body)
                return
        self.send(404, b"{}", with_body=with_body)

    def repo(self, name: str, token: str, *, write: bool = False) -> "Repo | Answer":
        """The dataset, or why it is not for this token."""
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not token):
            return 401 if not token else 404, {}, {"X-Error-Code": "RepoNotFound"}
        if write and self.hub.roles.get(token) != "write":
            return 403, {}, {"X-Error-Message": "You don't have the rights to write here"}
        return repo

    def whoami(self, _body: bytes, token: str) -> "Answer":
        if not token:
            return 401, {}, {}
        orgs = [{"name": "kaasclub", "roleInOrg": "write"}, {"name": "stillclub", "roleInOrg": "read"}]
        return 200, {"name": "ana", "orgs": orgs, "auth": {"accessToken": {"role": self.hub.roles[token]}}}, {}

    def create(self, body: bytes, token: str) -> "Answer":
        asked = json.loads(body)
        owner = asked["organization"] or "ana"
        name = f"{owner}/{asked['name']}"
        if self.hub.roles.get(token) != "write" or owner not in ("ana", "kaasclub"):
            return 403, {}, {"X-Error-Message": "You don't have the rights to create a dataset under this namespace"}
        if len(asked["name"]) > 60 or asked["name"].startswith("reserved"):
            return 400, {"error": "Invalid repo name"}, {"X-Error-Message": "This name is reserved"}
        if name in self.hub.repos:
            return 409, {"error": "You already created this dataset repo"}, {}
        self.hub.add(name, private=asked.get("visibility") == "private" or bool(asked.get("private")))
        return 200, {"url": f"{self.hub.endpoint}/datasets/{name}", "name": name}, {}

    def info(self, _body: bytes, token: str, name: str, revision: str = "main") -> "Answer":
        repo = self.repo(name, token)
        if not isinstance(repo, Repo):
            return repo
        found = repo.at(revision)
        if found is None:
            return 404, {}, {"X-Error-Code": "RevisionNotFound"}
        siblings = [
            {"rfilename": path, "size": len(content), "blobId": blob_id(content)}
            | ({"lfs": {"sha256": sha256(content), "size": len(content), "pointerSize": 134}} if path in repo.large else {})
            for path, content in found[1].items()
        ]
        return 200, {"id": name, "sha": found[0], "private": repo.private, "tags": [], "siblings": siblings}, {}

    def refs(self, _body: bytes, token: str, name: str) -> "Answer":
        repo = self.repo(name, token)
        if not isinstance(repo, Repo):
            return repo
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": sha} for tag, sha in repo.tags.items()]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head}
        return 200, {"branches": [main], "converts": [], "tags": tags}, {}

    def tag(self, body: bytes, token: str, name: str, revision: str) -> "Answer":
        repo = self.repo(name, token, write=True)
        if not isinstance(repo, Repo):
            return repo
        wanted = json.loads(body)["tag"]
        if wanted in repo.tags:
            return 409, {}, {}
        found = repo.at(revision)
        repo.tags[wanted] = found[0] if found else ""
        return 200, {}, {}

    def preupload(self, body: bytes, token: str, name: str, revision: str) -> "Answer":
        repo = self.repo(name, token, write=True)
        if not isinstance(repo, Repo):
            return repo
        files = []
        for asked in json.loads(body)["files"]:
            path, is_large = asked["path"], asked["path"].endswith(".parquet")
            there = repo.files.get(path)
            oid = None if there is None else sha256(there) if path in repo.large else blob_id(there)
            mode = "lfs" if is_large else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return 200, {"files": files}, {}

    def batch(self, body: bytes, token: str, name: str) -> "Answer":
        repo = self.repo(name, token, write=True)
        if not isinstance(repo, Repo):
            return repo
        objects = [
            {"oid": asked["oid"], "size": asked["size"]}
            | (
                {}
                if asked["oid"] in self.hub.blobs
                else {"actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{asked['oid']}"}}}
            )
            for asked in json.loads(body)["objects"]
        ]
        return 200, {"transfer": "basic", "objects": objects}, {}

    def put(self, body: bytes, _token: str, oid: str) -> "Answer":
        if sha256(body) != oid:
            return 400, {}, {}
        self.hub.blobs[oid] = body
        self.hub.stored.append(oid)
        return 200, {}, {}

    def commit(self, body: bytes, token: str, name: str, revision: str) -> "Answer":
        repo = self.repo(name, token, write=True)
        if not isinstance(repo, Repo):
            return repo
        if self.hub.before_commit:
            self.hub.before_commit(repo)
        files, large = dict(repo.files), set(repo.large)
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header" and value.get("parentCommit", repo.head) != repo.head:
                return 412, {}, {"X-Error-Message": "A commit has happened since. Please refresh and try again."}
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
                large.add(value["path"])
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        repo.large = large & set(files)
        sha = repo.commit(files)
        url = f"{self.hub.endpoint}/datasets/{name}/commit/{sha}"
        return 200, {"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""}, {}

    def validate(self, body: bytes, _token: str) -> "Answer":
        text = json.loads(body)["content"]
        try:
            head = yaml.safe_load(text.split("---\n")[1])
        except yaml.YAMLError as error:
            return 400, {"errors": [{"message": str(error)}], "warnings": []}, {}
        language = head.get("language", [])
        wrong = [code for code in language if not re.fullmatch(r"[a-z]{2,3}", code)]
        errors = [{"message": f'"language" must only contain lowercase characters: {code}'} for code in wrong]
        return 400 if errors else 200, {"errors": errors, "warnings": []}, {}

    def tree(self, _body: bytes, token: str, name: str, revision: str, folder: str = "") -> "Answer":
        repo = self.repo(name, token)
        if not isinstance(repo, Repo):
            return repo
        found = repo.at(revision)
        if found is None:
            return 404, {}, {"X-Error-Code": "RevisionNotFound"}
        inside = f"{folder}/" if folder else ""
        everything = "recursive=" in self.path and "recursive=false" not in self.path.lower()
        entries: dict[str, dict[str, Any]] = {}
        for path, content in found[1].items():
            if not path.startswith(inside):
                continue
            parts = path.removeprefix(inside).split("/")
            for depth in range(1, len(parts) if everything else min(2, len(parts))):
                above = inside + "/".join(parts[:depth])
                entries[above] = {"type": "directory", "path": above, "oid": "0" * 40, "size": 0}
            if everything or len(parts) == 1:
                entries[path] = entry(repo, path, content)
        if folder and not entries:
            return 404, {}, {"X-Error-Code": "EntryNotFound"}
        return 200, list(entries.values()), {}

    def paths(self, body: bytes, token: str, name: str, revision: str) -> "Answer":
        repo = self.repo(name, token)
        if not isinstance(repo, Repo):
            return repo
        asked = json.loads(body) if body.startswith(b"{") else urllib.parse.parse_qs(body.decode())
        files = (repo.at(revision) or ("", {}))[1]
        wanted = asked["paths"] if isinstance(asked["paths"], list) else [asked["paths"]]
        folders = [path for path in wanted if any(each.startswith(f"{path}/") for each in files)]
        found = [entry(repo, path, files[path]) for path in wanted if path in files]
        return 200, found + [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders], {}

    def resolve(self, _body: bytes, token: str, name: str, revision: str, file: str) -> "Answer":
        repo = self.repo(name, token)
        if not isinstance(repo, Repo):
            return repo
        found = repo.at(revision)
        if found is None or file not in found[1]:
            return 404, b"", {"X-Error-Code": "EntryNotFound" if found else "RevisionNotFound"}
        content = found[1][file]
        etag = sha256(content) if file in repo.large else blob_id(content)
        headers = {"X-Repo-Commit": found[0], "ETag": f'"{etag}"', "Content-Type": "application/octet-stream"}
        return 200, content, headers


Answer = tuple[int, object, dict[str, str]]
NAME = r"(?P<name>[^/]+/[^/]+)"
ROUTES = [
    (r"/api/whoami-v2", Taking.whoami),
    (r"/api/repos/create", Taking.create),
    (r"/api/validate-yaml", Taking.validate),
    (rf"/api/datasets/{NAME}", Taking.info),
    (rf"/api/datasets/{NAME}/revision/(?P<revision>[^/]+)", Taking.info),
    (rf"/api/datasets/{NAME}/refs", Taking.refs),
    (rf"/api/datasets/{NAME}/tag/(?P<revision>[^/]+)", Taking.tag),
    (rf"/api/datasets/{NAME}/preupload/(?P<revision>[^/]+)", Taking.preupload),
    (rf"/api/datasets/{NAME}/commit/(?P<revision>[^/]+)", Taking.commit),
    (rf"/api/datasets/{NAME}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.*))?", Taking.tree),
    (rf"/api/datasets/{NAME}/paths-info/(?P<revision>[^/]+)", Taking.paths),
    (rf"/datasets/{NAME}\.git/info/lfs/objects/batch", Taking.batch),
    (r"/lfs/(?P<oid>[0-9a-f]{64})", Taking.put),
    (rf"/datasets/{NAME}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", Taking.resolve),
]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_id(content: bytes) -> str:
    """The id that git gives to these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(repo: Repo, path: str, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "file", "path": path, "oid": blob_id(content), "size": len(content)}
    if path in repo.large:
        found["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
    return found
