"""How many requests a second a site may send: a token bucket that gives way to 429. Pure, time is given."""

from collections.abc import Callable

BURST_SECONDS = 0.05
"""How much of a second's requests the bucket holds; it is refilled that much slower, so that no second
whatever sees more of them than the rate."""
CUT = 0.5
"""What is left of the pace after a 429."""
RECOVERY_SECONDS = 100.0
"""How long the pace takes from nothing back to the full rate; half of it after one cut."""
SLOWEST = 0.01
"""The share of the rate below which no 429 cuts."""
SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds without a request after a 429 that names no time; doubles from the shortest as they go on."""
_WHOLE = 1 - 1e-9
"""What counts as a token: short of one by a rounding error, the wait for the rest is too short to pass."""


class Pace:
    """Tells when the next request may go; one for each site.

    `rate` is in requests a second for the whole site, `share` tells the part of it that this process has.
    A 429 stops everything for a pause and then cuts the pace; afterwards it recovers slowly.
    """

    def __init__(self, rate: float, share: Callable[[], float], now: float) -> None:
        self._rate = rate
        self._share = share
        self._factor = 1.0
        self._tokens = 1.0
        self._filled_at = now
        self._cut_at = now
        self._paused_until = now
        self._limited = 0

    def change(self, rate: float) -> None:
        """Keep to another rate from now on."""
        self._rate = rate

    def per_second(self, now: float) -> float:
        """Return the pace as it is now: 0 in a pause or without a share."""
        if now < self._paused_until:
            return 0.0
        return self._rate * self._share() * self._recovered(now)

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until it is worth asking again."""
        if now < self._paused_until:
            return self._paused_until - now
        pace = self.per_second(now)
        if pace <= 0:
            return LONGEST_PAUSE
        refill = pace * (1 - BURST_SECONDS)
        self._tokens = min(max(1.0, pace * BURST_SECONDS), self._tokens + (now - self._filled_at) * refill)
        self._filled_at = now
        if self._tokens < _WHOLE:
            return (1 - self._tokens) / refill
        self._tokens = max(0.0, self._tokens - 1)
        return 0.0

    def give_back(self) -> None:
        """Undo a `take` whose request was not sent after all."""
        self._tokens += 1

    def limited(self, began_at: float, now: float, retry_after: float | None) -> None:
        """Take note of a 429: pause for `retry_after` seconds or a guess, then go on at half the pace.

        A request that began before the last pause was over tells nothing new; it can only lengthen the pause.
        """
        if began_at >= self._cut_at:
            self._factor = max(SLOWEST, self._recovered(now) * CUT)
            self._limited += 1
            guess = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** (self._limited - 1))
            self._pause(now, guess if retry_after is None else retry_after)
        elif retry_after is not None:
            self._pause(now, retry_after)

    def _pause(self, now: float, seconds: float) -> None:
        self._paused_until = max(self._paused_until, now + seconds)
        self._filled_at = self._cut_at = self._paused_until
        self._tokens = 1.0

    def went_well(self) -> None:
        """Take note of a request that was not limited."""
        self._limited = 0

    def _recovered(self, now: float) -> float:
        """Return the share of the rate that is right again since the last cut."""
        return min(1.0, self._factor + (now - self._cut_at) / RECOVERY_SECONDS)
