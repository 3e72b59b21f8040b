"""Whether an endpoint is worth asking: a circuit breaker. Pure, time is given."""

FIRST_PROBE_SECONDS = 1.0
"""Most outages are over in seconds; probes start here and double up to the setting."""


class Circuit:
    """Closed, it lets everything through; open, one probe now and then. Open means waiting, never losing.

    It opens after `failures` in a row. The outcome of a request that began before it opened tells nothing
    of how things are since, so an open circuit listens to its probes alone.
    """

    def __init__(self, failures: int, probe_seconds: float) -> None:
        self._limit = failures
        self._probe_seconds = probe_seconds
        self._failures = 0
        self._probes = 0
        self._opened_at: float | None = None
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether all but probes have to wait."""
        return self._opened_at is not None

    def wait(self, now: float) -> float:
        """Return the seconds until it is worth asking again; 0 while it is closed and when a probe is due."""
        return max(0.0, self._probe_at - now) if self.is_open else 0.0

    def begin(self, now: float) -> None:
        """Take note of a request that is sent now; while open it is the probe, and the next one is later.

        A probe of which nothing is heard again is thereby replaced in time.
        """
        if self.is_open:
            self._probes += 1
            self._probe_at = now + min(self._probe_seconds, FIRST_PROBE_SECONDS * 2**self._probes)

    def failed(self, now: float) -> bool:
        """Take note of a failure; return whether it opened the circuit."""
        if self.is_open:
            return False
        self._failures += 1
        if self._failures < self._limit:
            return False
        self._opened_at = now
        self._probes = 0
        self._probe_at = now + min(self._probe_seconds, FIRST_PROBE_SECONDS)
        return True

    def succeeded(self, began_at: float) -> bool:
        """Take note of a success; return whether it closed the circuit."""
        if self._opened_at is None:
            self._failures = 0
            return False
        if began_at <= self._opened_at:
            return False
        self._opened_at = None
        self._failures = 0
        return True
