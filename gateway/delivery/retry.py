"""What follows from the outcome of a delivery: done, again later, or a dead letter. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.config import Delivery
from gateway.delivery.mapping import Call, Endpoint
from gateway.esputnik.errors import EsputnikError, Refused, Repeated, Unavailable


class Reason(StrEnum):
    """Why a record is a dead letter; a closed set, the values are metric labels."""

    BAD_REQUEST = "bad_request"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    UNREADABLE = "unreadable"


TRACKING = Call(Endpoint.TRACKER, "", b"")
"""Any tracking event."""

_REASONS = {
    400: Reason.BAD_REQUEST,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    413: Reason.TOO_LARGE,
}


@dataclass(slots=True)
class Effort:
    """What one record has cost so far; nothing is added while a circuit is open or the site is stopped."""

    tries: int = 0
    waited: float = 0.0
    """Seconds of backoff."""
    doubtful: bool = False
    """Whether one of them may have been taken, though no answer said so."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """eSputnik has it."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more, `after` seconds from now."""

    after: float


@dataclass(frozen=True, slots=True)
class Dead:
    """It will never be taken."""

    reason: Reason


def verdict(
    problem: EsputnikError | None,
    effort: Effort,
    settings: Delivery,
    counts: bool,
    draw: float,
    call: Call = TRACKING,
) -> Delivered | Again | Dead:
    """Return what follows, and add to the effort where the failure `counts` against the record.

    `draw` is a random number from 0 up to 1. A refused key and a 429 are about the site, not the record: the
    gates keep it waiting. An identical request within a minute (409) was this event itself, sent before
    an answer was lost or a process was killed: a tracking event carries its cookie and its milliseconds. A
    call may be equal to another one on purpose: if it cannot have been taken before, it waits the minute out.
    So does an import, which does no harm twice: its failed rows were in the answer that is lost.
    """
    match problem:
        case None:
            return Delivered()
        case Repeated():
            ours = not call.target or (effort.doubtful and not call.is_import)
            return Delivered() if ours else Again(settings.repeat_seconds)
        case Refused():
            if call.is_deletion and is_not_found(problem):
                return Delivered()
            return Dead(_REASONS.get(problem.status or 0, Reason.REFUSED))
        case Unavailable():
            effort.doubtful = True
            return _after_failure(effort, settings, counts, problem.retry_after or 0.0, draw)
        case _:
            return Again(0.0)


def is_not_found(problem: Refused) -> bool:
    """Tell whether what was to be deleted is not there, as Yespo's Shopify application reads it."""
    return problem.status == 404 or "not found" in problem.said.lower()


def _after_failure(
    effort: Effort, settings: Delivery, counts: bool, at_least: float, draw: float
) -> Again | Dead:
    wait = max(at_least, backoff(effort.tries, settings, draw))
    if counts:
        effort.tries += 1
        if effort.tries >= settings.tries and effort.waited >= settings.give_up_hours * 3600:
            return Dead(Reason.GAVE_UP)
        effort.waited += wait
    return Again(wait)


def backoff(tries: int, settings: Delivery, draw: float) -> float:
    """Return the seconds to wait: exponential, bounded, with full jitter.

    Full jitter spreads the retries of many records best (AWS Architecture Blog, "Exponential Backoff And
    Jitter").
    """
    longest = settings.backoff_max_seconds
    exponent = min(tries, 60)  # beyond it the bound has long been reached, and a float overflows in the end
    return draw * min(longest, settings.backoff_seconds * 2.0**exponent)
