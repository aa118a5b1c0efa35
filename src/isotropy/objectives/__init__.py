"""Where a loss is: tensors in, scalars out; no state, no ranks, no configuration. Each file says what it exports."""

from isotropy.objectives.barlow_twins import *
from isotropy.objectives.bbt import *
from isotropy.objectives.center import *
from isotropy.objectives.cissl import *
from isotropy.objectives.codes import *
from isotropy.objectives.contrastive import *
from isotropy.objectives.dino import *
from isotropy.objectives.dissl import *
from isotropy.objectives.distance import *
from isotropy.objectives.hierarchical import *
from isotropy.objectives.instance import *
from isotropy.objectives.music import *
from isotropy.objectives.reconstruction import *
from isotropy.objectives.sigreg import *
from isotropy.objectives.swav import *
from isotropy.objectives.temporal import *
from isotropy.objectives.variance_covariance import *
from isotropy.objectives.whitening import *
