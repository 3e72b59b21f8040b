"""TLS to Kafka, PostgreSQL and eSputnik: verified by the system's authorities, or by those of a file."""

import ssl
from pathlib import Path

from gateway.errors import ConfigError


def trusting(setting: str, ca_file: Path | None) -> ssl.SSLContext:
    """Return a client's context that verifies the certificate and the host's name.

    It trusts the authorities in `ca_file`, else the system's. Raises ConfigError naming the setting where the
    file is none.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as problem:  # ssl.SSLError for a file that holds no certificate
        raise ConfigError([f"{setting}: cannot be used: {problem.strerror}"]) from None
