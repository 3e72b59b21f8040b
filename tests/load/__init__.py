"""Load: benches that report; no test asserts a time."""
