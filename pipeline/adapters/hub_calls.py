"""Hub calls: ask the Hugging Face Hub again while it is in trouble, wait no longer than it makes sense, then say what is wrong.

What downloads and what pushes share; each says in its own words what an error means.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled, XetDownloadError
from huggingface_hub.utils._http import default_client_factory
from huggingface_hub.utils.tqdm import disable_progress_bars

log = logging.getLogger(__name__)

Found = TypeVar("Found")

ANSWER_TIMEOUT_S = 20.0
SILENT_TIMEOUT_S = 120.0
"""So long may a connection say nothing while files travel or a commit is made."""
ATTEMPTS = 3
PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0


@functools.cache
def use_time_limits() -> None:
    """Give the Hub's client a time limit, for by itself it waits for ever, and no bars of its own; once per process."""

    def client() -> httpx2.Client:
        made = default_client_factory()
        made.timeout = httpx2.Timeout(SILENT_TIMEOUT_S, connect=ANSWER_TIMEOUT_S)
        return made

    set_client_factory(client)
    disable_progress_bars()


def patiently(ask: Callable[[], Found], *, refuse: Callable[[Exception], NoReturn], attempts: int = ATTEMPTS) -> Found:
    """Ask up to `attempts` times while the server is in trouble, then let `refuse` say what is wrong."""
    for attempt in range(1, attempts + 1):
        try:
            return ask()
        except (httpx2.HTTPError, XetDownloadError, EntryNotFoundError, OSError, RuntimeError, ValueError) as error:
            if attempt == attempts or not _may_pass(error):
                refuse(error)
            log.info("the Hub did not answer as it should, attempt %d of %d: %s", attempt, attempts, type(error).__name__)
            time.sleep(_pause(error, attempt))
    raise AssertionError("unreachable")


def answer_to(error: BaseException | None) -> httpx2.Response | None:
    """Return the HTTP answer behind an error, None where there was none."""
    while error is not None:
        if isinstance(error, HfHubHTTPError):
            return error.response
        error = error.__cause__
    return None


def status_of(error: BaseException | None) -> int:
    """Return the HTTP status behind an error, 0 where there was no answer."""
    response = answer_to(error)
    return 0 if response is None else int(response.status_code)


def is_of_the_disk(error: BaseException) -> bool:
    """Say whether the file system refused something."""
    # The client's own errors are OSErrors too; only the system's carry a number.
    return isinstance(error, OSError) and error.errno is not None


def is_of_the_network(error: BaseException | None) -> bool:
    """Say whether a connection broke or was never made."""
    while error is not None:
        if isinstance(error, httpx2.TransportError):
            return True
        error = error.__cause__
    return False


def _may_pass(error: Exception) -> bool:
    if isinstance(error, OfflineModeIsEnabled) or is_of_the_disk(error):
        return False
    status = status_of(error)
    if status == 0 and isinstance(error, ValueError | RuntimeError):
        return is_of_the_network(error)
    return status in (0, 408, 429) or status >= 500


def _pause(error: Exception, attempt: int) -> float:
    """As long as the server asks for, within reason, else longer each time."""
    response = answer_to(error)
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(asked), LONGEST_PAUSE_S) if asked.isdigit() else PAUSE_S * attempt
