import json
import subprocess
import sys

import pytest

from gateway.config import Config, Site, load
from gateway.errors import ConfigError
from gateway.ingest.auth import Keys
from gateway.ingest.problem import Problem
from gateway.keys import hashed, new_key

KEY = "gw_" + "k" * 43
KEYS = Keys({"one": Site(id="one", keys=[hashed(KEY)]).keys, "two": Site(id="two", keys=["plain-key"]).keys})


def gateway_key(command: str, typed: str = "") -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "key", command],
        input=typed,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ended.stdout.splitlines()


def test_a_new_key_is_long_random_and_fits_into_a_header():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 43 and key.isascii() and key.isprintable() and ":" not in key for key in keys)


def test_a_key_whose_hash_is_configured_opens_its_site():
    assert KEYS.holder({"X-Api-Key": KEY}) == "one"
    assert KEYS.holder({"X-Api-Key": "plain-key"}) == "two"


@pytest.mark.parametrize("presented", [hashed(KEY), hashed(KEY).removeprefix("sha256:"), hashed("plain-key")])
def test_a_hash_is_no_key(presented):
    with pytest.raises(Problem) as refused:
        KEYS.holder({"X-Api-Key": presented})
    assert refused.value.code == "key_unknown"


def test_the_command_line_makes_a_key_with_its_hash():
    key, its_hash = gateway_key("new")
    assert its_hash == hashed(key)
    assert gateway_key("hash", f"{key}\n") == [its_hash]


@pytest.mark.parametrize("key", ["sha256:", "sha256:abc", hashed(KEY)[:-1], f"sha256:{'A' * 64}", "abc"])
def test_what_is_no_key_and_no_hash_is_a_mistake_that_does_not_show_it(key, monkeypatch):
    sites = [{"id": "one", "keys": ["good-key"]}]
    monkeypatch.setenv("GATEWAY_SITES", json.dumps([sites[0] | {"keys": ["good-key", key]}]))
    with pytest.raises(ConfigError) as problem:
        load()
    (sentence,) = problem.value.mistakes
    assert sentence.startswith("sites[0].keys[1]: one ")
    assert f'"{key}"' not in sentence
    monkeypatch.setenv("GATEWAY_SITES", json.dumps(sites))
    monkeypatch.setenv("GATEWAY_OPERATOR__KEYS", json.dumps([key]))
    with pytest.raises(ConfigError, match=r"operator\.keys\[0\]: one "):
        load()


def test_a_key_and_its_hash_at_two_sites_are_one_key_twice():
    with pytest.raises(ValueError, match="stands twice"):
        Config(sites=[{"id": "one", "keys": [KEY]}, {"id": "two", "keys": [hashed(KEY)]}])
