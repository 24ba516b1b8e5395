import pandas as pd
import pytest

from pipeline.errors import GenerationError
from pipeline.estimates import check_budget, estimate_answers, estimate_verdicts, surely_too_long
from pipeline.records import Endpoint, Prompt

PRICED = Endpoint(model="m", base_url="http://x/v1", price_in=1.0, price_out=10.0, concurrency=2, max_tokens=100)
PROMPTS = [Prompt(id=str(number), text="a" * 100) for number in range(4)]


def test_without_measurements_the_sizes_of_the_texts_speak():
    told = estimate_answers(PROMPTS, "", PRICED)
    # 100 bytes are 20 to 50 tokens, and 12 for the chat template; an answer has 60 to 100 tokens; 4 of each.
    assert (told.tokens_in, told.tokens_out) == ((128, 248), (240, 400))
    # A million read costs 1 dollar, a million written 10: (128 + 2400) to (248 + 4000) millionths.
    assert told.cost_usd == pytest.approx((0.002528, 0.004248))


def test_measured_answers_narrow_the_estimate_by_a_prediction_interval():
    measured = pd.DataFrame({"tokens_out": [40, 60] * 5, "seconds": [1.0] * 10})
    told = estimate_answers(PROMPTS, "", PRICED, measured=measured)
    # Mean 50, deviation 10 * sqrt(10/9) = 10.541; half = 1.96 * 10.541 * sqrt(1/10 + 1/4) = 12.223; times 4 answers.
    assert told.tokens_out == (151, 249)
    assert told.seconds == (2.0, 2.0)


def test_each_pair_is_judged_in_the_orders_it_lacks():
    pairs = pd.DataFrame({"prompt": ["a" * 100] * 2, "first": ["b" * 100] * 2, "second": ["c" * 100] * 2, "orders": [2, 1]})
    told = estimate_verdicts(pairs, PRICED)
    # 300 bytes are 60 to 150 tokens, with 350 to 700 of instructions; both orders of one pair, and the one left of another.
    assert (told.requests, told.tokens_in) == (3, (1230, 2550))


def test_a_budget_smaller_than_one_answer_is_refused_before_anything_is_spent():
    told = estimate_answers(PROMPTS, "", PRICED)
    with pytest.raises(GenerationError, match=r"one answer costs at least about 0\.000632"):
        check_budget(told, Endpoint(model="m", base_url="", price_in=1.0, price_out=10.0, budget_usd=0.0001))
    with pytest.raises(GenerationError, match=r"leaves 0\.00 "):
        check_budget(told, Endpoint(model="m", base_url="", price_in=1.0, price_out=10.0, budget_usd=5.0), spent_usd=5.0)
    check_budget(told, Endpoint(model="m", base_url="", price_in=1.0, price_out=10.0, budget_usd=0.01))


def test_without_prices_there_is_no_cost():
    assert estimate_answers(PROMPTS, "", Endpoint(model="m", base_url="")).cost_usd is None


def test_a_prompt_that_cannot_fit_the_context_is_named_before_the_start():
    # 100 bytes are at least 20 tokens, and 12 are the template's.
    assert surely_too_long(PROMPTS, "", context_tokens=32) == PROMPTS
    assert surely_too_long(PROMPTS, "", context_tokens=33) == []
