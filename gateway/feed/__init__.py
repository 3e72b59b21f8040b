"""A shop's product feed (Google Merchant RSS 2.0): checked, mended, watched, pushed.

source.py    where its bytes come from: a file or a web address, gzip unpacked
mending.py   its bytes into well-formed UTF-8, as far as that is mechanical
reading.py   its XML into products (item.py), trusting nothing; plain.py is the fast lane
rules.py     what is wrong with one product (pure); money.py reads prices, spans.py when a sale is
across.py    what is wrong with products together: ids, variants, languages, tracking
ids.py       whether the feed's ids are those that the gateway has seen
findings.py  all that can be wrong, each with its severity and what to do
checking.py  the above, one after another, into a report; apart.py does it in another process
report.py    what was found, counted and bounded; showing.py prints it
repairs.py   what can be mended in one product (pure); fixing.py writes the mended feed
watching.py  every feed on a schedule; kept.py has the last good version and serves it
products.py  a product as eSputnik's Products API takes it (pure); markets.py the same by market
push.py      sends what changed since pushed.py
commands.py  `gateway feed ...`
"""
