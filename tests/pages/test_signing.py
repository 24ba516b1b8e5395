"""Who is not signed in can spend nothing: closed pages, the password, slow guessing, and voting that needs no sign-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboard.signing import LONGEST_PAUSE_S, Tries, may_coordinate
from dashboard.widgets import PAGES
from pipeline.errors import SignInError
from pipeline.studio import Studio
from tests.pages.judging import NAME, add_project, shown, workspace_of
from tests.visitor import visitor

PASSWORD = "Käse und 🧀"


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setenv("STUDIO_PASSWORD", PASSWORD)
    with workspace_of(tmp_path / "workspace") as opened:
        add_project(opened, n_pairs=1)
        yield opened


def visit(noun: str, *, address: str | None = None) -> AppTest:
    """Open a page by its address, as a visitor who has just come."""
    app = visitor(address=address)
    app.query_params["project"] = NAME
    app.switch_page(PAGES[noun])
    app.query_params["project"] = NAME
    app.run()
    assert not app.exception
    return app


def sign_in(app: AppTest, password: str) -> None:
    app.text_input[0].input(password)
    press(app, "Sign in")


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


@pytest.mark.parametrize(
    ("address", "password", "is_signed_in", "may"),
    [
        (None, "", False, True),
        ("127.0.0.1", "", False, True),
        ("127.8.8.8", "", False, True),
        ("::1", "", False, True),
        ("192.168.1.7", "", False, False),
        ("2001:db8::7", "", False, False),
        ("unheard of", "", False, False),
        # A session that was signed in before the password was taken away counts for nothing.
        ("192.168.1.7", "", True, False),
        (None, "s", False, False),
        ("127.0.0.1", "s", False, False),
        ("192.168.1.7", "s", False, False),
        ("192.168.1.7", "s", True, True),
        (None, "s", True, True),
    ],
)
def test_with_a_password_who_has_given_it_may_and_without_one_who_sits_here(
    address: str | None, password: str, is_signed_in: bool, may: bool
):
    assert may_coordinate(address, password, is_signed_in=is_signed_in) is may


@pytest.mark.parametrize("noun", [noun for noun in PAGES if noun != "annotate"])
def test_every_page_but_voting_asks_for_the_password_and_shows_nothing(studio: Studio, noun: str):
    app = visit(noun)
    assert [title.value for title in app.title] == ["Are you a coordinator?"]
    assert [button.label for button in app.button] == ["Sign in", "I came to vote"]
    assert NAME not in shown(app)


def test_the_right_password_opens_the_page_of_the_address_and_sign_out_closes_it(studio: Studio):
    app = visit("progress")
    sign_in(app, "kaas")
    assert "That is not the password" in app.error[0].value
    sign_in(app, f" {PASSWORD}\n")
    assert "password" not in shown(app)
    assert "Are you a coordinator?" not in [title.value for title in app.title]
    app.switch_page(PAGES["export"]).run()
    assert "Sign in" not in [button.label for button in app.button]
    assert PASSWORD not in str(app.session_state)
    # As the frontend does for a page that is a function: by its address.
    app._page_hash = calc_hash("sign-out")
    app.run()
    assert [title.value for title in app.title] == ["Are you a coordinator?"]
    assert "is_signed_in" not in app.session_state


def test_an_annotator_votes_without_a_password_and_is_sent_to_no_closed_page(studio: Studio):
    app = visit("export")
    press(app, "I came to vote")
    assert [title.value for title in app.title] == ["Which answer is better?"]
    assert app.query_params["project"] == NAME
    app = visit("annotate")
    press(app, "Give me a random name")
    app.session_state["desk"].shown_at = 0.0
    press(app, "Both bad")
    assert studio.store.votes(NAME)["choice"].tolist() == ["both_bad"]
    assert "Thank you!" in shown(app)
    assert "See how far we are" not in [button.label for button in app.button]


def test_from_elsewhere_without_a_password_the_pages_say_how_to_open_them(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("STUDIO_PASSWORD")
    app = visit("generate", address="192.168.1.7")
    assert [title.value for title in app.title] == ["This page is closed"]
    assert "STUDIO_PASSWORD" in app.markdown[0].value
    assert not app.text_input
    assert [title.value for title in visit("annotate", address="192.168.1.7").title] == ["Which answer is better?"]
    assert [title.value for title in visit("generate").title] != ["This page is closed"]


def test_each_wrong_try_makes_everybody_wait_longer_up_to_half_a_minute():
    tries, now = Tries(), 1000.0
    # Two free, then 2, 4, 8, 16, and 30 from there on.
    for pause in (0, 0, 2, 4, 8, 16, 30, 30):
        with pytest.raises(SignInError, match="not the password"):
            tries.check("guess", "right", now=now)
        if pause:
            with pytest.raises(SignInError, match="too many wrong tries") as refused:
                tries.check("right", "right", now=now + pause - 0.5)
            assert "in 1 s." in refused.value.hint
        now += pause
    assert pause == LONGEST_PAUSE_S
    tries.check("right", "right", now=now)
    with pytest.raises(SignInError, match="not the password"):
        tries.check("guess", "right", now=now)
    tries.check("right", "right", now=now)
