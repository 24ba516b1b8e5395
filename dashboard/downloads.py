"""Downloads: one download at a time for all visitors; it goes on when a page is left or refreshed. No Streamlit."""

import threading
from collections.abc import Callable

from pipeline.errors import PipelineError


class Download:
    """Work in a thread of its own that reports bytes done and in all; `error` is why the last try ended, if it failed."""

    def __init__(self, work: Callable[[Callable[[int, int], None]], object]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.done_bytes, self.total_bytes = 0, 0
        self.error: PipelineError | None = None

    @property
    def is_running(self) -> bool:
        """Whether the download is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def share(self) -> float:
        """How much has arrived, in [0, 1]."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0

    @property
    def sentence(self) -> str:
        """What is going on, in words."""
        if not self.total_bytes:
            return "Asking the Hub…"
        if self.done_bytes >= self.total_bytes:
            return "Downloaded; checking the file and sorting it by language…"
        return f"{self.done_bytes / 1e6:,.0f} of {self.total_bytes / 1e6:,.0f} MB"

    def start(self) -> None:
        """Begin, unless it is under way."""
        with self._lock:
            if self.is_running:
                return
            self.done_bytes, self.total_bytes, self.error = 0, 0, None
            # A daemon: a server that stops does not wait; the next start begins anew.
            self._thread = threading.Thread(target=self._run, name="download", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._work(self._progress)
        except PipelineError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread, so what is not kept here is never seen
            self.error = PipelineError(
                f"The download ended in a way nobody thought of: {type(error).__name__}: {error}",
                hint="Start it again: it goes on where it broke off. If it ends the same way, please report this message.",
            )

    def _progress(self, done: int, total: int) -> None:
        self.done_bytes, self.total_bytes = done, total
