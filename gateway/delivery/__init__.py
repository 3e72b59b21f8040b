"""Delivery: from a site's stitched stream to eSputnik, in order per lane, whatever eSputnik does.

    deliverer     reads the stream of one site, feeds the lanes, commits the marks
    lanes         who is next: one record of a lane at a time, lanes side by side
    marks         which offsets are taken and which are done: pure
    sender        one delivery of one record, and what follows from its outcome
    ensure        a contact at eSputnik before what needs one
    mapping       which call a record is: pure
    bulk          orders that go out together, elements that were not taken: pure
    gates         what may be asked now: stopped site, open circuits, pace
    pace          how many requests a second: pure
    retry         when to try again, and when to give up: pure
    dead_letters  what eSputnik refused for good, kept with the reason

One deliverer, one pace and one client per site: a site that is slow, stopped or broken holds up itself alone.
"""
