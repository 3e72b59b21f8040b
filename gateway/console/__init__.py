"""What an operator reads and changes, over HTTP and from the command line; there only with an operator key.

routes.py    the routes, each behind the operator's key
letters.py   dead letters in the shared database: look, edit, drop
replay.py    dead letters back into the stream of their site
patch.py     changes to a dead letter's event (pure)
commands.py  `gateway dead ...`
client.py    the command line's side: asks a running gateway
"""
