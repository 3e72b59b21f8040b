"""Whom recommendations are asked for, in which words, and what eSputnik's answer is worth. Pure.

eSputnik takes one of contactId, email, phone, externalCustomerId and webId, which is the cookie (docs page
29728470608, whose table prints the last one as webI).
"""

from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from gateway import identifiers
from gateway.esputnik.answers import Answer, classify
from gateway.esputnik.client import Passed
from gateway.esputnik.errors import KeyRefused, RateLimited, Refused

CUSTOMER = "externalCustomerId"
COOKIE = "webId"
IDENTIFIERS = ("contactId", "email", "phone", CUSTOMER, COOKIE)
_COOKIE_TOO = "webI"
_OF_CONTACTS = frozenset(["contactId", "email", "phone"])
_ALL = frozenset([*IDENTIFIERS, _COOKIE_TOO])


class Outcome(StrEnum):
    """What became of a request; those that leave a page without recommendations say why."""

    ANSWERED = "answered"
    KEPT = "kept"
    NOTHING_FOUND = "nothing_found"
    REFUSED = "refused"
    KEY_REFUSED = "key_refused"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline"
    BUSY = "busy"
    NOBODY = "nobody"


UNHELPFUL = frozenset([Outcome.NOTHING_FOUND, Outcome.REFUSED])
"""After these it is worth asking by another identifier; they are as good in a while as now."""
FULL = frozenset([Outcome.ANSWERED, Outcome.KEPT])


class Recommended(NamedTuple):
    """A list of products, as eSputnik gave it, or an empty one and why."""

    outcome: Outcome
    body: bytes = b"[]"


class Asked(NamedTuple):
    """What a caller asked."""

    path: str
    """With the data source, relative to the API."""
    others: str
    """The query without identifiers, as it came."""
    whole: str
    """The query as it came, where it names a contact; eSputnik gets that unchanged."""
    customer: str | None
    cookie: str | None

    def of(self, name: str, value: str) -> str:
        """Return the question about whom that one identifier names: path and query."""
        return f"{self.path}?{self.others}{'&' * bool(self.others)}{name}={quote(value, safe='')}"


def asked(path: str, query: str, blocked: frozenset[str]) -> Asked | None:
    """Return what the query asks; None where it names no identifier.

    A customer or a cookie that names nobody (no text, as while a new visitor has no cookie yet, `null`,
    `guest`, the site's own `blocked`) is None in it.
    """
    parts = [part for part in query.split("&") if part]
    named: dict[str, str] = {}
    others = []
    for part in parts:
        name, _, value = part.partition("=")
        if unquote_plus(name) not in _ALL:
            others.append(part)
        elif text := unquote_plus(value).strip():
            named.setdefault(unquote_plus(name), text)
    if len(others) == len(parts):
        return None
    return Asked(
        path=path,
        others="&".join(others),
        whole=f"{path}?{query}" if _OF_CONTACTS & named.keys() else "",
        customer=identifiers.customer(named.get(CUSTOMER), blocked),
        cookie=identifiers.cookie(named.get(COOKIE, named.get(_COOKIE_TOO)), blocked),
    )


def read(passed: Passed) -> Recommended:
    """Return what eSputnik recommends: always a list, which of one element comes from it as that, bare."""
    answer = classify(passed.status, passed.headers, passed.body, 0)
    match answer:
        case Answer():
            return _listed(answer)
        case Refused():
            return Recommended(Outcome.REFUSED)
        case KeyRefused():
            return Recommended(Outcome.KEY_REFUSED)
        case RateLimited():
            return Recommended(Outcome.LIMITED)
    return Recommended(Outcome.UNAVAILABLE)


def _listed(answer: Answer) -> Recommended:
    body = answer.body.strip()
    found = answer.document()
    if found in ([], {}) or body in (b"", b"null"):
        return Recommended(Outcome.NOTHING_FOUND)
    if isinstance(found, list):
        return Recommended(Outcome.ANSWERED, answer.body)
    if isinstance(found, dict):
        return Recommended(Outcome.ANSWERED, b"[%b]" % body)
    return Recommended(Outcome.UNAVAILABLE)
