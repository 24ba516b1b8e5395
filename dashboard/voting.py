"""Voting: the card an annotator sees, one key or tap for each answer, and what happens in between.

Only the desk (card, buttons, guidelines) reruns after a vote. It is blind: nothing here knows which model, or whether
a person, wrote an answer.
"""

import html
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import services, state, widgets
from pipeline import annotate
from pipeline.annotate import Card, Pressed
from pipeline.errors import PipelineError, StaleCardError
from pipeline.records import DocumentKind, Project, Role

BUTTONS = (
    (Pressed.LEFT, "Answer A is better", "1"),
    (Pressed.RIGHT, "Answer B is better", "2"),
    (Pressed.TIE, "Equally good", "3"),
    (Pressed.BOTH_BAD, "Both bad", "4"),
    (Pressed.SKIP, "Skip", "5"),
)
FRESH_FOR_S = 30
UNREAD_S = 0.5
"""A press that comes sooner after its pair appeared was meant for the pair before: a double tap, a bouncing key."""
UNHEARD_S = 3
LOOK_AGAIN = timedelta(minutes=10)
NEW_GUIDELINES = "The guidelines have changed. Please read them before you answer."

STYLE = """<style>
.stMain h1 {font-size: 1.6rem; padding: 0;}
.voting-card {display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; animation: voting-unread UNREAD_MSms;}
@keyframes voting-unread {from {border-color: transparent;}}
.voting-card section {border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem;
  padding: .6rem .9rem; min-width: 0;}
.voting-card section.prompt {grid-column: 1 / -1;}
.voting-card h2 {font-size: .9rem; font-weight: 600; margin: 0 0 .3rem 0; padding: 0; opacity: .85;}
.voting-card .scroll {overflow: auto; max-height: 52vh;}
.voting-card .prompt .scroll {max-height: 30vh;}
.voting-place {margin: 0; font-variant-numeric: tabular-nums;}
.voting-note {margin: 0; border-inline-start: 4px solid #E69F00; padding: .3rem .7rem;}
[data-testid="stLayoutWrapper"]:has(> .st-key-voting-bar) {position: sticky; bottom: 0; z-index: 5;}
.st-key-voting-bar {display: grid; grid-template-columns: repeat(5, 1fr); gap: .4rem; padding: .5rem 0;
  background: Canvas; background: light-dark(LIGHT, DARK);}
.st-key-voting-bar > * {min-width: 0; width: 100%;}
@media (max-width: 640px) {
  .stMain h1 {font-size: 1.1rem;}
  [data-testid="stMainBlockContainer"] {padding-top: 4rem; padding-bottom: 9rem;}
  /* However long the texts are, each button stays where the thumb is. */
  [data-testid="stLayoutWrapper"]:has(> .st-key-voting-bar) {position: fixed; inset: auto 0 0 0; width: auto;}
  .st-key-voting-bar kbd {display: none;}
  .voting-card {grid-template-columns: 1fr;}
  .voting-card .scroll, .voting-card .prompt .scroll {max-height: 36vh;}
  .st-key-voting-bar {grid-template-columns: repeat(6, 1fr); padding: .5rem 1rem calc(.5rem + env(safe-area-inset-bottom));}
  .st-key-voting-bar > * {grid-column: span 2;}
  .st-key-voting-bar > :nth-child(-n + 2) {grid-column: span 3;}
}
</style>"""

KEYS = """<script>
if (!window.votingKeys) {
  window.votingKeys = {1: 0, ArrowLeft: 0, 2: 1, ArrowRight: 1, 3: 2, 4: 3, 5: 4, s: 4};
  window.addEventListener("keydown", (event) => {
    const bar = document.querySelector(".st-key-voting-bar");
    if (!bar || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    // An Arabic or a French keyboard has another sign on the key of a digit.
    const digit = (event.code || "").replace(/^(Digit|Numpad)/, "");
    const button = bar.querySelectorAll("button")[window.votingKeys[event.key] ?? window.votingKeys[digit]];
    if (!button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // A key held down would answer pairs that nobody has read.
    if (!event.repeat) button.click();
  }, true);
  window.addEventListener("click", (event) => {
    const card = document.querySelector(".voting-card");
    const button = event.target.closest(
      ".st-key-voting-bar button, [class*=st-key-voting-change] button, [class*=st-key-voting-keep] button");
    if (!card || !button) return;
    // A card just shown, or just answered, is animated, and takes no press as long as it is.
    if (card.getAnimations().length) {
      event.stopImmediatePropagation();
      return;
    }
    card.animate([], UNREAD_MS);
    // A server that has just started again hears no press until it has drawn the page: the press is made once more.
    clearTimeout(window.votingAgain);
    window.votingAgain = setTimeout(() => {
      if (card.isConnected && !document.querySelector(".voting-note")) button.click();
    }, UNHEARD_MS);
  }, true);
}
</script>"""
"""Keys that press the buttons. `st.button` alone knows no arrows, answers to a held key again and again, and for a
moment after a rerun still presses the button of the pair before. The script holds no text from outside."""


