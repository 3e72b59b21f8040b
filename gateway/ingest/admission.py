"""Who may come in now: so many events a second of each site, so many bytes of all requests at once."""

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

    def release(self) -> None:
        """Let go of all of it."""
        self._room.left += self._size
        self._size = 0


class Allowance:
    """A site's events a second, in this process; a second's worth may come at once.

    What is left may go below nothing by the batch that is let in last, and has to come back first.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = rate
        self._filled_at = now

    def take(self, count: int, now: float) -> None:
        """Let that many events in; raises Problem 429 with the time after which to come again."""
        self._left = min(self._rate, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._left < 0:
            seconds = -self._left / self._rate
            detail = f"this site may post {self._rate:g} events a second; nothing of this request was stored"
            raise Problem(429, "too_fast", detail, {"Retry-After": str(int(seconds) + 1)})
        self._left -= count
