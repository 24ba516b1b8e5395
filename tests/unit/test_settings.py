"""Settings are read from the environment, and what is wrong is said without repeating it."""

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import Settings


def test_keys_are_pairs_of_a_variable_and_an_address():
    read = Settings.from_env({"STUDIO_KEYS": " MY_KEY=https://my.host/v1, K2=http://10.0.0.2:8000/v1?a=b\n"})
    assert read.keys == (("MY_KEY", "https://my.host/v1"), ("K2", "http://10.0.0.2:8000/v1?a=b"))
    assert Settings.from_env({}).keys == ()


@pytest.mark.parametrize("text", ["sk-live-123", "MY_KEY=sk-live-123", "my_key=https://my.host", "MY_KEY=https:///sk-live-123"])
def test_keys_that_are_no_pairs_are_refused_and_not_repeated(text: str):
    with pytest.raises(SettingsError, match="STUDIO_KEYS") as caught:
        Settings.from_env({"STUDIO_KEYS": text})
    assert "sk-live-123" not in caught.value.message + caught.value.hint


def test_no_secret_is_seen_where_settings_are_printed():
    secrets = dict.fromkeys(("STUDIO_PASSWORD", "HF_TOKEN", "ARGILLA_API_KEY", "STUDIO_DATABASE_URL"), "s3cret")
    read = Settings.from_env(secrets)
    assert read.password == "s3cret"
    assert "s3cret" not in repr(read)
    assert Settings.from_env({"STUDIO_PASSWORD": " \n"}).password == ""
