"""Which items are one article, and what became of each. Decides, does nothing.

A sighting is an article seen at a locator. The article shown is a pure function of its current sightings;
beyond them only a `Memory` is kept: the id, the keys, the first sight, and when the text last changed.

`identity` makes keys and ids. `deciding` takes a batch of one source and says what became of each item: `desk` is what is
known meanwhile, `moves` finds what lay elsewhere before, `changes` compares it with what is read now, `owners` tells whose
its keys are. `showing` picks what readers see of an article's copies, `withdrawal` says what is gone, `reunion` what other
settings bring together.
"""

from feeder.dedup.deciding import Decision, decide
from feeder.dedup.desk import Candidate, Known
from feeder.dedup.identity import (
    address,
    adopted_keys,
    given_key,
    keys,
    mint,
    minted_key,
    never_shared,
    waiting_keys,
)
from feeder.dedup.reunion import Reunion, reunite
from feeder.dedup.rules import UNRANKED, Rules
from feeder.dedup.showing import show
from feeder.dedup.withdrawal import Missing, withdraw

__all__ = [
    "UNRANKED",
    "Candidate",
    "Decision",
    "Known",
    "Missing",
    "Reunion",
    "Rules",
    "address",
    "adopted_keys",
    "decide",
    "given_key",
    "keys",
    "mint",
    "minted_key",
    "never_shared",
    "reunite",
    "show",
    "waiting_keys",
    "withdraw",
]
