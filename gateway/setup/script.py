"""The JavaScript in the HTML that eSputnik has for a shop's pages. Pure."""

import json
from collections.abc import Sequence
from html.parser import HTMLParser

_TYPES = frozenset(["", "text/javascript", "application/javascript", "text/ecmascript"])
"""What a browser runs; any other type is data."""

_TELLING = 8
"""Characters of a siteId from which on it does not stand in a script by chance; eSputnik's own have 32."""

Attributes = Sequence[tuple[str, str | None]]


def javascript_of(html: str) -> str | None:
    """Return what the script elements do, in their order, as one script; None without a whole one.

    An element with `src` becomes code that loads it: in its turn among such, unless it says async.
    """
    scripts = _Scripts()
    scripts.feed(html)
    scripts.close()
    found = [source for source in map(str.strip, scripts.found) if source]
    if scripts.is_open or not found:
        return None
    return "\n;\n".join(found) + "\n"


def names(html: str | None, site_id: str | None) -> bool:
    """Return whether the script names that siteId, and so is of that domain."""
    return bool(html and site_id and len(site_id) >= _TELLING and site_id in html)


class _Scripts(HTMLParser):
    """Gathers the script elements; html.parser hands over what is in them as it stands."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a script, or note the one that is to be loaded."""
        if tag != "script" or (dict(attrs).get("type") or "").lower() not in _TYPES:
            return
        self.is_open = not dict(attrs).get("src")
        self.found.append("" if self.is_open else _loading(attrs))

    def handle_data(self, data: str) -> None:
        """Take in what is in an open script."""
        if self.is_open:
            self.found[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """End it."""
        if tag == "script":
            self.is_open = False


def _loading(attributes: Attributes) -> str:
    """Return code that loads a script; one that is made by code is async unless it is told otherwise."""
    names = dict(attributes)
    lines = [f"s.setAttribute({json.dumps(name)}, {json.dumps(value or '')});" for name, value in attributes]
    is_async = json.dumps("async" in names)
    return "\n".join(
        [
            "(function (d) {",
            'var s = d.createElement("script");',
            f"s.async = {is_async};",
            *lines,
            "(d.head || d.documentElement).appendChild(s);",
            "})(document)",
        ]
    )
