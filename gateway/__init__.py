"""Event gateway for eSputnik: takes a store's events, makes them durable, stitches and delivers them.

The path of one event
    store ─POST─▶ ingest ─▶ validation ─▶ stream.append ─▶ 202, one result per event
                                              │  the durable line: after it nobody waits
                                              ▼
                       topic events ─▶ identity: stitch ─▶ topic stitched.<site> ─▶ delivery ─▶ eSputnik
                                                                                      └─▶ dead letters

`flow` tells it in a few short functions. The stages know nothing of each other; `app` wires them.

The rooms
    ingest      HTTP in: routes, bodies, keys, replies
    validation  schemas, repairs, precise errors
    stream      the durable log: SQLite or Kafka, with a spool on disk while Kafka is away
    identity    which customer is behind this cookie
    delivery    pace, retry, order, dead letters
    esputnik    a client of eSputnik's API; imports nothing of ours
    sandbox     a stand-in eSputnik; imports nothing of ours
    relay       what a client asks eSputnik, passed through
    jobs        imports, followed to their end
    feed        a shop's product feed: checked, mended, watched, pushed
    setup       a shop's domain, tracking script and web push at eSputnik
    product_keys  whether tracking, orders and products calls name products alike
    refused     a masked sample of what ingest refuses
    console     what an operator reads and changes, over HTTP and from the command line
    doctor      what works, what does not, what to do next
    store       the shared database: SQLite or PostgreSQL
    demo        the story that `gateway demo` plays

Between the rooms
    event, calls        what a record is; which of eSputnik's calls may be one
    outcomes            eSputnik's answers on their way back to callers who wait
    last_events, news   when an event of each type was last delivered; what is noted, and written later
    contacts            which customers have a contact at eSputnik
    aftermath, erasure  what a delivered call asks of the gateway itself

Around them
    cli         one command per mode, and what an operator needs besides
    config      every setting with its default; reload says which may change while a process runs
    parts, app, running  which parts a process has, how they are wired, from its start to its end
    clients, check       a site's client of eSputnik; whether every part is reached

What may be lost, and where
    Nothing that was answered as accepted. Before the answer nothing is promised: a refused event, a request
    answered 503, a connection that breaks before its answer. After it a record ends in one of two ways:
    eSputnik took it (at least once), or it is a dead letter with the reason; a logout ends at stitching, and
    what is left of a person who was erased is dropped. A repeat carries the same id.
"""
