"""Whose key is this? Basic (any user, key as password), Bearer or X-Api-Key."""

import binascii
import hashlib
import os
from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from gateway.ingest.problem import Problem
from gateway.keys import configured_digest, digest

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="gateway", charset="UTF-8"'}


class Keys:
    """Tells whom a presented key belongs to, in a time that says nothing about any key.

    Keys are looked up by a hash of their digest that is keyed anew in every process, so neither equality nor
    hashing ever touches a key itself, and nobody can choose what the look-up compares.
    """

    def __init__(self, holders: Mapping[str, Iterable[SecretStr]]) -> None:
        """`holders` are sites (or whoever it is) with their keys, plain or hashed (`gateway.keys`)."""
        self._salt = os.urandom(32)
        self._holders = {
            self._place(configured_digest(key.get_secret_value())): holder
            for holder, keys in holders.items()
            for key in keys
        }

    def _place(self, key_digest: bytes) -> bytes:
        return hashlib.blake2b(key_digest, key=self._salt, digest_size=16).digest()

    def holder(self, headers: Mapping[str, str]) -> str:
        """Return who holds the key that the headers present.

        Raises Problem 401 where there is no key or it is nobody's.
        """
        key = presented(headers)
        if key is None:
            detail = "present a key as Basic password, Bearer token or X-Api-Key"
            raise Problem(401, "key_missing", detail, _CHALLENGE)
        holder = self._holders.get(self._place(digest(key)))
        if holder is None:
            raise Problem(401, "key_unknown", "nobody who may do this has this key", _CHALLENGE)
        return holder


def presented(headers: Mapping[str, str]) -> bytes | None:
    """Return the key that the headers present, or None without a readable one."""
    key = headers.get("X-Api-Key")
    if key is not None:
        return key.strip().encode("utf-8", "surrogateescape")
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    scheme = scheme.lower()
    credentials = credentials.strip()
    if scheme == "bearer" and credentials:
        return credentials.encode("utf-8", "surrogateescape")
    if scheme == "basic":
        try:
            return binascii.a2b_base64(credentials).partition(b":")[2]
        except ValueError:
            return None
    return None
