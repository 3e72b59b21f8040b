"""What a shop's service workers are, and how eSputnik's goes together with another's. Pure.

A browser has one worker for each scope: whoever registers a second one there replaces the first, and the
first one's subscribers hear nothing more. So another's worker stays, and imports eSputnik's.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from gateway.setup.place import folder

_PROVIDERS = (
    ("OneSignal", "onesignal"),
    ("Firebase", "firebase"),
    ("PushEngage", "pushengage"),
    ("SendPulse", "sendpulse"),
    ("SendPulse", "webpushs.com"),
    ("SendPulse", "sp-push-worker"),
    ("Gravitec", "gravitec"),
    ("Webpushr", "webpushr"),
    ("PushPushGo", "pushpushgo"),
    ("Pusher Beams", "pusher.com/beams"),
    ("Workbox (an offline app)", "workbox"),
    ("Angular (an offline app)", "ngsw"),
)
"""A provider's name, and what its worker mentions or is called."""
_UNKNOWN = "the shop's own, or a provider's that is not known here"

FILE_CHARACTERS = 256 * 1024
"""How much of a worker's file is looked at."""
_MERGED_CHARACTERS = 20_000
"""A longer worker is not written out with the line added, but imported."""

_JAVASCRIPT = frozenset(
    f"{kind}/{name}"
    for kind in ("text", "application")
    for name in ("javascript", "x-javascript", "ecmascript", "x-ecmascript")
)
"""What browsers take a worker as; one served as anything else is none (W3C Service Workers, 4.1 Update)."""
_ESPUTNIK = re.compile(r"\b(?:esputnik\.com|yespo\.io|yespo\.tech)\b", re.IGNORECASE)
# Nothing here can fail late: what is not closed goes to the end, so a hostile file costs one pass, too.
_STRING_OR_COMMENT = re.compile(
    r""""(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?|(//[^\n]*|/\*.*?(?:\*/|\Z))""", re.DOTALL
)
_IMPORT = re.compile(r"(?:self\.)?importScripts\(\s*['\"`]([^'\"`]*)['\"`]\s*\)\s*;?")
_MODULE = re.compile(r"^\s*(?:import(?:\s+\w|\s*[{*'\"])|export\s)", re.MULTILINE)
_REGISTER = re.compile(
    r"serviceWorker\s*\.\s*register\s*\(\s*(['\"`])([^'\"`]{1,500})\1(?:\s*,\s*\{([^}]{0,500})\})?"
)
_SCOPE = re.compile(r"\bscope['\"]?\s*:\s*(['\"`])([^'\"`]{1,500})\1")


class Registration(NamedTuple):
    """A worker that a page registers."""

    path: str
    """With its query."""
    scope: str


class Seen(NamedTuple):
    """What the shop answered under a path."""

    path: str
    scope: str
    status: int
    content_type: str
    text: str
    is_whole: bool
    """Whether the text is all of it."""
    allowed: str = ""
    """Its Service-Worker-Allowed, where it has one."""

    @property
    def widest_scope(self) -> str:
        """The scope that browsers give a worker from there at most (W3C Service Workers, 4.1 Update)."""
        widest = _joined(self.path, self.allowed) if self.allowed else None
        return widest.path if widest else folder(self.path)


class Worker(NamedTuple):
    """A worker that stands at a shop."""

    path: str
    scope: str
    text: str
    is_whole: bool
    provider: str
    """Whose it is besides eSputnik's."""
    takes_ours: bool
    """Whether eSputnik's pushes arrive in it."""
    is_ours_alone: bool
    """Whether nothing is lost with it, for it does nothing but import eSputnik's."""

    @property
    def is_merged(self) -> bool:
        """Whether eSputnik's pushes arrive in it, and more would be lost with it."""
        return self.takes_ours and not self.is_ours_alone


class Merging(NamedTuple):
    """How one worker takes eSputnik's in."""

    path: str
    scope: str
    provider: str
    merged: str
    """The whole file as it should be at `path`; nothing where it takes eSputnik's in already."""
    steps: list[str]


def registrations(page: str, address: str) -> list[Registration]:
    """Return the workers of its own host that the web page at `address` registers in plain words."""
    found = []
    for call in _REGISTER.finditer(page):
        worker = _joined(address, call[2])
        if worker is None or worker.netloc != urlsplit(address).netloc:
            continue
        option = _SCOPE.search(call[3] or "")
        scope = _joined(address, option[2]) if option else None
        path = f"{worker.path}?{worker.query}" if worker.query else worker.path
        found.append(Registration(path, scope.path if scope else folder(worker.path)))
    return found


