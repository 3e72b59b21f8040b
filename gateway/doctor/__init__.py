"""`gateway doctor`: what of a shop's way to eSputnik works, what does not, and what to do next.

finding.py   one thing that was looked at, and how it stands (pure)
judging.py   what the gateway and eSputnik told, judged (pure)
judging_shop.py  what the shop shows, judged: its page, its worker, its feed, its ids (pure)
asking.py    what only the running gateway knows
examining.py looks at everything, one after another
showing.py   one screen of it
commands.py  the command

Nothing is changed anywhere, and no event is sent.
"""
