"""What an operator reads and changes, over HTTP and from the command line; there only with an operator key.

routes.py    the routes about dead letters, and the operator's key before all of them
people.py    the routes about people: look up, merge, unmerge, lift, forget
answers.py   orders in, answers out
letters.py   dead letters in the shared database: look, edit, drop
openapi.py   what the contract says of the routes
replay.py    dead letters back into the stream of their site
patch.py     changes to a dead letter's event (pure)
commands.py  `gateway dead ...`
people_commands.py  `gateway who`, `merge`, `unmerge`, `lift`, `forget`
client.py    the command line's side: asks a running gateway
"""
