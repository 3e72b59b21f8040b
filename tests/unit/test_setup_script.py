"""The JavaScript in eSputnik's HTML, and what is said of it."""

import pytest

from gateway.setup.commands import ago
from gateway.setup.script import javascript_of


def test_what_stands_in_script_elements_comes_out_as_one_script_and_nothing_else_does() -> None:
    html = """
        <!-- <script>hidden()</script> -->
        <script type="text/javascript">a("</p>&amp;" + (1 < 2))</script>
        <noscript><img src="x.gif"></noscript><p>text</p>
        <script>
          b()  // to the end of its line
        </script>
        <script type="application/ld+json">{"a": 1}</script>
        <script>c()</script>
    """
    assert javascript_of(html) == 'a("</p>&amp;" + (1 < 2))\n;\nb()  // to the end of its line\n;\nc()\n'


def test_a_script_that_is_to_be_loaded_becomes_code_that_loads_it_in_its_turn() -> None:
    source = javascript_of('<script src="https://cdn.example/a.js?b=1&amp;c=&quot;" data-id=7></script>')
    assert source is not None
    assert 's.setAttribute("src", "https://cdn.example/a.js?b=1&c=\\"");' in source
    assert 's.setAttribute("data-id", "7");' in source
    assert "s.async = false;" in source
    assert "s.async = true;" in (javascript_of("<SCRIPT ASYNC SRC=a.js></SCRIPT>") or "")


@pytest.mark.parametrize(
    "html", ["", "Script not found", "<p>no</p>", "<script> </script>", "<script>broken(", '{"a": 1}']
)
def test_what_holds_no_script_is_none(html: str) -> None:
    assert javascript_of(html) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (200_000, "2 d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds: int, text: str) -> None:
    assert ago(seconds) == text
