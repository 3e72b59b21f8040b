"""The newest requests, as they came; bounded in number and bytes."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from gateway.sandbox.identity import people

REQUESTS = 50_000
BYTES = 256 * 2**20
_SECRETS = frozenset({"authorization", "x-api-key", "es-token", "cookie", "proxy-authorization"})


@dataclass(slots=True)
class Request:
    """One request; `status` is None until it is answered, and for ever where it was cut off."""

    at: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    size: int
    number: int = 0
    """Its place in the order of arrival, from 1."""
    status: int | None = None
    taken: bool = False
    """Whether it took effect, as it also does where only the answer is lost."""
    match: dict[str, str] = field(default_factory=dict)
    """What its path holds where the route has a name in braces."""
    length: int = 0
    """Bytes of its body."""

    def names(self) -> set[str]:
        """Return every identifier of the people whom it names itself."""
        held = (identity.names() for identity in people(self.body))
        return set(self.query.values()).union(*held)


class Journal:
    """Remembers requests in order of arrival, forgetting the oldest past its bounds."""

    def __init__(self, requests: int = REQUESTS, size: int = BYTES) -> None:
        self._most = requests
        self._most_bytes = size
        self._bytes = 0
        self._count = 0
        self._requests: deque[Request] = deque()

    def add(self, request: Request) -> None:
        """Remember the request, and number it."""
        self._count += 1
        request.number = self._count
        self._requests.append(request)
        self._bytes += request.size
        while len(self._requests) > self._most or self._bytes > self._most_bytes:
            self._bytes -= self._requests.popleft().size

    def find(
        self, path: str = "*", since: str = "", names: set[str] | None = None, after: int = 0
    ) -> Iterator[Request]:
        """Yield what is on the path (`*` stands for anything), not before `since`, about one of `names`.

        `after` is the number of a request that is known already.
        """
        known = after - (self._count - len(self._requests))
        for request in islice(self._requests, max(0, known), None):
            if request.at < since or not fnmatchcase(request.path, path):
                continue
            if names is None or names & request.names():
                yield request


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds, which sorts as text."""
    return iso(datetime.now(UTC))


def iso(moment: datetime) -> str:
    """Return a moment in the form of `now`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def masked(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers as they came on the wire, without the secrets that they carry."""
    shown = ((name.decode("latin-1"), value.decode(errors="replace")) for name, value in headers)
    return {name: "***" if name.lower() in _SECRETS else value for name, value in shown}
