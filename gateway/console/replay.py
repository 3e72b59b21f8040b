"""Dead letters back into the stream of their site, with the ids and in the order that they had."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.console.letters import Letter, remove_unrenewed
from gateway.event import Record
from gateway.store import Store
from gateway.stream import Entry, Stream


class Replayed(NamedTuple):
    """What became of some letters."""

    sent: list[Letter]
    unreadable: list[Letter]
    """They stay: nobody can tell what would be sent."""


async def replay(letters: Sequence[Letter], store: Store, sites: Mapping[str, Stream]) -> Replayed:
    """Append the letters to their sites' streams, then remove them; one that fails again comes back once.

    Raises NotDurable or Unreachable; then some may be sent again, with the same ids. Letters of a site that
    is not configured stay.
    """
    opened = [(letter, letter.opened()) for letter in letters]
    unreadable = [letter for letter, record in opened if record is None or letter.site not in sites]
    readable = [(letter, record) for letter, record in opened if record is not None and letter.site in sites]
    readable.sort(key=_age)
    waiting = defaultdict[str, list[Entry]](list)
    for letter, record in readable:
        again = replace(record, replays=record.replays + 1)
        waiting[letter.site].append(Entry(record.lane, again.encode()))
    for site, entries in waiting.items():
        await sites[site].append(entries)
    sent = [letter for letter, _ in readable]
    await remove_unrenewed(store, sent)  # one may have failed again already
    return Replayed(sent, unreadable)


def _age(letter: tuple[Letter, Record]) -> tuple[int, int]:
    """Return what to sort by; events of one request share a time, and their letters came in its order."""
    return letter[1].accepted_at, letter[0].id
