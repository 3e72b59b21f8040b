"""Ids that were seen a short while ago, so that a repeat is known when it comes."""

from collections import OrderedDict


class RecentIds:
    """Remembers the newest ids for a time; bounded in number."""

    def __init__(self, size: int, window_ms: int) -> None:
        self._size = size
        self._window_ms = window_ms
        self._seen: OrderedDict[str, int] = OrderedDict()

    def add(self, event_id: str, now_ms: int) -> None:
        """Remember the id, forgetting the oldest over the size."""
        self._seen[event_id] = now_ms
        if len(self._seen) > self._size:
            self._seen.popitem(last=False)

    def drop(self, event_id: str) -> None:
        """Forget the id."""
        self._seen.pop(event_id, None)

    def knows(self, event_id: str, now_ms: int) -> bool:
        """Return whether the id was added within the window."""
        seen_at = self._seen.get(event_id)
        return seen_at is not None and now_ms - seen_at < self._window_ms
