"""A real chromium that can reach this machine alone."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
LOOPBACK = ("http://localhost:", "http://127.0.0.1:", "data:", "blob:")

# Two cores may be busy with other tests: an expectation waits this long before it fails.
expect.set_options(timeout=30_000)

OpenPage = Callable[..., AbstractContextManager[Page]]


# Playwright's event loop lives in the main thread as long as it runs; for the session it would break every later
# test that starts a loop of its own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine: run `sh tests/setup.sh` as root, or install Debian's chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> OpenPage:
    """Open a page of a size and colour scheme; a request that would leave this machine fails the test."""

    @contextmanager
    def opened(*, size: str = "desktop", scheme: str = "light") -> Iterator[Page]:
        outside: list[str] = []

        def guard(route: Route) -> None:
            if route.request.url.startswith(LOOPBACK):
                route.continue_()
            else:
                outside.append(route.request.url)
                route.abort()

        context = chromium.new_context(
            viewport=SIZES[size], color_scheme=scheme, has_touch=size == "phone", is_mobile=size == "phone", accept_downloads=True
        )
        context.route("**/*", guard)
        page = context.new_page()
        page.set_default_timeout(30_000)
        try:
            yield page
        finally:
            context.close()
        assert outside == [], "the page asked for something outside this machine"

    return opened
