"""A real Argilla on this machine: server 2.8, OpenSearch and Redis, without docker, on loopback only.

    python -m tests.argilla.stack start | stop | install

Needs a JDK (17 or newer), Maven, Redis and uv. Programs go to the user's cache, once; data to `.argilla/` here.
Ports: ARGILLA_PORT 6900, OPENSEARCH_PORT 9200, OPENSEARCH_TRANSPORT_PORT 9300, REDIS_PORT 6379.
Tests start one of their own, on free ports, in a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from filelock import FileLock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aya-studio-argilla"
INSTALLED = "argilla-2.8.0-opensearch-2.19.1-1"
NEEDED = {"java": "a JDK, 17 or newer", "javac": "a JDK, 17 or newer", "mvn": "Maven", "redis-server": "Redis"}
OWNER, PASSWORD, API_KEY = "argilla", "12345678", "argilla.apikey"
PROCESSES = ("worker", "server", "opensearch", "redis")


class StackError(Exception):
    """The stack cannot be had, or did not start; the message says why."""


@dataclass(frozen=True)
class Ports:
    server: int = 6900
    opensearch: int = 9200
    transport: int = 9300
    redis: int = 6379

    @classmethod
    def from_env(cls) -> Ports:
        names = ("ARGILLA_PORT", "OPENSEARCH_PORT", "OPENSEARCH_TRANSPORT_PORT", "REDIS_PORT")
        return cls(*(int(os.environ.get(name) or default) for name, default in zip(names, (6900, 9200, 9300, 6379), strict=True)))


def install() -> None:
    """Fetch the programs, unless they are there; two that install at once wait for each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):
        if (CACHE / INSTALLED).exists():
            return
        missing = sorted({words for program, words in NEEDED.items() if not shutil.which(program)})
        if missing:
            raise StackError(f"needs {', '.join(missing)}")
        for folder in ("lib", "venv"):
            shutil.rmtree(CACHE / folder, ignore_errors=True)
        _run(
            "mvn",
            "-B",
            "-q",
            "-ntp",
            "-f",
            HERE / "pom.xml",
            "dependency:copy-dependencies",
            f"-DoutputDirectory={CACHE / 'lib'}",
        )
        for plugin in (CACHE / "lib").glob("*.zip"):
            with zipfile.ZipFile(plugin) as packed:
                packed.extractall(CACHE / "lib", [name for name in packed.namelist() if name.endswith(".jar")])
        uv = [sys.executable, "-m", "uv"]
        _run(*uv, "venv", "--quiet", "--python", sys.executable, CACHE / "venv")
        _run(*uv, "pip", "install", "--quiet", "--python", CACHE / "venv", "-r", HERE / "server.lock.txt")
        (CACHE / INSTALLED).touch()


