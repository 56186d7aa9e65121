"""config.toml -> Config. Only this room knows pydantic.

`files` reads TOML, `values` and `schema` say what may stand there, `sources`, `storage` and `loading` put it together and
check what one table alone cannot show; what comes of it are `settings`, or `faults`. `fingerprints` tells when a change
asks for work to be done again.
"""

from feeder.config.fingerprints import fingerprint, render_fingerprint, whole_fingerprint
from feeder.config.loading import imagined, kept, load
from feeder.config.schema import keys
from feeder.config.settings import Config, Kept
from feeder.config.values import Address, address_text

__all__ = [
    "Address",
    "Config",
    "Kept",
    "address_text",
    "fingerprint",
    "imagined",
    "kept",
    "keys",
    "load",
    "render_fingerprint",
    "whole_fingerprint",
]
