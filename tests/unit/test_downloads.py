"""A download tells how far it is and why it ended, whatever ended it."""

import threading

import pytest

from dashboard.downloads import Download
from pipeline.errors import SourceError


def run(work) -> Download:
    download = Download(work)
    download.start()
    for thread in threading.enumerate():
        if thread.name == "download":
            thread.join(timeout=10)
    return download


def test_a_download_that_ends_well_has_no_error():
    download = run(lambda progress: progress(5, 10))
    assert (download.error, download.share, download.is_running) == (None, 0.5, False)


def raise_it(error: Exception):
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [(SourceError("The hub is away.", hint="Wait."), "The hub is away."), (ValueError("odd \n bytes"), "odd \n bytes")],
)
def test_whatever_ends_a_download_is_shown(error: Exception, said: str):
    download = run(lambda progress: raise_it(error))
    assert download.error is not None
    assert said in download.error.message
    assert download.error.hint
