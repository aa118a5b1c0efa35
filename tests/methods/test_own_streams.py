import importlib
import pkgutil

import pytest
import torch

from isotropy import methods
from isotropy.encoders import DilatedResNet
from isotropy.errors import UserError
from isotropy.methods import TSTCC, WMSE, TS2Vec
from methods.fakes import Net


def test_no_two_methods_draw_from_one_stream():
    modules = [
        importlib.import_module(f"isotropy.methods.{each.name}") for each in pkgutil.iter_modules(methods.__path__)
    ]
    own = {module.__name__: module._OWN for module in modules if hasattr(module, "_OWN")}
    assert len(own) >= 7 and len(set(own.values())) == len(own)


DRAWS = {
    "w_mse": lambda seed: WMSE(Net(), hidden=8, emb=2, w_size=8, seed=seed)._parts(20).tolist(),
    "ts2vec": lambda seed: TS2Vec(DilatedResNet(channels=2, width=6, depth=2), seed=seed)._crops(1000),
    "ts_tcc": lambda seed: TSTCC(DilatedResNet(channels=2, width=6, depth=2), hidden=8, seed=seed)._now(10_000),
}


@pytest.mark.parametrize("name", DRAWS)
def test_what_is_drawn_is_a_function_of_the_seed(name):
    torch.manual_seed(0)
    draws = [DRAWS[name](seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    with pytest.raises(UserError, match="seed must be a whole number of at least 0, not -1"):
        DRAWS[name](-1)
