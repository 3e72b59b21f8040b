"""Relay: what a client asks eSputnik, passed through with the site's real key, status and body kept.

    routes   what is passed on, and where it is answered
    site     one site's way to eSputnik: deadline, circuit, cache
    kept     answers that are kept for a while

    recommendations  products for a shop's page: never late, never an error, for whom the links know
    asking           whom they are asked for, and what an answer is worth     pure
    answers          asked once at a time, in the background, and kept
    links            who is on a cookie, as far as that is known in time

Nothing here is durable and nothing is tried twice: whoever asked is there to ask again.
"""
