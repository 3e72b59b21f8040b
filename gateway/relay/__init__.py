"""Relay: what a client asks eSputnik, passed through with the site's real key, status and body kept.

    routes.py   what is passed on, and where it is answered
    site.py     one site's way to eSputnik: deadline, circuit, cache

Nothing here is durable and nothing is tried twice: whoever asked is there to ask again.
"""