def _run(*command: object, env: dict[str, str] | None = None) -> None:
    done = subprocess.run([*map(str, command)], env=env, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        told = (done.stdout + done.stderr).strip()[-2000:]
        raise StackError(f"{Path(str(command[0])).name} ended with code {done.returncode}: {told}")


class Stack:
    """One Argilla with all it needs, its data in one folder."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        self.folder, self.ports = folder, ports
        self.url = f"http://127.0.0.1:{ports.server}"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start what does not run yet and return once the server answers."""
        install()
        for name in ("run", "log", "tmp", "redis", "argilla"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        redis = f"--port {self.ports.redis} --bind 127.0.0.1 --appendonly no --dir {self.folder / 'redis'}".split()
        self._spawn("redis", "redis-server", *redis, "--save", "")
        classes = f"{CACHE / 'lib'}/*"
        java = ("java", "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", classes, HERE / "OpenSearchNode.java")
        self._spawn("opensearch", *java, self.folder / "opensearch", self.ports.opensearch, self.ports.transport)
        self._make_database()
        health = f"http://127.0.0.1:{self.ports.opensearch}/_cluster/health?wait_for_status=yellow&timeout=5s"
        self._wait("opensearch", health)
        self._spawn("worker", *self._argilla("worker", "--num-workers", "1"))
        self.start_server()

    def start_server(self) -> None:
        """Start the Argilla server alone, as after a crash, and return once it answers."""
        self._spawn("server", *self._argilla("start", "--host", "127.0.0.1", "--port", self.ports.server, "--no-access-log"))
        self._wait("server", f"{self.url}/api/v1/status")

    def kill_server(self) -> None:
        """End the Argilla server as a power cut would."""
        self._end("server", signal.SIGKILL)

    def kill_search(self) -> None:
        """End OpenSearch as a power cut would; `start` brings it back."""
        self._end("opensearch", signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End everything this stack started; at once with SIGKILL, where nobody needs the data any more."""
        for name in PROCESSES:
            self._end(name, signal.SIGKILL if name == "worker" else how)
        # The server unpacks its web pages into a temporary folder at every start.
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def _make_database(self) -> None:
        made = self.folder / "argilla" / "made"
        if made.exists():
            return
        owner = ("--first-name", "Owner", "--username", OWNER, "--password", PASSWORD, "--role", "owner", "--api-key", API_KEY)
        _run(*self._argilla("database", "migrate"), env=self._env())
        _run(*self._argilla("database", "users", "create", *owner), env=self._env())
        made.touch()

    @staticmethod
    def _argilla(*arguments: object) -> tuple[object, ...]:
        return (CACHE / "venv" / "bin" / "python", "-m", "argilla_server", *arguments)

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARGILLA_", "PYTHON", "HF_"))}
        return kept | {
            "ARGILLA_HOME_PATH": str(self.folder / "argilla"),
            "ARGILLA_SEARCH_ENGINE": "opensearch",
            "ARGILLA_ELASTICSEARCH": f"http://127.0.0.1:{self.ports.opensearch}",
            "ARGILLA_REDIS_URL": f"redis://127.0.0.1:{self.ports.redis}/0",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "TMPDIR": str(self.folder / "tmp"),
        }

    def _spawn(self, name: str, *command: object) -> None:
        if self._process(name):
            return
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                [*map(str, command)],
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = started
        self._pid(name).write_text(f"{started.pid} {psutil.Process(started.pid).create_time()}", encoding="ascii")

    def _pid(self, name: str) -> Path:
        return self.folder / "run" / name

    def _process(self, name: str) -> psutil.Process | None:
        """The process started under this name, None when it has ended: a number alone may be somebody else's by now."""
        try:
            pid, created = self._pid(name).read_text(encoding="ascii").split()
            process = psutil.Process(int(pid))
            alive = process.create_time() == float(created) and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        return process if alive else None

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self._process(name)
        if process:
            os.killpg(process.pid, how)
            try:
                process.wait(timeout=20)
            except psutil.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=20)
        if name in self._children:
            self._children.pop(name).wait(timeout=20)
        self._pid(name).unlink(missing_ok=True)

    def _wait(self, name: str, url: str, *, timeout_s: float = 120) -> None:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and self._process(name):
            try:
                if httpx.get(url, timeout=10, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        told = (self.folder / "log" / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise StackError(f"{name} did not become ready: {told}")


def main(arguments: list[str]) -> int:
    stack = Stack(ROOT / ".argilla", Ports.from_env())
    commands: dict[str, Callable[[], None]] = {"start": stack.start, "stop": stack.stop, "install": install}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        commands[arguments[0]]()
    except StackError as error:
        print(f"Argilla cannot be started: {error}", file=sys.stderr)
        return 1
    if arguments[0] == "start":
        print(f"Argilla answers. Sign in at {stack.url} as {OWNER} with password {PASSWORD}. For the studio:")
        print(f"export ARGILLA_API_URL={stack.url} ARGILLA_API_KEY={API_KEY}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
