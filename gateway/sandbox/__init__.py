"""A stand-in eSputnik for development, demos and tests: takes what eSputnik takes, and shows what came.

It knows what eSputnik's documentation and official clients tell, and no more; where they contradict each
other it does what the newer page says. It imports nothing of the gateway's other rooms.

    server.py    Sandbox: the whole thing on a port
    gate.py      what stands before every call: journal, faults, rate, repeats
    journal.py   the newest requests as they came
    faults.py    what shall go wrong next
    control.py   what it is told under /_sandbox/, and the page at /
    arrived.py   what arrived, and what it made, under /_sandbox/

    tracker.py   POST /api/v2
    api.py       the paths of the API, behind the key; the calls are in
    about.py     account, balance, version, additional fields
    contacts.py  single contacts, the App Inbox token
    search.py    the search for contacts
    bulk.py      many contacts at once, and their imports' status
    groups.py    segments, unsubscribed addresses
    orders.py    orders, and what order events do to them
    events.py    events, past ones too
    site.py      domains, tracking script, web push; loader.js and worker.js are what browsers get
    products.py  products and markets
    recoms.py    recommendations, message activity
    feeds.py     product feeds, which are fetched

    account.py   what the account holds, and what each cookie did before anybody knew whose it was
    cards.py     contact cards, found by every identifier
    merging.py   how a row of a bulk call meets the contacts that are there
    imports.py   imports that are under way
    identity.py  who a tracker message or a contact call is about (pure)
    catalog.py   products and their markets
    refusals.py  what is refused in a contact (pure)
    product_rules.py  what is rejected in a product (pure)
    answers.py   how eSputnik words its answers
"""

from gateway.sandbox.server import Sandbox

__all__ = ["Sandbox"]
