"""Ingest: HTTP in. Authentication, body decoding, one result per event, replies.

`server` listens, `routes` says what is where, `body` turns bytes into events, `auth` turns a key into a site,
`desk` judges a batch for a site, `problem` and `reply` write the answers, `openapi` tells the contract.
"""
