import pytest
import torch
from torch import nn

from isotropy.errors import UserError
from isotropy.training import precision

CPU = torch.device("cpu")


class Network(nn.Module):
    def __init__(self, convolutional: bool, fast_in_bf16: bool = False) -> None:
        super().__init__()
        self.convolutional, self.fast_in_bf16 = convolutional, fast_in_bf16


@pytest.mark.parametrize("unit", ["amx_bf16", "avx512_bf16", "avx512_f"])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("convolutional", [True, False])
def test_auto_is_bf16_only_with_units_and_an_encoder_that_gains(monkeypatch, unit, there, convolutional):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {unit: there}, raising=False)
    wanted = "bf16" if there and unit != "avx512_f" and convolutional else "float32"
    assert precision.choose_precision("auto", CPU, Network(convolutional)) == wanted


@pytest.mark.parametrize("there", [True, False])
def test_tables_gain_too(monkeypatch, there):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": there}, raising=False)
    wanted = "bf16" if there else "float32"
    assert precision.choose_precision("auto", CPU, Network(False, fast_in_bf16=True)) == wanted


def test_a_module_that_says_nothing_and_a_torch_that_cannot_tell_stay_in_float32(monkeypatch):
    assert precision.choose_precision("auto", CPU, nn.Linear(2, 2)) == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision.choose_precision("auto", CPU, Network(True)) == "float32"


@pytest.mark.parametrize("wanted", ["float32", "bf16"])
def test_what_is_asked_for_is_taken(wanted):
    assert precision.choose_precision(wanted, CPU, nn.Linear(2, 2)) == wanted


def test_an_unknown_precision_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'bf16'"):
        precision.choose_precision("bfl16", CPU, nn.Linear(2, 2))
