"""`gateway feed check` and `gateway feed fix` as somebody calls them."""

import re
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import cli
from gateway.errors import ConfigError
from tests.feed.shop import feed, product

SITE = """
[[sites]]
id = "shop"
keys = ["shop-key"]
[sites.feed]
currency = "UAH"
brand = "Без марки"
links = {{ uk = "{0}/uk.xml", en = "{0}/en.xml" }}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["feed", *map(str, arguments)])


def write(tmp_path: Path, text: str, name: str = "feed.xml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (feed(product()), 0),
        (feed(product(price="0 UAH")), 1),
        (feed(product(brand=None)), 2),
        ("<html>", 3),
    ],
)
def test_the_exit_status_tells_the_worst(tmp_path: Path, text: str, status: int):
    assert run("check", write(tmp_path, text)).exit_code == status


def test_the_terminal_shows_groups_worst_first_with_lines_and_what_to_do(tmp_path: Path):
    path = write(tmp_path, feed(product(1, price="0 UAH"), product(2, brand=None), product(3, brand=None)))
    shown = run("check", path).stdout
    assert re.search(r"feed.xml: 3 products, 3 in stock, 1 with price 0, 0 without a category", shown)
    assert re.search(
        r"ERROR +2  brand is missing → every product needs it\n +line 15  K-2\n +line 25  K-3\n", shown
    )
    assert shown.index("ERROR") < shown.index("WARNING")
    assert shown.endswith("2 errors, 1 warnings\n")


def test_what_a_feed_holds_moves_no_cursor_and_is_no_markup(tmp_path: Path):
    evil = "\N{CONTROL SEQUENCE INTRODUCER}31m\u202eevil<script>alert(1)</script>"
    path = write(tmp_path, feed(product(1, title=evil)))
    shown = run("check", path, "--html", tmp_path / "page.html").stdout
    assert "\N{CONTROL SEQUENCE INTRODUCER}" not in shown
    assert "\u202e" not in shown
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_json_holds_counts_groups_and_examples(tmp_path: Path):
    path = write(tmp_path, feed(product(1, price="5")))
    report = orjson.loads(run("check", path, "--json").stdout)
    assert report["worst"] == "error"
    assert report["counts"] == {"unreadable": 0, "error": 1, "warning": 0, "notice": 0}
    (group,) = report["groups"]
    assert (group["code"], group["field"], group["count"]) == ("no_currency", "price", 1)
    assert group["examples"] == [{"feed": str(path), "line": 11, "id": "K-1", "detail": "5"}]


def test_a_site_lends_its_links_and_settings(tmp_path: Path):
    config = write(tmp_path, SITE.format("http://127.0.0.1:9"), "gateway.toml")
    checked = run("check", "--site", "shop", "--config", config, "--json")
    assert [one["name"] for one in orjson.loads(checked.stdout)["feeds"]] == [
        "http://127.0.0.1:9/uk.xml",
        "http://127.0.0.1:9/en.xml",
    ]
    path = write(tmp_path, feed(product(price="5", brand=None)))
    assert run("fix", path, tmp_path / "new.xml", "--site", "shop", "--config", config).exit_code == 0
    assert "5 UAH" in (tmp_path / "new.xml").read_text()
    assert "Без марки" in (tmp_path / "new.xml").read_text()


def test_markets_of_a_site_or_of_the_command_are_checked_beside_the_main_feed(tmp_path: Path):
    config = write(tmp_path, SITE.format("http://127.0.0.1:9"), "gateway.toml")
    config.write_text(config.read_text() + 'markets = { pl = "http://127.0.0.1:9/pl.xml" }\n')
    checked = run("check", "--site", "shop", "--config", config, "--json")
    assert orjson.loads(checked.stdout)["feeds"][-1]["name"] == "market pl"
    main = write(tmp_path, feed(product(1)))
    market = write(tmp_path, feed(product(1, price="9 PLN"), product(2)), "pl.xml")
    shown = run("check", main, "--market", f"PL={market}")
    assert shown.exit_code == 2
    assert "id is not in the main feed → put it into the main feed, too" in shown.stdout
    assert "market pl, line" in shown.stdout
    refused = run("check", main, "--market", str(market))
    assert "name the market and its feed, as in pl=URL-or-FILE" in str(refused.exception)
    assert isinstance(refused.exception, ConfigError)


def test_fix_lists_what_it_changed_and_leaves_the_feed_alone(tmp_path: Path):
    path = write(tmp_path, feed(product(1, price="5")))
    before = path.read_text()
    shown = run("fix", path, tmp_path / "new.xml", "--currency", "UAH").stdout
    assert "price: given its currency" in shown
    assert "line 11  K-1  5 → 5 UAH" in shown
    assert path.read_text() == before
    assert run("check", tmp_path / "new.xml").exit_code == 0
    assert "nothing to mend" in run("fix", tmp_path / "new.xml", tmp_path / "newer.xml").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "feed.xml", "--html", "no/report.html"], "--html: there is no folder no"),
        (["check", "feed.xml", "--html", "."], "--html: . is a folder: name a file in it"),
        (["check", "feed.xml", "--seen", "ids"], "--seen: there is no file ids"),
        (["fix", "feed.xml", "."], "the new file: . is a folder: name a file in it"),
        (["fix", "feed.xml", "new.xml", "--currency", "грн"], "--currency грн: give the code of ISO 4217"),
        (
            ["fix", "feed.xml", "new.xml", "--base", "shop.example"],
            "--base shop.example: give the whole",
        ),
    ],
)
def test_what_cannot_be_done_is_told_before_the_feed_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
):
    monkeypatch.chdir(tmp_path)
    refused = run(*arguments)
    assert sentence in str(refused.exception)
    assert isinstance(refused.exception, ConfigError)


def test_fix_does_not_write_over_the_feed(tmp_path: Path):
    path = write(tmp_path, feed(product(1, price="5")))
    refused = run("fix", path, path)
    assert refused.exit_code != 0
    assert "name a new file" in str(refused.exception)
