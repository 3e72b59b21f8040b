"""Sees to it that a customer has a contact at eSputnik before what needs it is sent.

CustomerData matches a contact and makes none (Transferring Website Behavior Data via JavaScript Requests), so
the contact comes first: made once of the identity at hand, however many lanes need it at the same moment.
"""

import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import orjson

from gateway.calls import ApiCall
from gateway.contacts import Contacts, ContactState
from gateway.delivery.mapping import Call, Endpoint
from gateway.esputnik.answers import Answer, elements
from gateway.esputnik.errors import EsputnikError, Refused, Repeated
from gateway.event import LINK_MESSAGE, Record

Ask = Callable[[Call], Awaitable[Answer | EsputnikError]]
"""Makes a call at the site's pace."""

BUSY_SECONDS = 0.2
"""Wait for another lane or process that is making the contact."""
AGAIN_SECONDS = 1.0
"""Wait after a look-up or a call without an answer."""
_REMEMBERED = 10_000
_EVENTS = frozenset([ApiCall.GENERATE_EVENT, ApiCall.GENERATE_EVENT_V3])
_CONTACT_CALLS = frozenset([ApiCall.ADD_CONTACT, ApiCall.UPDATE_CONTACT, ApiCall.SUBSCRIBE_CONTACT])


class Ensure:
    """Makes the contacts that a site's records need."""

    def __init__(self, contacts: Contacts, ask: Ask) -> None:
        self._contacts = contacts
        self._ask = ask
        self._answers: OrderedDict[str, tuple[bytes, Answer]] = OrderedDict()
        """Lately made contacts by customer: what was sent, and eSputnik's answer."""

    def is_needed(self, record: Record) -> bool:
        """Return whether the record names a customer who may have no contact yet.

        Only with an email or a phone can one be made. An order makes its contact itself, the link message of
        WooCommerce goes on unchanged, a contact call is about the contact.
        """
        if record.customer is None or not (record.email or record.phone):
            return False
        if (record.target and record.type not in _EVENTS) or record.type == LINK_MESSAGE:
            return False
        return not self._contacts.are_settled(record.customer)

    async def wait(self, record: Record) -> float:
        """Return 0 when the record may go, else the seconds after which to ask again. Raises Unreachable.

        A contact that eSputnik refuses holds nothing up; one that was deleted through us is not made anew.
        """
        assert record.customer is not None, "asked for those who need it alone"
        state = await self._contacts.claim(record.customer)
        if state is not None:
            return BUSY_SECONDS if state is ContactState.CLAIMED else 0.0
        outcome = await self._made(record, record.customer)
        if outcome is None:
            await self._contacts.release(record.customer)
            return AGAIN_SECONDS
        await self._contacts.made(record.customer, outcome)
        return 0.0

    async def _made(self, record: Record, customer: str) -> ContactState | None:
        """Find the contact or make it; None where no answer tells how that ended."""
        target = f"GET v1/contacts?externalCustomerId={quote(customer, safe='')}"
        found = await self._ask(Call(Endpoint.CONTACT, _request_id(record, "look-up"), b"", target))
        if isinstance(found, Answer):
            if _names(found, customer):
                return ContactState.KNOWN
        elif not isinstance(found, Refused) or isinstance(found, Repeated):
            return None  # a failed look-up is not "not found"
        call = Call(Endpoint.CONTACT, _request_id(record, "contact"), _body(record), "POST v1/contact")
        made = await self._ask(call)
        if isinstance(made, Answer):
            self._answers[customer] = call.body, made
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        if isinstance(made, Answer | Repeated):  # an equal call was taken within the last minute
            return ContactState.KNOWN
        return ContactState.REFUSED if isinstance(made, Refused) else None

    def answer_to_twin(self, record: Record) -> Answer | None:
        """Return eSputnik's answer to the very contact that the record makes, if it was made here lately.

        For eSputnik takes the record for a repeat then, though the store has sent it once.
        """
        body, answer = self._answers.get(record.customer or "", (b"", None))
        if answer is None or record.type != ApiCall.ADD_CONTACT:
            return None
        return answer if orjson.loads(body) == orjson.loads(record.body) else None

    async def learn(self, record: Record) -> None:
        """Take in that eSputnik has taken the record. Raises Unreachable."""
        if record.customer is None:
            return
        if record.type in _CONTACT_CALLS:
            await self._contacts.answered(record.customer)
        elif record.type == ApiCall.DELETE_CONTACT:
            await self._contacts.deleted(record.customer)


def _names(answer: Answer, customer: str) -> bool:
    """Return whether one of the contacts is the customer's: eSputnik's search is not exact."""
    contacts = (contact for contact in elements(answer.document()) if isinstance(contact, dict))
    return any(str(contact.get("externalCustomerId")) == customer for contact in contacts)


def _body(record: Record) -> bytes:
    channels = [("email", record.email), ("sms", record.phone)]
    told = [{"type": kind, "value": value} for kind, value in channels if value]
    return orjson.dumps({"externalCustomerId": record.customer, "channels": told})


def _request_id(record: Record, what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{record.id}/{what}"))