@dataclass(slots=True)
class Desk:
    """What one annotator has before them; it lives in their session and nowhere else."""

    project: str
    annotator: str
    card: Card | None = None
    shown_at: float = 0.0
    done: int = 0
    left: int = 0
    counted_at: float | None = None
    note: str = ""
    guidelines_version: str = ""
    has_new_guidelines: bool = False

    def take(self, card: Card | None) -> None:
        """Put a card on the desk, with a word on the guidelines if they are not those of the card before."""
        self.card = card
        self.shown_at = time.monotonic()
        if card:
            self.has_new_guidelines = self.guidelines_version not in ("", card.guidelines_version)
            self.guidelines_version = card.guidelines_version
        if card and self.has_new_guidelines:
            self.note = f"{self.note} {NEW_GUIDELINES}".strip()


def ask_for_annotator(project: Project) -> str | None:
    """Return who votes here; asks, with the guidelines in view, and returns None until it is known."""
    known = state.annotator()
    if known and _is_accepted(known):
        return state.annotator()
    _, guidelines = services.studio().store.document(project.name, DocumentKind.GUIDELINES)
    _show_guidelines(guidelines, is_open=True)
    with st.form("give-a-name"):
        typed = st.text_input("Your name or a nickname", max_chars=annotate.MAX_NAME_CHARS)
        is_typed = st.form_submit_button("Start", type="primary")
    if st.button("Give me a random name"):
        typed, is_typed = annotate.made_up_name(secrets.randbits(32)), True
    if is_typed and _is_accepted(typed):
        st.rerun()
    return None


def _is_accepted(typed: str) -> bool:
    """Remember the name if it can be used; else say why not."""
    try:
        state.choose_annotator(annotate.annotator_name(typed))
    except PipelineError as error:
        widgets.error_box(error)
        return False
    return True


def _show_guidelines(text: str, *, is_open: bool) -> None:
    """Show how to judge, as the coordinator wrote it."""
    with st.expander("How to judge", expanded=is_open):
        st.html(widgets.text_html(text or annotate.GUIDELINES))


def show_desk(project: str, annotator: str) -> None:
    """Show this annotator's card with its buttons, or a thank-you when no pair is left."""
    light, dark = (str(st.get_option(f"theme.{scheme}.backgroundColor")) for scheme in ("light", "dark"))
    st.html(_in_ms(STYLE).replace("LIGHT", light).replace("DARK", dark))
    st.html(_in_ms(KEYS), unsafe_allow_javascript=True)
    _desk(project, annotator)


def _in_ms(text: str) -> str:
    """Return the text with both waiting times filled in."""
    return text.replace("UNREAD_MS", f"{UNREAD_S * 1000:.0f}").replace("UNHEARD_MS", f"{UNHEARD_S * 1000:.0f}")


# After a restart of the server no fragment is known to it, and what is pressed in one does nothing. Streamlit 1.67
# then draws the page anew as soon as the browser is connected again, but only if a fragment has an interval.
@st.fragment(run_every=LOOK_AGAIN)
def _desk(project: str, annotator: str) -> None:
    try:
        desk = _open_desk(project, annotator)
    except PipelineError as error:
        widgets.error_box(error)
        return
    if desk.note:
        st.html(f'<p class="voting-note" role="status">{html.escape(desk.note)}</p>')
        desk.note = ""
    if desk.card is None:
        _show_thanks(desk)
    else:
        _show_card(desk, desk.card)


def _open_desk(project: str, annotator: str) -> Desk:
    """Return the session's desk with a card on it, if there is one for this annotator."""
    desk = st.session_state.get("desk")
    if not isinstance(desk, Desk) or (desk.project, desk.annotator) != (project, annotator):
        last = services.studio().local.last_card(project, annotator)
        seen = last.previous.guidelines_version if last and last.previous else ""
        desk = st.session_state["desk"] = Desk(project, annotator, guidelines_version=seen)
    if desk.card is None:
        desk.take(services.studio().local.next_card(project, annotator, now=datetime.now(UTC)))
    if desk.card is None or desk.counted_at is None or time.monotonic() - desk.counted_at > FRESH_FOR_S:
        standing = services.studio().local.standing(project, annotator)
        desk.done, desk.left, desk.counted_at = standing.done, standing.left, time.monotonic()
    return desk


