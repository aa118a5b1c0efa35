"""The methods, one file each: an import that exports the class, and its name in `METHODS`."""

from isotropy.errors import UserError, nearest
from isotropy.methods.autoencoder import Autoencoder as Autoencoder
from isotropy.methods.barlow_twins import BarlowTwins as BarlowTwins
from isotropy.methods.byol import BYOL as BYOL
from isotropy.methods.center import Center as Center
from isotropy.methods.center_subtraction import CenterSubtraction as CenterSubtraction
from isotropy.methods.cissl import CISSL as CISSL
from isotropy.methods.dacl import DACL as DACL
from isotropy.methods.dcl import DCL as DCL
from isotropy.methods.diet import DIET as DIET
from isotropy.methods.dino import DINO as DINO
from isotropy.methods.dissl import DISSL as DISSL
from isotropy.methods.lejepa import LeJEPA as LeJEPA
from isotropy.methods.lfr import LFR as LFR
from isotropy.methods.masked import Masked as Masked
from isotropy.methods.method import Method as Method
from isotropy.methods.moco_v3 import MoCoV3 as MoCoV3
from isotropy.methods.music import MUSIC as MUSIC
from isotropy.methods.nnclr import NNCLR as NNCLR
from isotropy.methods.scarf import SCARF as SCARF
from isotropy.methods.simclr import SimCLR as SimCLR
from isotropy.methods.simsiam import SimSiam as SimSiam
from isotropy.methods.stab import STab as STab
from isotropy.methods.swav import SwAV as SwAV
from isotropy.methods.ts2vec import TS2Vec as TS2Vec
from isotropy.methods.ts_tcc import TSTCC as TSTCC
from isotropy.methods.vicreg import VICReg as VICReg
from isotropy.methods.w_mse import WMSE as WMSE
from isotropy.registry import find, name_of

METHODS: dict[str, type[Method]] = {
    "lfr": LFR,
    "simclr": SimCLR,
    "dcl": DCL,
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
    """Return the class of a name: in `METHODS`, of an installed package, or "module:Class"; or raise a UserError."""
    kind = find(METHODS, name, "method")
    if kind is None:
        raise UserError(f"method {name!r} is unknown{nearest(name, METHODS)}")
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise UserError(f"method {name!r} is no subclass of isotropy.methods.Method")
    return kind


def method_name(kind: type[Method]) -> str:
    """Return the name that `find_method` gives a class back for."""
    return name_of(METHODS, kind, "method")