def _joined(address: str, link: str) -> SplitResult | None:
    try:
        return urlsplit(urljoin(address, link))
    except ValueError:
        return None


def worker_in(seen: Seen, ours: Collection[str]) -> Worker | None:
    """Return the worker that an answer is; None where it is none.

    `ours` are addresses under which eSputnik's worker is known besides its own hosts.
    """
    is_script = seen.content_type.partition(";")[0].strip().lower() in _JAVASCRIPT
    if seen.status != 200 or not is_script:
        return None
    if not seen.text.strip() or seen.text.lstrip().startswith("<"):
        return None
    return worker_of(seen.path.partition("?")[0], seen.scope, seen.text, ours, seen.is_whole)


def worker_of(path: str, scope: str, text: str, ours: Collection[str], is_whole: bool = True) -> Worker:
    """Return the worker whose file is that text, or begins with it."""
    code = _without_comments(text)
    alone = is_whole and _is_ours_alone(code, ours)
    takes_ours = alone or _is_ours(code, ours)
    return Worker(path, scope, text, is_whole, _provider(path, code), takes_ours, alone)


def _is_ours_alone(code: str, ours: Collection[str]) -> bool:
    addresses = _IMPORT.findall(code)
    rest = _IMPORT.sub("", code)
    return bool(addresses) and not rest.strip() and all(_is_ours(one, ours) for one in addresses)


def is_as_given(worker: Worker, given: str, ours: Collection[str]) -> bool:
    """Return whether the worker holds the text that eSputnik gave, or imports one of the addresses `ours`.

    Of a file that is looked at in part nothing is held against it.
    """
    if not worker.is_whole or given.strip() in worker.text:
        return True
    code = _without_comments(worker.text)
    return any(address in code for address in ours)


def imported(text: str) -> list[str]:
    """Return the addresses that a worker imports."""
    return _IMPORT.findall(_without_comments(text))


def _is_ours(code: str, ours: Collection[str]) -> bool:
    return bool(_ESPUTNIK.search(code)) or any(address in code for address in ours)


def _provider(path: str, code: str) -> str:
    for text in (code.lower(), path.lower()):
        for name, mark in _PROVIDERS:
            if mark in text:
                return name
    return _UNKNOWN


def _without_comments(text: str) -> str:
    return _STRING_OR_COMMENT.sub(lambda found: " " if found[1] else found[0], text)


def in_the_way(workers: Iterable[Worker], path: str, scope: str) -> list[Worker]:
    """Return the workers that one at `path` with `scope` would replace, with more in them than eSputnik's."""
    workers = list(workers)
    is_merged = any(one.path == path and one.is_merged for one in workers)
    return [one for one in workers if _is_in_the_way(one, path, scope, is_merged)]


def _is_in_the_way(worker: Worker, path: str, scope: str, is_merged: bool) -> bool:
    if worker.path != path and not scope.startswith(worker.scope):
        return False
    if worker.path == path or is_merged:
        return not worker.takes_ours
    return not worker.is_ours_alone


def import_line(address: str) -> str:
    """Return the line by which a worker takes in the one at `address`."""
    return f"importScripts('{address}');"


def merging(worker: Worker, address: str) -> Merging:
    """Return how that worker takes in eSputnik's, which is at `address`."""
    if worker.takes_ours:
        merged, steps = "", ["leave the file as it is: it imports eSputnik's worker already"]
    else:
        merged, steps = _merged(worker, address)
    return Merging(worker.path, worker.scope, worker.provider, merged, steps)


def _merged(worker: Worker, address: str) -> tuple[str, list[str]]:
    line = import_line(address)
    if _MODULE.search(_without_comments(worker.text)):
        return "", [
            f"{worker.path} is a module, where importScripts does not work: build it as a classic script",
            f"then put this line at its top: {line}",
        ]
    if worker.is_whole and len(worker.text) <= _MERGED_CHARACTERS:
        return f"{line}\n{worker.text}", [f"put this line at the top of {worker.path}: {line}"]
    renamed = worker.path.removesuffix(".js") + ".own.js"
    return f"{line}\n{import_line(renamed)}\n", [
        f"put this line at the top of {worker.path}: {line}",
        f"or, where something writes that file anew, let it write {renamed}, and make {worker.path} "
        "of two lines that import both",
    ]


def reason(workers: Sequence[Worker]) -> str:
    """Return why nothing was set up."""
    those = ", ".join(f"{one.path} ({one.provider}, scope {one.scope})" for one in workers)
    return (
        f"the shop has another worker: {those}; a second one at its scope would replace it, and its "
        "subscribers would hear nothing more, so nothing was changed: let it import eSputnik's worker"
    )
