"""Signing in: who may open the coordinator's pages, and what stands in their place for everybody else.

One password for all coordinators, `STUDIO_PASSWORD`; it is compared here and never shown, kept or logged.
"""

import hmac
import math
import threading
import time
from ipaddress import ip_address

import streamlit as st

from dashboard import services, state, widgets
from pipeline.errors import PipelineError, SignInError

FREE_TRIES = 2
LONGEST_PAUSE_S = 30


def may_coordinate(address: str | None, password: str, *, is_signed_in: bool) -> bool:
    """Return whether a visitor may open every page.

    Where a password is set, who has given it; else who sits at this computer. `address` is None for `localhost`.
    """
    return is_signed_in if password else _is_this_computer(address)


def _is_this_computer(address: str | None) -> bool:
    try:
        return address is None or ip_address(address).is_loopback
    except ValueError:
        return False


class Tries:
    """The wrong tries of everybody at this server: after two free ones each makes all wait, 2, 4, ... 30 seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong = 0
        self._closed_until = 0.0

    def check(self, typed: str, password: str, *, now: float) -> None:
        """Return if `typed` is the password. `now`: seconds of a clock that never goes back.

        Raises:
            SignInError: It is not, or it came during a pause and was not looked at.
        """
        with self._lock:
            if now < self._closed_until:
                hint = f"This one was not looked at. Try again in {math.ceil(self._closed_until - now)} s."
                raise SignInError("There were too many wrong tries, by you or others.", hint=hint)
            # As bytes, because compare_digest takes no letters beyond ASCII.
            if hmac.compare_digest(typed.strip().encode(), password.encode()):
                self._wrong = 0
                return
            self._wrong += 1
            if self._wrong > FREE_TRIES:
                self._closed_until = now + min(LONGEST_PAUSE_S, 2 ** (self._wrong - FREE_TRIES))
        raise SignInError("That is not the password.", hint="Ask whoever set it as STUDIO_PASSWORD on the server.")


_tries = Tries()


def closed_page() -> None:
    """Draw what stands at the address of a coordinator's page for who may not open it."""
    password = services.password()
    if password:
        widgets.page_title(
            "Are you a coordinator?", "Everything but voting needs the password. It holds until you close or reload this tab."
        )
        _ask_for_password(password)
    else:
        widgets.page_title(
            "This page is closed", "No password is set, so only the voting page can be opened from another computer."
        )
        st.write(
            "To open the coordinator's pages from here, set the variable `STUDIO_PASSWORD` to a password of your own on the "
            "computer that runs the dashboard, and start it again. On that computer itself they are open now, at its `localhost`."
        )
    if st.button("I came to vote", type="secondary" if password else "primary"):
        widgets.go_to("annotate")


def _ask_for_password(password: str) -> None:
    """Show the form, and why a try was refused."""
    with st.form("sign-in", clear_on_submit=True):
        typed = st.text_input("Password", type="password", autocomplete="current-password")
        is_typed = st.form_submit_button("Sign in", type="primary")
    if not is_typed:
        return
    try:
        _tries.check(typed, password, now=time.monotonic())
    except PipelineError as error:
        widgets.error_box(error)
        return
    state.sign_in()
    st.rerun()


def sign_out_page() -> None:
    """Close the coordinator's pages to this tab again."""
    state.sign_out()
    st.switch_page(widgets.PAGES["overview"])
