import json
from pathlib import Path

import pytest

from gateway.config import SITE_SHORTCUT, load
from gateway.errors import ConfigError

README_FILE = """
[listen]
host = "127.0.0.1"
port = 8080
metrics_port = 9100

[stream]
kind = "sqlite"
path = "data/stream.db"

[links]
url = "sqlite:data/links.db"

[[sites]]
id = "demo-shop"
keys = ["demo-key"]
tracker = "key"
country = "UA"
tracker_url = "http://127.0.0.1:8090/api/v2"
api_url = "http://127.0.0.1:8090/api"
api_key = "sandbox-key"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("GATEWAY_CONFIG", "GATEWAY_SITES", *SITE_SHORTCUT):
        monkeypatch.delenv(name, raising=False)

    def write(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def mistakes(path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as problem:
        load(path)
    return problem.value.mistakes


def test_the_file_of_the_readme_works_as_it_stands(file):
    config = load(file(README_FILE))
    assert config.site("demo-shop").api_url == "http://127.0.0.1:8090/api"
    assert config.stream.path == Path("data/stream.db")


def test_the_environment_wins_over_the_file(file, monkeypatch):
    monkeypatch.setenv("GATEWAY_LISTEN__PORT", "9999")
    config = load(file(README_FILE))
    assert (config.listen.port, config.listen.metrics_port) == (9999, 9100)


def test_sites_come_from_one_json_variable(file, monkeypatch):
    sites = [{"id": "a", "keys": ["key-a"]}, {"id": "b", "tracker": "open"}]
    monkeypatch.setenv("GATEWAY_SITES", json.dumps(sites))
    assert [site.id for site in load().sites] == ["a", "b"]


def test_one_site_comes_from_three_variables(file, monkeypatch):
    monkeypatch.setenv("GATEWAY_SITE_ID", "shop")
    monkeypatch.setenv("GATEWAY_SITE_KEY", "shop-key")
    monkeypatch.setenv("GATEWAY_ESPUTNIK_KEY", "es-key")
    (site,) = load().sites
    assert site.id == "shop"
    assert site.api_key.get_secret_value() == "es-key"


def test_without_anything_the_missing_variables_are_named(file, monkeypatch):
    monkeypatch.setenv("GATEWAY_SITE_ID", "shop")
    (sentence,) = mistakes()
    assert "GATEWAY_SITE_KEY, GATEWAY_ESPUTNIK_KEY" in sentence
    assert "GATEWAY_SITE_ID" not in sentence


def test_every_mistake_is_named_at_once_with_its_place(file):
    text = README_FILE.replace("port = 8080", "port = 80800").replace('"UA"', '"ZZ"') + "colour = 1\n"
    places = [mistake.partition(":")[0] for mistake in mistakes(file(text))]
    assert places == ["listen.port", "sites[0].country", "sites[0].colour"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (('kind = "sqlite"', 'kind = "kafka"'), "brokers"),
        (
            ('kind = "sqlite"', 'kind = "kafka"\nbrokers = ["b:9092"]\nreplication = 1'),
            "min_insync is larger",
        ),
        (('kind = "sqlite"', 'kind = "kafka"\nbrokers = ["b:9092"]\nmin_insync = 1'), "dev = true"),
        (("sqlite:data", "mysql://data"), "links.url"),
        (("port = 8080", "drain_seconds = 20"), "listen: drain_seconds is a part of grace_seconds"),
        (("http://127.0.0.1:8090/api/v2", "ftp://shop"), "sites[0].tracker_url"),
        (('tracker = "key"', "link_age_days = inf"), "sites[0].link_age_days: Input should be a finite"),
        (('keys = ["demo-key"]', ""), "sites[0]"),
        (('keys = ["demo-key"]', 'keys = ["same-key", "same-key"]'), "stands twice"),
        (('id = "demo-shop"', 'id = "a shop"'), "sites[0].id"),
        (('tracker = "key"', 'sources = {StatusCar = "browser"}'), "the nearest name is 'StatusCart'"),
        (('tracker = "key"', 'sources = {Logout = "browser"}'), "the gateway's own event"),
        (('tracker = "key"', 'sources = {StatusCart = "shop"}'), "sites[0].sources.StatusCart"),
        (('tracker = "key"', 'tracker_site_id = "a shop"'), "sites[0].tracker_site_id"),
    ],
)
def test_what_cannot_keep_its_promise_refuses_to_boot(file, change, place):
    assert place in " ".join(mistakes(file(README_FILE.replace(*change))))


@pytest.mark.parametrize("of_the_other", ['id = "es-1"', 'id = "b"\ntracker_site_id = "es-1"'])
def test_one_site_id_names_one_site(file, of_the_other):
    own = README_FILE.replace('tracker = "key"', 'tracker_site_id = "es-1"')
    other = f'[[sites]]\n{of_the_other}\nkeys = ["other-key"]\n'
    assert "'es-1' stands twice" in " ".join(mistakes(file(own + other)))
    same = README_FILE.replace('tracker = "key"', 'tracker_site_id = "demo-shop"')
    assert load(file(same)).sites[0].names == ("demo-shop",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "api_key_file is an empty file"),
        (b" \n", "api_key_file is an empty file"),
        (b"\xff\xfe", "api_key_file must be the path of a file that holds text in UTF-8"),
    ],
)
def test_a_secret_file_that_holds_no_secret_is_refused_not_taken_for_none(file, tmp_path, content, sentence):
    (tmp_path / "key").write_bytes(content)
    text = README_FILE.replace('api_key = "sandbox-key"', f'api_key_file = "{tmp_path / "key"}"')
    assert sentence in " ".join(mistakes(file(text)))


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 20_000, "x = 1" + "0" * 5000, "x = \udcff", "[[sites"], ids=lambda text: text[:7]
)
def test_a_file_that_cannot_be_read_as_toml_is_a_sentence(file, tmp_path, text):
    (tmp_path / "bad.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    (sentence,) = mistakes(tmp_path / "bad.toml")
    assert "bad.toml: " in sentence


def test_a_secret_may_come_from_a_file(file, tmp_path):
    (tmp_path / "key").write_text("from-a-file\n")
    text = README_FILE.replace('api_key = "sandbox-key"', f'api_key_file = "{tmp_path / "key"}"')
    assert load(file(text)).site("demo-shop").api_key.get_secret_value() == "from-a-file"


def test_a_secret_file_that_is_not_there_is_named(file):
    text = README_FILE.replace('api_key = "sandbox-key"', 'api_key_file = "/nowhere"')
    assert "api_key_file cannot be read" in " ".join(mistakes(file(text)))


def test_a_secret_file_that_is_no_path_is_a_mistake_and_not_a_crash(file):
    text = README_FILE.replace('api_key = "sandbox-key"', "api_key_file = 5")
    assert "api_key_file must be the path of a file" in " ".join(mistakes(file(text)))


def test_no_mistake_repeats_a_value_that_may_be_a_secret(file):
    text = README_FILE.replace('["demo-key"]', '"s3cret-value"').replace("sqlite:", "s3cret-value:")
    assert "s3cret-value" not in " ".join(mistakes(file(text)))


def test_secrets_do_not_show_in_the_configuration_itself(file):
    shown = repr(load(file(README_FILE)))
    assert "demo-key" not in shown
    assert "sandbox-key" not in shown


def test_a_file_that_is_no_toml_is_a_sentence(file):
    assert "gateway.toml" in mistakes(file("[[["))[0]


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    assert "No such file" in mistakes(tmp_path / "none.toml")[0]


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example"])
def test_an_address_that_no_host_can_have_is_a_mistake(file, host):
    text = README_FILE.replace("http://127.0.0.1:8090/api/v2", f"http://{host}/api/v2")
    (mistake,) = mistakes(file(text))
    assert "tracker_url" in mistake
    assert "must name a host that can exist" in mistake
