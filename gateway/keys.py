"""Keys that callers present: how one is made, and how it is known without being kept.

A configuration may hold a key as its hash, `sha256:` and 64 hexadecimal digits, so that whoever reads the
file cannot present it. One plain SHA-256 is right for that: a key of ours holds 256 random bits, which nobody
finds by trying, however fast the hash. Slow salted hashes are for what people think up, and would cost every
request a tenth of a second. So a key that a person made up is to be replaced, not hashed.
"""

import hashlib
import re
import secrets

HASHED = "sha256:"
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_PREFIX = "gw_"
"""Lets those who scan for secrets that leaked know one of ours."""
_RANDOM_BYTES = 32
SHORTEST = 4
"""Characters without which a configured key is taken for a slip."""


def new_key() -> str:
    """Return a new key: 256 random bits as text that fits into any header."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hashed(key: str) -> str:
    """Return what the configuration may hold instead of the key."""
    return HASHED + digest(key.encode()).hex()


def digest(presented: bytes) -> bytes:
    """Return what a presented key is known by."""
    return hashlib.sha256(presented).digest()


def configured_digest(configured: str) -> bytes:
    """Return the digest of a key as it stands in the configuration, plain or hashed."""
    if _HASH.fullmatch(configured):
        return bytes.fromhex(configured.removeprefix(HASHED))
    return digest(configured.encode())


def mistake_in(configured: str) -> str | None:
    """Return what is wrong with a key of the configuration, without the key; None where nothing is."""
    if len(configured) < SHORTEST:
        return "one is empty or too short to be a key"
    if configured.startswith(HASHED) and not _HASH.fullmatch(configured):
        return f"one begins with {HASHED} and does not go on with 64 hexadecimal digits in lower case"
    return None


def is_hashed(configured: str) -> bool:
    """Return whether a key of the configuration is a hash, which nobody can present."""
    return configured.startswith(HASHED)
