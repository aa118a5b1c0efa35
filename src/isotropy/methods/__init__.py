"""Where a method is: one file each, and this list of them."""

from isotropy.methods.byol import BYOL
from isotropy.methods.lejepa import LeJEPA
from isotropy.methods.lfr import LFR
from isotropy.methods.method import Method
from isotropy.methods.music import MUSIC
from isotropy.methods.simclr import SimCLR
from isotropy.methods.vicreg import VICReg

METHODS: dict[str, type[Method]] = {
    "lfr": LFR,
    "simclr": SimCLR,
    "byol": BYOL,
    "vicreg": VICReg,
    "music": MUSIC,
    "lejepa": LeJEPA,
}

__all__ = ["BYOL", "LFR", "LeJEPA", "METHODS", "MUSIC", "Method", "SimCLR", "VICReg"]
