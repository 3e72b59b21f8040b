"""What connects a shop to eSputnik: its domain, the tracking script, web push.

domain.py    a shop's domain as a person types it (pure)
script.py    the JavaScript in eSputnik's HTML (pure)
refusals.py  what eSputnik's no means, and what to do (pure)
tracking.py  registers the domain, fetches the script, keeps both
table.py     what is set up, in the shared database
shelf.py     the same in memory, for what pages load
pages.py     what pages load: `/sites/{site}/tracking.js`
status.py    what is set up and what is missing (pure)
routes.py    the operator's routes
openapi.py   what the contract says of all these routes
commands.py  `gateway setup ...`
"""
