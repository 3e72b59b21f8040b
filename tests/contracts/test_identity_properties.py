"""What holds for every history, on the rules alone and through either database."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given

from gateway.event import LOGOUT, Record
from gateway.identity.owners import person_of
from gateway.identity.rules import Decision
from gateway.identity.timelines import Link
from tests.contracts.grounds import Ground, Grounds, play
from tests.histories import CUSTOMERS, History, histories, in_time, thorough

pytestmark = in_time


class Story:
    """A history that has been played, with the links it led to and what is decided on its events by then."""

    def __init__(self, grounds: Grounds, history: History) -> None:
        self.grounds = grounds
        self.history = history
        self.records = history.records
        self.ground = grounds(history.limits)
        play(self.ground, history.steps)
        self.decisions = self.ground.post(self.records)
        self.links = self.ground.links(history.cookies)

    def is_that_of(self, ground: Ground) -> bool:
        """Return whether the same has come of it on that ground."""
        return (
            ground.post(self.records) == self.decisions and ground.links(self.history.cookies) == self.links
        )

    def root(self, customer: str) -> str:
        """Return the customer that operators have made of this one."""
        while customer in self.history.merged:
            customer = self.history.merged[customer]
        return customer

    def decided(self) -> Iterator[tuple[Record, Decision]]:
        """Yield the events that are no logouts, each with what is decided on it."""
        for record, decision in zip(self.records, self.decisions, strict=True):
            if record.type != LOGOUT:
                yield record, decision

    def link_at(self, cookie: str, record: Record) -> Link | None:
        """Return the link that the cookie has at the event, before it; asserts that there is one at most."""
        moment = record.occurred_at, record.id
        links = [link for link in self.links[cookie] if link.opened < moment and link.is_open(moment)]
        assert len(links) <= 1
        return links[0] if links else None


def order_of_arrival_and_repeats_and_restarts_change_nothing(story: Story) -> None:
    """All of it at once, in order, on untrodden ground, after the merges, is what it was step by step."""
    ground = story.grounds(story.history.limits)
    for customer, into in story.history.merged.items():
        ground.merge(customer, into)
    assert story.is_that_of(ground)


def everything_once_more_changes_nothing(story: Story) -> None:
    """Also to a process that has not seen it yet."""
    story.ground.restart()
    assert story.is_that_of(story.ground)


def two_customer_ids_never_share_a_person(story: Story) -> None:
    """Not by links, not by a given cookie, not by what is filled in; operators' merges aside."""
    owners = {link.owner for links in story.links.values() for link in links}
    assert len({person_of("shop", owner) for owner in owners}) == len(owners)
    opened = {link.opened_by.event: link.owner for links in story.links.values() for link in links}
    known = {
        (story.root(record.customer or ""), name) for record in story.records for name in contacts(record)
    }
    for record, decision in story.decided():
        if record.customer:
            owner = "customer/" + story.root(record.customer)
            assert opened.get(record.id, owner) == owner
            assert decision.identity is None
            if decision.cookie:
                link = story.link_at(decision.cookie, record)
                assert link is not None
                assert link.owner == owner
        elif decision.identity and decision.identity.customer:
            filled = {(decision.identity.customer, name) for name in decision.identity[1:] if name}
            assert filled <= known


def an_anonymous_event_has_at_most_one_owner(story: Story) -> None:
    """The link that the cookie has at the event, and no other."""
    for record, decision in story.decided():
        if record.cookie and not record.customer and not contacts(record):
            link = story.link_at(record.cookie, record)
            filled_in = decision.identity and next(name for name in decision.identity if name)
            assert filled_in == (link.owner.partition("/")[2] if link else None)


def a_merge_undone_has_never_been(story: Story) -> None:
    """Also where all of it is seen again while they are merged."""
    customer, into, *_ = (name for name in CUSTOMERS if name not in story.history.merged)
    story.ground.merge(customer, into)
    story.ground.post(story.records)
    story.ground.unmerge(customer)
    assert story.is_that_of(story.ground)


def a_replay_is_what_came_out_live(story: Story) -> None:
    """Without contact keys, of which the one who came first may be heard of last.

    The replay knows the next link too: it tells of an event before it that it belongs to it.
    """
    ground = story.grounds(story.history.limits)
    records = [replace(record, email=None, phone=None) for record in story.records]
    live = [ground.post(records[place : place + 4]) for place in range(0, len(records), 4)]
    links = ground.links(story.history.cookies)
    replayed = ground.post(records)
    for was, now in zip((one for batch in live for one in batch), replayed, strict=True):
        assert was == (now._replace(reason=was.reason) if now.reason == "back_stitched" else now)
    assert ground.links(story.history.cookies) == links


def contacts(record: Record) -> list[str]:
    return [name for name in (record.email, record.phone) if name]


def test_the_six_properties_hold(grounds: Grounds) -> None:
    @thorough
    @given(histories())
    def hold(history: History) -> None:
        story = Story(grounds, history)
        order_of_arrival_and_repeats_and_restarts_change_nothing(story)
        everything_once_more_changes_nothing(story)
        two_customer_ids_never_share_a_person(story)
        an_anonymous_event_has_at_most_one_owner(story)
        a_merge_undone_has_never_been(story)
        a_replay_is_what_came_out_live(story)

    hold()
