"""A stand-in eSputnik for development, demos and tests: takes what eSputnik takes, and shows what came.

It knows what eSputnik's documentation and official clients tell, and no more; where they contradict each
other it does what the newer page says. It imports nothing of the gateway's other rooms.

    server.py    Sandbox: the whole thing on a port
    gate.py      what stands before every call: journal, faults, rate, repeats
    tracker.py   POST /api/v2
    api.py       /api/v1/..., and the same without /api
    account.py   contacts, and what each cookie did before anybody knew whose it was
    identity.py  who a tracker message or a contact call is about (pure)
    journal.py   the newest requests as they came
    faults.py    what shall go wrong next
    control.py   /_sandbox/... and the page at /
"""

from gateway.sandbox.server import Sandbox

__all__ = ["Sandbox"]
