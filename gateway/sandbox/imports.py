"""Imports that are under way: bulk calls are answered first and happen later.

"Contacts are added or updated not instantly, it may take a few minutes" (docs page 29359639788); here it is
`seconds` (1), or until somebody says so under /_sandbox/imports. They happen one after another, in order.
"""

import time
import uuid
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from gateway.sandbox.account import Account
from gateway.sandbox.identity import Body
from gateway.sandbox.merging import Outcome, Terms, merge

SESSIONS = 10_000
"""How many are remembered at most; the oldest goes first."""
SECONDS = 1.0

STARTED, IMPORTING, FINISHED, ERROR = STATUSES = ("STARTED", "IMPORTING", "FINISHED", "ERROR")


@dataclass
class Import:
    """One import session."""

    rows: list[Body]
    terms: Terms
    failed: list[Body]
    """Rows that were refused at once, each with its reason."""
    begun: float
    seconds: float | None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = STARTED
    description: str = ""
    received: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    contacts: list[int] = field(default_factory=list)
    """Ids of the contacts that it created or updated."""

    def json(self) -> Body:
        """Return what `/_sandbox/imports` shows."""
        counts = {outcome.value: self.counts[outcome.value] for outcome in Outcome}
        shown = {name: getattr(self, name) for name in ("id", "status", "description", "received")}
        return shown | counts | {"failed": self.failed, "contacts": self.contacts}


class Imports:
    """The import sessions of an account."""

    def __init__(self) -> None:
        self.seconds: float | None = SECONDS
        """How long those take that begin from now on; None: until they are told to end."""
        self.sessions: OrderedDict[str, Import] = OrderedDict()
        self._waiting: deque[Import] = deque()

    def begin(self, rows: list[Body], terms: Terms, failed: list[Body]) -> Import:
        """Return a new session that will import the rows."""
        session = Import(rows, terms, failed, time.monotonic(), self.seconds)
        session.received = len(rows) + len(failed)
        self.sessions[session.id] = session
        self._waiting.append(session)
        if len(self.sessions) > SESSIONS:
            self.sessions.popitem(last=False)
        return session

    def waiting(self) -> int:
        """Return how many have not ended."""
        return len(self._waiting)

    def settle(self, account: Account, at: str) -> None:
        """Run the next import if it is due; `at` is the time of what it does.

        One at a time: 3000 rows take 0.1 s, a backlog of them would keep a client waiting past its timeout.
        """
        if not self._waiting or self._waiting[0].seconds is None:
            return
        session, seconds = self._waiting[0], self._waiting[0].seconds
        passed = time.monotonic() - session.begun
        if passed >= seconds:
            self.run_next(account, at)
        elif passed > seconds / 2:
            session.status = IMPORTING

    def run_next(self, account: Account, at: str) -> bool:
        """Run the next import, due or not; return whether there was one."""
        if not self._waiting:
            return False
        session = self._waiting.popleft()
        for row in session.rows:
            outcome, contact = merge(account, row, session.terms, at)
            session.counts[outcome.value] += 1
            if contact is not None:
                session.contacts.append(contact.id)
        session.status, session.rows = FINISHED, []
        return True

    def move(self, status: str) -> None:
        """Bring all that wait to a status before the end, or end them in ERROR."""
        for session in list(self._waiting):
            if status == ERROR:
                self.end(session, ERROR, "Import failed")
            session.status = status

    def end(self, session: Import, status: str, description: str) -> None:
        """End a session that waits, with its rows not imported."""
        session.status, session.description, session.rows = status, description, []
        self._waiting.remove(session)
