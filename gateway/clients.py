"""A site's client of eSputnik, from its settings; one TLS context for all of them."""

import ssl
from functools import cache
from pathlib import Path

from gateway.config import Site
from gateway.esputnik.client import EsputnikClient
from gateway.tls import trusting


def esputnik_client(site: Site, timeout: float, connections: int, ca_file: Path | None) -> EsputnikClient:
    """Return the site's client of eSputnik, not yet open."""
    return EsputnikClient(
        tracker_url=site.tracker_url,
        api_url=site.api_url,
        api_key=site.api_key.get_secret_value(),
        timeout=timeout,
        connections=connections,
        tls=_trusting_esputnik(ca_file),
    )


@cache
def _trusting_esputnik(ca_file: Path | None) -> ssl.SSLContext:
    """Return the one context of all clients: to read the system's authorities takes 38 ms each time."""
    return trusting("delivery.ca_file", ca_file)
