"""Who may come in now: so many events a second of each site, so many bytes of all requests at once."""

from gateway.clock import Clock
from gateway.config import Config
from gateway.ingest.problem import Problem


class Room:
    """Bounds the bytes of all requests that are under way, as they came and as what they become."""

    def __init__(self, size: int) -> None:
        self.left = size


class Hold:
    """What one request holds of the room."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more; raises Problem 503 when there is no room for them now."""
        if size > self._room.left:
            detail = "too much is under way at once; nothing of this request is promised; post it again"
            raise Problem(503, "busy", detail, {"Retry-After": "1"})
        self._room.left -= size
        self._size += size

    def give_back(self, size: int) -> None:
        """Let go of so many bytes."""
        self._room.left += size
        self._size -= size

    def release(self) -> None:
        """Let go of all of it."""
        self._room.left += self._size
        self._size = 0


class Allowance:
    """A site's events a second, in this process; a second's worth may come at once.

    What is left may go below nothing by the batch that is let in last, and has to come back first.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._left = rate
        self._filled_at = now

    def take(self, count: int, now: float) -> None:
        """Let that many events in; raises Problem 429 with the time after which to come again."""
        self._left = min(self.rate, self._left + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._left < 0:
            seconds = -self._left / self.rate
            detail = f"this site may post {self.rate:g} events a second; nothing of this request was stored"
            raise Problem(429, "too_fast", detail, {"Retry-After": str(int(seconds) + 1)})
        self._left -= count


class Rates:
    """Each site's allowance, whichever route its events and calls come by."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[str, Allowance] = {}
        self.change(config)

    def change(self, config: Config) -> None:
        """Take over the sites' rates; what a site has used of one that stays as it was stays used."""
        now = self._clock.monotonic()
        fresh = {site.id: Allowance(site.ingest_rate, now) for site in config.sites if site.ingest_rate}
        for site, allowance in self._of.items():
            if site in fresh and fresh[site].rate == allowance.rate:
                fresh[site] = allowance
        self._of = fresh

    def admit(self, site: str, count: int) -> None:
        """Let that many events of a site in; raises Problem 429 where it is over its rate."""
        if allowance := self._of.get(site):
            allowance.take(count, self._clock.monotonic())
