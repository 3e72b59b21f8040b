"""A small sample of refused events, masked, for whoever has to find out what a store sends wrong.

mask        the shape of an event without anything that somebody wrote; pure
sample      takes in what ingest refuses, and writes it in the background
table       the newest few of each site, type and code, in the shared database
sweeping    removes what is older than a week
"""
