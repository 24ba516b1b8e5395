"""Somebody who opens the real app in a test: Streamlit's AppTest, which has no connection and so no address of its own."""

from streamlit.testing.v1 import AppTest

from tests.terminal import ROOT


def visitor(*, address: str | None = None, timeout_s: float = 60) -> AppTest:
    """The app as one sees it who comes from `address`, None for the computer it runs on; not run yet."""
    app = AppTest.from_file(str(ROOT / "dashboard" / "Home.py"), default_timeout=timeout_s)
    app.session_state["visitor_address"] = address
    return app
