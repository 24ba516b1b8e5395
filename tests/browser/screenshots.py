"""Take the pictures of the documentation: `python -m tests.browser.screenshots`.

A dashboard on an empty workspace, so the pictures show what a new user sees.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, SIZES
from tests.serving import dashboard
from tests.terminal import ROOT, studio

FOLDER = ROOT / "docs" / "screenshots"
ARABIC = "project=Demonstration%20Standard%20Arabic&annotator=noor"
PICTURES = (
    ("board", "", "desktop", "light"),
    ("languages", "languages", "desktop", "light"),
    ("annotate", f"annotate?{ARABIC}", "desktop", "dark"),
    ("annotate-phone", f"annotate?{ARABIC}", "phone", "light"),
    ("agreement", "agreement?project=Demonstration%20English", "desktop", "light"),
    ("curate", "curate?project=Demonstration%20English", "desktop", "dark"),
    ("export", "export?project=Demonstration%20English", "desktop", "light", "Is it fit to train on?"),
)
"""Name, address, size, colours, and the heading that stands on top of the picture, where it is not the page's own."""


def take(browser: Browser, address: str, name: str, page_path: str, size: str, scheme: str, heading: str = "") -> None:
    page = browser.new_page(viewport=SIZES[size], color_scheme=scheme)
    page.goto(f"{address}/{page_path}")
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    page.wait_for_timeout(3_000)
    # On a busy machine a chart may still be on its way.
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=60_000)
    if heading:
        page.get_by_text("Every number of the report").click()
        page.get_by_role("heading", name=heading).evaluate("heading => heading.scrollIntoView()")
        page.mouse.wheel(0, -90)  # the navigation lies over the first lines
        page.wait_for_timeout(1_000)
    # The README once showed an error box for a board: a picture of one is refused.
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.screenshot(path=FOLDER / f"{name}.png")
    page.close()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        for language in ("Standard Arabic", "English"):
            studio(workspace, "demo", "--language", language)
        with dashboard(workspace) as address, sync_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
            for picture in PICTURES:
                take(browser, address, *picture)


if __name__ == "__main__":
    main()
