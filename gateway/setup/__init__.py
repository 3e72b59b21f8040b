"""What connects a shop to eSputnik: its domain, the tracking script, web push.

    domain.py    a shop's domain as a person types it (pure)
    script.py    the JavaScript in eSputnik's HTML (pure)
    place.py     where a worker may stand, and for which pages (pure)
    worker.py    what a shop's service workers are, and how they go together (pure)
    refusals.py  what eSputnik's no means, and what to do (pure)
    shop.py      looks at a shop
    tracking.py  registers the domain, fetches the script, keeps both
    webpush.py   the same for web push, unless another's worker is in the way
    table.py     what is set up, in the shared database
    shelf.py     the same in memory, for what pages load
    file.py      a file that pages load, packed and with its ETag
    pages.py     what pages load: `/sites/{site}/tracking.js`, `/sites/{site}/sw.js`
    status.py    what is set up and what is missing (pure)
    routes.py    the operator's routes
    openapi.py   what the contract says of all these routes
    commands.py, push_commands.py  `gateway setup ...`

Done again, each step says what it said the first time.
"""
