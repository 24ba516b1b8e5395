"""Voting: the card an annotator sees, one key or tap for each answer, and what happens in between.

Only the card reruns after a vote. It is blind: nothing here knows which model, or whether a person, wrote an answer.
"""

import html
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from dashboard import services, state, widgets
from pipeline import annotate
from pipeline.annotate import Answer, Card
from pipeline.errors import PipelineError, StaleCardError
from pipeline.records import Choice, DocumentKind, Project, Role

BUTTONS = (
    (Answer.LEFT, "Answer A is better", "1"),
    (Answer.RIGHT, "Answer B is better", "2"),
    (Answer.TIE, "Equally good", "3"),
    (Answer.BOTH_BAD, "Both bad", "4"),
    (Answer.SKIP, "Skip", "5"),
)
FRESH_FOR_S = 30

STYLE = """<style>
.voting-card {display: grid; grid-template-columns: 1fr 1fr; gap: .75rem;}
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
  backdrop-filter: blur(14px);}
.st-key-voting-bar > * {min-width: 0; width: 100%;}
@media (max-width: 640px) {
  .stMain h1 {font-size: 1.6rem;}
  .st-key-voting-bar kbd {display: none;}
  .voting-card {grid-template-columns: 1fr;}
  .voting-card .scroll, .voting-card .prompt .scroll {max-height: 36vh;}
  .st-key-voting-bar {grid-template-columns: repeat(6, 1fr);}
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

    def take(self, card: Card | None) -> None:
        """Put a card on the desk."""
        self.card = card
        self.shown_at = time.monotonic()


def ask_for_annotator(project: Project) -> str | None:
    """Return who votes here; asks, with the guidelines in view, and returns None until it is known."""
    known = state.annotator()
    if known and _is_accepted(known):
        return state.annotator()
    show_guidelines(project, is_open=True)
    with st.form("give-a-name"):
        typed = st.text_input("Your name or a nickname", max_chars=annotate.MAX_NAME_CHARS)
        is_typed = st.form_submit_button("Start", type="primary")
    if st.button("Give me a random name"):
        typed, is_typed = annotate.pseudonym(secrets.randbits(32)), True
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


def show_guidelines(project: Project, *, is_open: bool) -> None:
    """Show how to judge, as the coordinator wrote it."""
    _, text = services.studio().store.document(project.name, DocumentKind.GUIDELINES)
    with st.expander("How to judge", expanded=is_open):
        st.html(widgets.text_html(text or annotate.GUIDELINES))


def show_desk(project: str, annotator: str) -> None:
    """Show this annotator's card with its buttons, or a thank-you when no pair is left."""
    st.html(STYLE)
    st.html(KEYS, unsafe_allow_javascript=True)
    _desk(project, annotator)


@st.fragment
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
        desk = st.session_state["desk"] = Desk(project, annotator)
    if desk.card is None:
        desk.take(services.studio().local.next_card(project, annotator, now=datetime.now(UTC)))
    if desk.card is None or desk.counted_at is None or time.monotonic() - desk.counted_at > FRESH_FOR_S:
        standing = services.studio().local.progress(project, annotator)
        desk.done, desk.left, desk.counted_at = standing.done, standing.left, time.monotonic()
    return desk


def _show_card(desk: Desk, card: Card) -> None:
    """Draw the card: as few elements as can be, for each costs time between key and next card."""
    place = f"Pair {desk.done + 1} of {desk.done + desk.left}"
    if card.previous:
        place = f"Again: you said “{_in_words(card)}”. Your new answer replaces it."
    st.html(card_html(card, place))
    with st.container(key="voting-bar", horizontal=True):
        for answer, label, key in BUTTONS:
            st.button(
                label,
                key=f"{answer}-{card.id}",
                shortcut=key,
                on_click=_vote,
                args=(card, answer),
                width="stretch",
                wrap=True,
                type="primary" if answer in (Answer.LEFT, Answer.RIGHT) else "secondary",
            )
    if st.toggle("Add a reason or a better answer", key="wants-reason"):
        st.text_area("Why?", key=f"reason-{card.id}", value=card.previous.reason if card.previous else "")
        st.text_area("A better answer", key=f"edited-{card.id}", value=card.previous.edited if card.previous else "")
    if desk.done:
        st.button("Undo my last answer", key=f"undo-{card.id}", shortcut="u", on_click=_undo, args=(card,), type="tertiary")


def card_html(card: Card, place: str) -> str:
    """Return the card as HTML: the three texts exactly as they are, and which pair of how many this is."""
    parts = (("prompt", "Prompt", card.prompt), ("a", "Answer A", card.shown_first), ("b", "Answer B", card.shown_second))
    sections = "".join(
        f'<section class="{name}" aria-label="{title}"><h2>{title}</h2>'
        f'<div class="scroll" tabindex="0" role="group" aria-label="{title}">{widgets.text_html(text)}</div></section>'
        for name, title, text in parts
    )
    return f'<p class="voting-place" role="status">{html.escape(place)}</p><div class="voting-card">{sections}</div>'


def _in_words(card: Card) -> str:
    """What the vote on this card says now, in the words of the buttons."""
    for answer, label, _ in BUTTONS:
        if card.previous and annotate.to_choice(answer, card) is card.previous.choice:
            return label
    return str(Choice.SKIP)


def _vote(card: Card, answer: Answer) -> None:
    """Store the answer to the card whose button was pressed; the rerun that follows draws the next one."""
    desk = st.session_state.get("desk")
    if not isinstance(desk, Desk):
        return
    if desk.card is None or desk.card.id != card.id:
        desk.note = "That key came before this pair was on the screen, so it was not counted."
        return
    try:
        services.studio().local.cast(
            card,
            annotate.to_choice(answer, card),
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


def _undo(card: Card | None) -> None:
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
        if st.button("See how far we are" if desk.done else "Generate answers", type="primary"):
            widgets.go_to("progress" if desk.done else "generate")
        if desk.done:
            st.button("Undo my last answer", shortcut="u", key="undo-end", on_click=_undo, args=(None,), type="tertiary")
