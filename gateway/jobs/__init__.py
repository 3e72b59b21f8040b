"""Jobs: imports that eSputnik takes first and carries out later, followed to their end.

    table.py     jobs and their failed rows in the shared database
    follower.py  asks eSputnik how an import gets on
    routes.py    what became of a job, over HTTP
    commands.py  `gateway jobs`
    rows.py      failed rows as CSV, to be mended and sent again (pure)

A job begins when eSputnik has answered a `POST /v1/contacts`; its id is the call's X-Request-Id.
"""
