"""Many contacts at once: `POST /v1/contacts`, the same from a file, and how their imports get on."""

import csv
import io

import aiohttp
from aiohttp import web

from gateway.sandbox.answers import bad, sentence, told
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Body, elements, of_contact, text
from gateway.sandbox.imports import ERROR, FINISHED
from gateway.sandbox.journal import Request
from gateway.sandbox.merging import DEDUPE, FIELDS, Terms
from gateway.sandbox.refusals import unreadable, unusable, unusable_word

CONTACTS = 3000
"""Contacts in one request (docs.reteno.com/reference/contactsbulkupdate-1)."""
_KEY_CHARACTERS = 100
_FETCH_SECONDS = 10


async def add(state: State, request: Request) -> web.Response:
    """`POST /v1/contacts`: up to 3000 contacts, which an import adds or updates later.

    The answer names the session, and in `failedContacts` those that cannot be added, each as it came with
    `errorMessage` beside: docs page 29359639788 tells to "check the response details", not their shape.
    """
    terms, problem = _terms(request.body)
    if problem:
        return bad(problem)
    rows = request.body.get("contacts")
    if not isinstance(rows, list) or not 1 <= len(rows) <= CONTACTS:
        return bad(f"contacts must be a list of 1 to {CONTACTS}")
    for row in rows:
        if problem := unreadable(row):
            return bad(problem)
    return _begun(state, rows, terms)


def _begun(state: State, rows: list[Body], terms: Terms) -> web.Response:
    refusal = state.account.refusal
    reasons = [unusable(row) or _unfindable(row, terms) or refusal(of_contact(row)) for row in rows]
    failed = [row | {"errorMessage": reason} for row, reason in zip(rows, reasons, strict=True) if reason]
    good = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    session = state.imports.begin(good, terms, failed)
    return told({"failedContacts": failed, "asyncSessionId": session.id})


def _unfindable(row: Body, terms: Terms) -> str:
    """Return why the row can be compared with no contact: it lacks what dedupeOn names, and has no id."""
    if terms.dedupe_on is None or terms.keys(row) or text(row.get("externalCustomerId")):
        return ""
    return f"Contact has nothing to compare by dedupeOn={terms.dedupe_on}"


def _terms(body: object) -> tuple[Terms, str]:
    if not isinstance(body, dict):
        return Terms(), "Request body is not an object"
    dedupe_on, fields = body.get("dedupeOn"), body.get("contactFields")
    event = text(body.get("eventKeyForNewContacts"))
    problem = unusable_word("eventKeyForNewContacts", event, _KEY_CHARACTERS)
    if dedupe_on is not None and dedupe_on not in tuple(DEDUPE):
        problem = "Unknown dedupeOn"
    if dedupe_on == "fieldId" and not text(body.get("fieldId")):
        problem = "fieldId is required with dedupeOn=fieldId"
    if fields is not None and not FIELDS.issuperset(map(text, elements(fields))):
        problem = "Unknown contactFields"
    return Terms(
        dedupe_on=dedupe_on,
        field_id=text(body.get("fieldId")),
        contact_fields=None if fields is None else frozenset(map(text, elements(fields))),
        custom_fields=frozenset(map(text, elements(body.get("customFieldsIDs")))),
        groups=tuple(filter(None, map(text, elements(body.get("groupNames"))))),
        groups_exclude=tuple(filter(None, map(text, elements(body.get("groupNamesExclude"))))),
        restore_deleted=body.get("restoreDeleted") in (True, "true"),
        event_for_new=event,
    ), problem


async def status(state: State, request: Request) -> web.Response:
    """`GET /v1/importstatus/{asyncSessionId}`: {status, description}, and at its end `mapping`.

    It tells "import status and ID of contacts" (docs page 29359639788). Older WooCommerce plugins read the
    ids in a list `mapping`; what its elements hold is a guess.
    """
    session = state.imports.sessions.get(request.match["id"])
    if session is None:
        return sentence("Import session not found", 404)
    answer: Body = {"status": session.status, "description": session.description}
    if session.status != FINISHED:
        return told(answer)
    found = filter(None, map(state.account.cards.get, session.contacts))
    mapping = [{"contactId": one.id, "externalCustomerId": one.customer} for one in found]
    return told(answer | {"mapping": mapping})


async def upload(state: State, request: Request) -> web.Response:
    """`POST /v1/contacts/upload`: the same from a CSV file in UTF-8 that `link` leads to.

    The first line names the columns: those of contactFields, and externalCustomerId. A file that cannot be
    read ends its import in ERROR; what it says then no page tells.
    """
    terms, problem = _terms(request.body)
    if problem:
        return bad(problem)
    link = text(request.body.get("link"))
    if not link.startswith(("http://", "https://")):
        return bad("link must be an HTTP address")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_FETCH_SECONDS)) as http,
            http.get(link) as answer,
        ):
            answer.raise_for_status()
            lines = csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig")))
            rows = [_row(line) for line in lines]
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError, csv.Error) as error:
        session = state.imports.begin([], terms, [])
        state.imports.end(session, ERROR, f"File cannot be read: {type(error).__name__}")
        return told({"failedContacts": [], "asyncSessionId": session.id})
    return _begun(state, rows, terms)


def _row(line: dict[str, str]) -> Body:
    channels = [
        {"type": name, "value": line[name]}
        for name in ("email", "sms", "mobilepush", "webpush")
        if line.get(name)
    ]
    address = {name: line[name] for name in ("address", "town", "region", "postcode") if line.get(name)}
    plain = ("firstName", "lastName", "contactKey", "languageCode", "timeZone", "externalCustomerId")
    return {name: line[name] for name in plain if line.get(name)} | {"channels": channels, "address": address}


CALLS = [
    ("POST", "/v1/contacts", add),
    ("POST", "/v1/contacts/upload", upload),
    ("GET", "/v1/importstatus/{id}", status),
]
