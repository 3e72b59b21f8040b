"""Whose cookie is this? Who an event is about, told by what has been seen before.

    facts       what was seen: owners on cookies, customers with contact keys; sets that only grow
    owners      whom a name stands for: holders of contact keys, merged customers            pure
    timelines   the links of each cookie: what opens and what closes them                    pure
    rules       what follows for one event (`observe`, `decide`); every rule by its number   pure
    settings    times and limits that a site decides

    questions   what a batch needs to know                                                   pure
    links       the facts in the shared database: one read and one write for a batch
    sites       what operators have decided: merges and erasures
    callers     ids that callers chose: which record holds one, and which are its repeats
    memory      what a worker remembers of cookies, so that most events need no database
    fill        a decision into the record
    audit       the trail of what changed links
    stitcher    the stage: the rooms above, in order, for a batch of records

    thinning    sightings that no link needs any more go

    people      look-up: what is known of a cookie, a customer, an email or a phone
    present     who is on a cookie now, and on which cookie a customer
    changes     merge, unmerge, lift, forget
    erasures    whom operators have erased, for the other stages

A link is never stored: it is derived from the facts each time. Facts are only added, and what follows from a
set does not depend on the order in which it was filled: so the order of arrival, repeats and several workers
at once end in the same links. A merge is a fact too, so to take it back is to undo it. Facts go only where
nothing is left to follow from them: those of the erased, of placeholders, and what thinning finds.
"""
