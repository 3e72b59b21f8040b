"""Ingest: HTTP in. Authentication, body decoding, one result per event, replies.

`server` listens, `intake` bounds what is read at once, `routes` says what is where, `admission` who may come
in now, `body` turns bytes into events, `auth` a key into a site, `desk` judges a batch for a site, `problem`
and `reply` write the answers, `openapi` tells the contract.
"""
