import math

from pipeline.adapters.ledger import Ledger, host_of
from pipeline.adapters.store import Store
from pipeline.prices import find, shipped
from pipeline.records import Endpoint

ENDPOINT = Endpoint(model="tiny", base_url="https://Example.org/v1", price_in=0.5, price_out=1.5)


def test_a_price_saved_in_the_workspace_is_found_again_and_may_be_changed(store: Store):
    ledger = Ledger(store)
    assert ledger.price("tiny", ENDPOINT.base_url) is None
    ledger.save_price(ENDPOINT)
    ledger.save_price(Endpoint(model="tiny", base_url="https://example.org/v1/", price_in=0.4, price_out=1.2))
    saved = ledger.price("tiny", "https://example.org/other")
    assert saved is not None
    assert (saved.price_in, saved.price_out) == (0.4, 1.2)


def test_a_model_costs_its_own_price_at_each_host(store: Store):
    Ledger(store).save_price(ENDPOINT)
    assert Ledger(store).price("tiny", "http://localhost:8000/v1") is None


def test_the_host_never_holds_a_name_or_password():
    assert host_of("https://me:secret@example.org:8443/v1") == "example.org:8443"


def test_every_shipped_price_is_dated_and_positive():
    for price in shipped():
        assert len(price.as_of) == 10
        assert price.source
        assert 0 < price.price_in <= price.price_out < math.inf
        assert find(price.model, price.host) == price


def test_a_project_that_asked_nothing_spent_nothing(store: Store):
    assert Ledger(store).spend("nl").empty
