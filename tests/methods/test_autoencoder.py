import pytest
import torch
from torch import nn

from isotropy.errors import UserError
from isotropy.methods import Autoencoder
from isotropy.nn.decoders import TableDecoder
from isotropy.objectives import reconstruction
from methods.fakes import Net, normal, views_of


def test_the_loss_is_the_error_of_what_the_decoder_gives_back():
    method, x = Autoencoder(Net(), make_decoder=lambda width: nn.Linear(width, 5)).double().eval(), normal(7, 5)
    expected = (method.decoder(method.encoder(x)) - x).square().mean()
    assert method.loss(**method(views_of(x)))["error"].item() == pytest.approx(expected.item(), abs=1e-12)


def test_categories_are_told_by_their_logits_and_several_views_are_averaged():
    method = Autoencoder(Net(), make_decoder=lambda width: TableDecoder(width, 3, [4, 2])).double().eval()
    tensors = [torch.cat([normal(6, 3, seed=s), torch.tensor([[s, 1.0]]).expand(6, 2)], 1) for s in (0, 3)]
    errors = [reconstruction(method.decoder(method.encoder(x)), x, categories=(4, 2)).item() for x in tensors]
    assert method.loss(**method(views_of(*tensors)))["error"].item() == pytest.approx(sum(errors) / 2, abs=1e-12)


def test_the_reference_loss_and_every_parameter_learns():
    method, x = Autoencoder(Net(), make_decoder=lambda width: nn.Linear(width, 5)), normal(8, 5).float()
    assert method.loss([x], [x])["error"].item() == method.reference_losses(8)["perfection"] == 0
    method.loss(**method(views_of(x)))["error"].backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in method.parameters())


def test_a_decoder_that_makes_no_rows_is_named():
    method = Autoencoder(Net(), make_decoder=lambda width: nn.Linear(width, 4)).double()
    with pytest.raises(UserError, match=r"the decoder makes \(7, 4\) of 7 vectors, and the rows need \(7, 5\)"):
        method(views_of(normal(7, 5)))
