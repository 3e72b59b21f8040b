"""What can go wrong when eSputnik is asked, grouped by what the caller does next.

    EsputnikError
    ├── Unavailable   retry later: no answer, or one that says nothing; what was sent may have been taken
    ├── RateLimited   retry after `retry_after` seconds, and ask less often
    ├── Refused       never retry: the same request will be refused again
    │   └── Repeated  an identical request was taken within the last minute
    └── KeyRefused    stop this site until somebody has repaired its key

What eSputnik said stands in `said`, never in the message: it may quote the person whom a request is about.
"""


class EsputnikError(Exception):
    """An answer that is no success, or none at all."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        said: str = "",
        retry_after: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; None without an answer."""
        self.said = said
        """eSputnik's own words, bounded; may hold personal data."""
        self.body = body
        """The answer's body as it came; may hold personal data."""
        self.retry_after = retry_after
        """Seconds that eSputnik asks to wait, where it does."""


class Unavailable(EsputnikError):
    """eSputnik did not answer, or answered 5xx; whether it took what was sent is unknown."""


class RateLimited(EsputnikError):
    """More requests than eSputnik allows (429)."""


class Refused(EsputnikError):
    """eSputnik will not take this request, now or later."""


class Repeated(Refused):
    """eSputnik took an identical request within the last minute (409)."""


class KeyRefused(EsputnikError):
    """The API key is wrong or disabled (401)."""
