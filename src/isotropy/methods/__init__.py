"""Where a method is: one file each, and this list of them."""

from isotropy.methods.byol import BYOL
from isotropy.methods.lfr import LFR
from isotropy.methods.method import Method
from isotropy.methods.simclr import SimCLR
from isotropy.methods.vicreg import VICReg

METHODS: dict[str, type[Method]] = {"lfr": LFR, "simclr": SimCLR, "byol": BYOL, "vicreg": VICReg}

__all__ = ["BYOL", "LFR", "METHODS", "Method", "SimCLR", "VICReg"]
