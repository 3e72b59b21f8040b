"""Whether a site names its products alike in tracking, orders and products calls.

eSputnik joins the three by the product's key: `productId` has to be the id used in tracking, the variant's or
the parent's, one of them for the whole site. Where they differ nothing is refused, but it is told.

    reading     the keys in a delivered record; pure
    sample      the same keys of every source, so that samples can be compared; in memory
    table       the samples of all processes, in the shared database
    comparing   what of one source no other source knows; pure
    watching    keeps samples, compares them, sets the metric and warns
"""
