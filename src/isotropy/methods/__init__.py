"""Where a method is: one file each, and this list of them."""

from isotropy.methods.barlow_twins import BarlowTwins
from isotropy.methods.byol import BYOL
from isotropy.methods.lejepa import LeJEPA
from isotropy.methods.lfr import LFR
from isotropy.methods.method import Method
from isotropy.methods.moco_v3 import MoCoV3
from isotropy.methods.music import MUSIC
from isotropy.methods.nnclr import NNCLR
from isotropy.methods.simclr import SimCLR
from isotropy.methods.simsiam import SimSiam
from isotropy.methods.vicreg import VICReg
from isotropy.methods.w_mse import WMSE

METHODS: dict[str, type[Method]] = {
    "lfr": LFR,
    "simclr": SimCLR,
    "byol": BYOL,
    "vicreg": VICReg,
    "simsiam": SimSiam,
    "barlow_twins": BarlowTwins,
    "moco_v3": MoCoV3,
    "nnclr": NNCLR,
    "w_mse": WMSE,
    "music": MUSIC,
    "lejepa": LeJEPA,
}

__all__ = [
    "BYOL",
    "BarlowTwins",
    "LFR",
    "LeJEPA",
    "METHODS",
    "MUSIC",
    "Method",
    "MoCoV3",
    "NNCLR",
    "SimCLR",
    "SimSiam",
    "VICReg",
    "WMSE",
]
