"""config.toml -> Config. Only this room knows pydantic.

`files` reads TOML, `values` and `schema` say what may stand there, `loading` puts it together and checks what one table
alone cannot show, `fingerprints` tells when a change asks for work to be done again.
"""

from feeder.config.fingerprints import fingerprint, render_fingerprint, whole_fingerprint
from feeder.config.loading import Config, imagined, kept, load
from feeder.config.schema import keys
from feeder.config.values import Address, address_text

__all__ = [
    "Address",
    "Config",
    "address_text",
    "fingerprint",
    "imagined",
    "kept",
    "keys",
    "load",
    "render_fingerprint",
    "whole_fingerprint",
]
