"""A stand-in eSputnik for development, demos and tests: takes what eSputnik takes, and shows what came.

It knows what eSputnik's documentation and official clients tell, and no more; where they contradict each
other it does what the newer page says. It imports nothing of the gateway's other rooms.

    server.py    Sandbox: the whole thing on a port
    gate.py      what stands before every call: journal, faults, rate, repeats
    journal.py   the newest requests as they came
    faults.py    what shall go wrong next
    control.py   /_sandbox/... and the page at /

    tracker.py   POST /api/v2
    api.py       the paths of the API, behind the key; the calls are in
    about.py     account, balance, version, additional fields
    contacts.py  single contacts, search, the App Inbox token
    bulk.py      many contacts at once, and their imports' status
    groups.py    segments, unsubscribed addresses
    orders.py    orders, and what order events do to them
    events.py    events, past ones too

    account.py   what the account holds, and what each cookie did before anybody knew whose it was
    cards.py     contact cards, found by every identifier
    merging.py   how a row of a bulk call meets the contacts that are there
    imports.py   imports that are under way
    identity.py  who a tracker message or a contact call is about (pure)
    refusals.py  what is refused in a contact (pure)
    answers.py   how eSputnik words its answers
"""

from gateway.sandbox.server import Sandbox

__all__ = ["Sandbox"]
