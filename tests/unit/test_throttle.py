"""Throttle: fewer at once when an endpoint refuses, more again when it answers, a pause when it is down."""

import pytest

from pipeline.throttle import Signal, Throttle


def throttle(most: int = 10) -> Throttle:
    return Throttle(most, first_pause_s=1.0, now=0.0)


def end(one: Throttle, signal: Signal, *, now: float, began: float | None = None, wait_s: float | None = None) -> None:
    one.start()
    one.end(signal, began=now if began is None else began, now=now, wait_s=wait_s)


def test_it_begins_wide_open_and_never_passes_what_was_chosen() -> None:
    one = throttle(2)
    end(one, Signal.ANSWERED, now=1)
    one.start()
    assert one.may_start(1)
    one.start()
    assert not one.may_start(1)


def test_a_refusal_cuts_once_for_all_that_were_under_way_together() -> None:
    one = throttle()
    for _ in range(5):
        end(one, Signal.BUSY, began=0.5, now=1)
    # 10 x 0.6; the other four began before the cut.
    assert one.limit == 6
    end(one, Signal.BUSY, began=1.5, now=2)
    assert one.limit == pytest.approx(3.6)


def test_answers_open_it_again_about_one_more_for_each_round() -> None:
    one = throttle()
    end(one, Signal.BUSY, now=1)
    for _ in range(6):
        end(one, Signal.ANSWERED, now=2)
    # Six answers at limits of 6 to 7 add 1/6 + 1/6.17 + ... = 0.93.
    assert 6.9 < one.limit < 7.0
    for _ in range(100):
        end(one, Signal.ANSWERED, now=3)
    assert one.limit == 10


def test_nothing_begins_before_the_time_a_server_asks_for() -> None:
    one = throttle()
    end(one, Signal.BUSY, now=1, wait_s=5)
    assert not one.may_start(5.9)
    assert one.may_start(6)


def test_an_endpoint_that_is_down_is_tried_one_by_one_ever_more_rarely_and_comes_back_fast() -> None:
    one = throttle(64)
    end(one, Signal.DOWN, now=10)
    assert (one.limit, one.resumes_at) == (1, 11)
    end(one, Signal.DOWN, now=11)
    assert one.resumes_at == 13
    for _ in range(5):
        end(one, Signal.DOWN, now=one.resumes_at)
    before = one.resumes_at
    end(one, Signal.DOWN, now=before)
    assert one.resumes_at == before + 15
    for _ in range(63):
        end(one, Signal.ANSWERED, now=200)
    # Each answer lets one more in until it is as wide as before.
    assert one.limit == 64
