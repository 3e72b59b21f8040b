"""A shop's domain as a person types it. Pure."""

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from yarl import URL

_SHOP = "shop.example"
_LOCAL = "localhost"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253


class Domain(NamedTuple):
    """Where a shop's pages are."""

    host: str
    """Bare, in lower case, `shop.example`; with its port only at `localhost:8000`."""
    origin: str
    """With its scheme and no slash behind it, `https://shop.example`."""


def domain_of(text: str) -> Domain:
    """Return the domain that `shop.example` or `https://shop.example/` names.

    `localhost`, with or without a port, is one too, by http: a shop under development. Raises ValueError with
    a sentence that says what to type instead.
    """
    parts = _split(text.strip())
    host = (parts.hostname or "").removesuffix(".")
    _refuse_what_is_more_than_a_host(parts, host)
    if host == _LOCAL:
        place = host if parts.port is None else f"{host}:{parts.port}"
        return Domain(place, f"{parts.scheme or 'http'}://{place}")
    if parts.port is not None:
        raise ValueError("leave out the port: eSputnik registers a bare name; only localhost may have one")
    _refuse_what_is_no_name(host)
    return Domain(host, f"{parts.scheme or 'https'}://{host}")


def _split(text: str) -> SplitResult:
    if not text:
        raise ValueError(f"name the shop's domain, as in {_SHOP}")
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        _ = parts.port
    except ValueError:
        _refuse_an_address(text)  # IPv6 without brackets
        raise ValueError(f"this is no address; write the name alone, as in {_SHOP}") from None
    if parts.scheme not in ("", "http", "https"):
        raise ValueError(f"write the name alone or with https:// before it, as in https://{_SHOP}")
    return parts


def _refuse_what_is_more_than_a_host(parts: SplitResult, host: str) -> None:
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave out what stands before the @: a domain has no user and no password")
    if parts.path not in ("", "/"):
        raise ValueError(f"leave out the path: eSputnik registers whole domains, as in {_SHOP}")
    if parts.query or parts.fragment:
        raise ValueError(f"leave out what stands behind the name from ? or # on, as in {_SHOP}")
    if not host:
        raise ValueError(f"name the shop's domain, as in {_SHOP}")


def _refuse_what_is_no_name(host: str) -> None:
    _refuse_an_address(host)
    if not host.isascii():
        raise ValueError(f"write {_in_ascii(host)}: browsers and eSputnik know the domain by that form")
    if "." not in host:
        raise ValueError(f"give the whole name with its dot, as in {_SHOP}; only localhost has none")
    if len(host) > _LONGEST or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError(f"use letters, digits and single dots, with hyphens only in between, as in {_SHOP}")


def _refuse_an_address(host: str) -> None:
    if _is_address(host):
        raise ValueError(f"give the shop's name instead of an IP address, as in {_SHOP}")


def _is_address(host: str) -> bool:
    """Tell whether a browser takes it for an IP address: it does so as soon as the last part is a number."""
    if host.rpartition(".")[2].isdigit():
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _in_ascii(host: str) -> str:
    try:
        return URL.build(scheme="https", host=host).raw_host or ""
    except ValueError:
        return "the form that begins with xn--, which your registrar shows"
