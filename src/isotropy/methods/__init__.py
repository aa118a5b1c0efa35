"""Where a method is: one file each, and this list of them."""

from isotropy.errors import UserError, nearest
from isotropy.methods.autoencoder import Autoencoder
from isotropy.methods.barlow_twins import BarlowTwins
from isotropy.methods.byol import BYOL
from isotropy.methods.center import Center
from isotropy.methods.center_subtraction import CenterSubtraction
from isotropy.methods.cissl import CISSL
from isotropy.methods.dacl import DACL
from isotropy.methods.diet import DIET
from isotropy.methods.dino import DINO
from isotropy.methods.dissl import DISSL
from isotropy.methods.lejepa import LeJEPA
from isotropy.methods.lfr import LFR
from isotropy.methods.masked import Masked
from isotropy.methods.method import Method
from isotropy.methods.moco_v3 import MoCoV3
from isotropy.methods.music import MUSIC
from isotropy.methods.nnclr import NNCLR
from isotropy.methods.scarf import SCARF
from isotropy.methods.simclr import SimCLR
from isotropy.methods.simsiam import SimSiam
from isotropy.methods.stab import STab
from isotropy.methods.swav import SwAV
from isotropy.methods.ts2vec import TS2Vec
from isotropy.methods.ts_tcc import TSTCC
from isotropy.methods.vicreg import VICReg
from isotropy.methods.w_mse import WMSE
from isotropy.registry import find, name_of

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
    "swav": SwAV,
    "dino": DINO,
    "music": MUSIC,
    "lejepa": LeJEPA,
    "cissl": CISSL,
    "dissl": DISSL,
    "center": Center,
    "center_subtraction": CenterSubtraction,
    "ts_tcc": TSTCC,
    "ts2vec": TS2Vec,
    "autoencoder": Autoencoder,
    "masked": Masked,
    "diet": DIET,
    "scarf": SCARF,
    "dacl": DACL,
    "stab": STab,
}


def find_method(name: str) -> type[Method]:
    """Return a method's class by its name in `METHODS`, from an installed package, or by "module:Class".

    Raises:
        UserError: nothing of this name, with the nearest one.
    """
    kind = find(METHODS, name, "method")
    if kind is None:
        raise UserError(f"method {name!r} is unknown{nearest(name, METHODS)}")
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise UserError(f"method {name!r} is no subclass of isotropy.methods.Method")
    return kind


def method_name(kind: type[Method]) -> str:
    """Return the name that `find_method` gives a class back for."""
    return name_of(METHODS, kind, "method")


__all__ = [
    "BYOL",
    "CISSL",
    "DACL",
    "DIET",
    "DINO",
    "DISSL",
    "LFR",
    "METHODS",
    "MUSIC",
    "NNCLR",
    "SCARF",
    "TSTCC",
    "WMSE",
    "find_method",
    "method_name",
    "Autoencoder",
    "BarlowTwins",
    "Center",
    "CenterSubtraction",
    "LeJEPA",
    "Masked",
    "Method",
    "MoCoV3",
    "STab",
    "SimCLR",
    "SimSiam",
    "SwAV",
    "TS2Vec",
    "VICReg",
]
