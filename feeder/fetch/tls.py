"""Whom we believe that a server is who it says: the certificates of the system, or those of an operator."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from feeder.errors import ConfigError


def tls_context(authorities: Path | None) -> ssl.SSLContext:
    """Return what checks certificates: against the file *authorities*, or, without, as SSL_CERT_FILE or certifi say.

    Raises:
        ConfigError: The file cannot be read, or holds no certificate.
    """
    if authorities is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"tls_ca: {authorities} cannot be used: {getattr(error, 'strerror', None) or error}"
        ) from error