def _show_card(desk: Desk, card: Card) -> None:
    """Draw the card: as few elements as can be, for each costs time between key and next card."""
    place, earlier = f"Pair {desk.done + 1} of {desk.done + desk.left}", _pressed_before(card)
    if earlier:
        said = next(label for answer, label, _ in BUTTONS if answer is earlier)
        place = f"Again: you said “{said}”. A new answer replaces it."
    if desk.has_new_guidelines:
        _show_guidelines(card.guidelines, is_open=True)
    st.html(card_html(card, place))
    with st.container(key="voting-bar", horizontal=True):
        for answer, label, key in BUTTONS:
            is_marked = answer is earlier if earlier else answer in (Pressed.LEFT, Pressed.RIGHT)
            st.button(
                f"✓ {label}" if answer is earlier else label,
                key=f"{answer}-{card.id}",
                shortcut=key,
                on_click=_vote,
                args=(card, answer),
                width="stretch",
                wrap=True,
                type="primary" if is_marked else "secondary",
            )
    if earlier:
        st.button("Keep it", key=f"voting-keep-{card.id}", shortcut="u", on_click=_keep, args=(card,), type="tertiary")
    elif desk.done:
        _offer_change(card)
    if st.toggle("Add a reason or a better answer", key="wants-reason"):
        st.text_area("Why?", key=f"reason-{card.id}", value=card.previous.reason if card.previous else "")
        st.text_area("A better answer", key=f"edited-{card.id}", value=card.previous.edited if card.previous else "")
    if not desk.has_new_guidelines:
        _show_guidelines(card.guidelines, is_open=False)


def _offer_change(card: Card | None) -> None:
    """A button that brings the pair answered last back, with `card` on the desk or none."""
    key = f"voting-change-{card.id if card else 'end'}"
    st.button("Change my last answer", key=key, shortcut="u", on_click=_change, args=(card,), type="tertiary")


def card_html(card: Card, place: str) -> str:
    """Return the card as HTML: the three texts exactly as they are, and which pair of how many this is."""
    parts = (("prompt", "Prompt", card.prompt), ("a", "Answer A", card.shown_first), ("b", "Answer B", card.shown_second))
    sections = "".join(
        f'<section class="{name}" aria-label="{title}"><h2>{title}</h2>'
        f'<div class="scroll" tabindex="0" role="group" aria-label="{title}">{widgets.text_html(text)}</div></section>'
        for name, title, text in parts
    )
    return f'<p class="voting-place" role="status">{html.escape(place)}</p><div class="voting-card">{sections}</div>'


def _pressed_before(card: Card) -> Pressed | None:
    """Return what this annotator pressed on this card before, None at the first time."""
    if card.previous is None:
        return None
    return next(pressed for pressed in Pressed if annotate.to_choice(pressed, card) is card.previous.choice)


def _vote(card: Card, pressed: Pressed) -> None:
    """Store the answer to the card whose button was pressed; the rerun that follows draws the next one."""
    desk = st.session_state.get("desk")
    if not isinstance(desk, Desk):
        return
    if desk.card is None or desk.card.id != card.id:
        desk.note = "That key came before this pair was on the screen, so it was not counted."
        return
    if time.monotonic() - desk.shown_at < UNREAD_S:
        return
    try:
        services.studio().local.cast(
            card,
            annotate.to_choice(pressed, card),
            reason=st.session_state.get(f"reason-{card.id}", ""),
            edited=st.session_state.get(f"edited-{card.id}", ""),
            seconds=round(time.monotonic() - desk.shown_at, 3),
            now=datetime.now(UTC),
        )
    except StaleCardError as error:
        desk.note, desk.card, desk.counted_at = error.message, None, None
    except PipelineError as error:
        desk.note = f"Your answer was not stored. {error.message} {error.hint}"
    else:
        desk.card = None
        if card.previous is None and card.role is Role.ANNOTATOR:
            desk.done, desk.left = desk.done + 1, max(0, desk.left - 1)


def _keep(card: Card) -> None:
    """Leave an earlier answer as it is and go on."""
    desk = st.session_state.get("desk")
    if isinstance(desk, Desk) and desk.card == card:
        desk.card = None


def _change(card: Card | None) -> None:
    """Put the pair voted on last back on the desk."""
    desk = st.session_state.get("desk")
    if not isinstance(desk, Desk) or desk.card != card:
        return
    try:
        last = services.studio().local.last_card(desk.project, desk.annotator)
    except PipelineError as error:
        desk.note = f"{error.message} {error.hint}"
    else:
        if last:
            desk.take(last)


def _show_thanks(desk: Desk) -> None:
    """Say what was done, and what comes next, when no pair is left for this annotator."""
    with st.container(border=True):
        if desk.done:
            done = "1 pair" if desk.done == 1 else f"{desk.done} pairs"
            st.html(f"<h2>Thank you!</h2><p>You answered {done}. No pair is waiting for you now.</p>")
        else:
            st.html("<p>No pair is waiting for an answer here. Pairs appear when second answers have been generated.</p>")
        label = "See how far we are" if desk.done else "Generate answers"
        if state.is_coordinator() and st.button(label, type="primary"):
            widgets.go_to("progress" if desk.done else "generate")
        if desk.done:
            _offer_change(None)
