"""Whose cookie is this? Who an event is about, told by what has been seen before.

    facts       what was seen: owners on cookies, customers with contact keys; sets that only grow
    rules       pure: what follows from the facts, for one event (`decide`) and for look-up (`links_of`)
    links       the facts in the shared database: one read and one write for a batch
    callers     ids that callers chose: which record holds one, and which are its repeats
    fill        identity into an event's body
    stitcher    the stage: the rooms above, in order, for a batch of records

A link is never stored: it is derived from the facts each time. Facts are only added, and what follows from a
set does not depend on the order in which it was filled: so the order of arrival, repeats and several workers
at once end in the same links. Later rules have their place here: a limit or a logout is one more kind of fact
or one more clause in `rules.links_of`.
"""
