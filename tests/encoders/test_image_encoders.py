"""Encoders for images: sizes, counts, and timm models where timm is installed."""

import builtins
import sys

import numpy as np
import pytest
import torch
from torch import nn

from isotropy import encoders
from isotropy.encoders import SmallResNet
from isotropy.encoders.encoder import to_channels_last
from isotropy.errors import UserError
from isotropy.estimator import SelfSupervisedEncoder
from isotropy.methods import METHODS

SMALL = {"channels": 3, "size": [32, 32]}


@pytest.mark.parametrize("size", [(8, 8), (9, 20), (15, 15), (16, 16), (28, 28), (33, 47), (96, 96)])
def test_small_resnet_takes_any_size_from_8(size):
    encoder = SmallResNet(channels=3, size=size, width=40)
    assert encoder(torch.rand(2, 3, *size)).shape == (2, 40)


def test_small_resnet_halves_the_size_three_times():
    encoder = SmallResNet(channels=1, size=(28, 28), stem=4, blocks=2)
    shapes = []
    for layer in encoder.layers:
        layer.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(output.shape[1:])))
    encoder(torch.rand(2, 1, 28, 28))
    assert shapes[2:9] == [(4, 28, 28), (8, 14, 14), (8, 14, 14), (16, 7, 7), (16, 7, 7), (32, 4, 4), (32, 4, 4)]


def test_small_resnet_halves_images_below_16_twice_with_the_same_weights():
    def maps(side):
        encoder = SmallResNet(channels=1, size=(side, side), stem=4)
        return encoder, encoder.layers[:-3](torch.rand(2, 1, side, side)).shape[2:]

    small, left = maps(8)
    large, left_of_16 = maps(16)
    assert left == left_of_16 == (2, 2)
    shapes = [{name: p.shape for name, p in encoder.named_parameters()} for encoder in (small, large)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("method", [name for name, kind in METHODS.items() if kind.takes("image")])
def test_images_of_8_pixels_are_trained_on(method):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    options = {"lfr": {"num_candidates": 6, "target_width": 16}, "w_mse": {"projector_width": 2, "sub_batch_size": 4}}
    encoder = SelfSupervisedEncoder(
        method,
        encoder="small_resnet",
        encoder_options={"width": 8, "stem": 4},
        method_options=options.get(method),
        epochs=1,
        batch_size=10,
        embedding="learned",
        random_state=0,
    )
    embeddings = encoder.fit(images).transform(images)
    assert embeddings.shape == (20, 8) and np.isfinite(embeddings).all() and embeddings.std() > 0


def test_images_below_8_are_refused():
    with pytest.raises(UserError, match=r"images of 28x7: small_resnet takes images from 8x8 pixels: enlarge them"):
        SmallResNet(channels=1, size=(28, 7))


def test_a_residual_network_of_timm_keeps_small_images_at_their_size():
    pytest.importorskip("timm")
    encoder = encoders.build("timm:resnet18", "image", SMALL)
    assert encoder.width == 512 and encoder(torch.rand(2, 3, 32, 32)).shape == (2, 512)
    stem = encoder.model.conv1
    assert (stem.kernel_size, stem.stride, stem.padding) == ((3, 3), (1, 1), (1, 1))
    assert isinstance(encoder.model.maxpool, nn.Identity)
    # ResNet-18 without its classifier has 11,176,512 weights; the 3x3 stem has 64 * 3 * (49 - 9) fewer.
    assert sum(p.numel() for p in encoder.parameters()) == 11_176_512 - 7_680
    assert encoder.model.layer1(torch.zeros(1, 64, 32, 32)).shape[2:] == (32, 32)


def test_large_images_and_deep_stems():
    pytest.importorskip("timm")
    large = encoders.build("timm:resnet18", "image", {"channels": 1, "size": [96, 96]})
    assert large.model.conv1.stride == (2, 2) and large.model.conv1.in_channels == 1
    deep = encoders.build("timm:resnet18d", "image", SMALL)
    assert [layer.stride for layer in deep.model.conv1 if isinstance(layer, nn.Conv2d)] == [(1, 1)] * 3


def test_a_transformer_is_told_the_size():
    pytest.importorskip("timm")
    encoder = encoders.build("timm:vit_tiny_patch16_224", "image", SMALL)
    assert encoder(torch.rand(2, 3, 32, 32)).shape == (2, encoder.width)


def test_what_timm_does_not_know_or_cannot_do_is_refused():
    pytest.importorskip("timm")
    with pytest.raises(UserError, match="did you mean 'resnet18"):
        encoders.build("timm:resnet18x", "image", SMALL)
    with pytest.raises(UserError, match="no small stem"):
        encoders.build("timm:mobilenetv3_small_050", "image", SMALL, small_stem=True)
    with pytest.raises(UserError, match=r"vit_tiny_patch16_224 cannot take images of 8 x 8"):
        encoders.build("timm:vit_tiny_patch16_224", "image", {"channels": 3, "size": [8, 8]})


def test_a_timm_model_is_rebuilt_from_its_specification():
    pytest.importorskip("timm")
    first = encoders.build("timm:resnet10t", "image", SMALL)
    specification = encoders.spec(first)
    assert specification["name"] == "timm:resnet10t" and "pretrained" not in specification["arguments"]
    second = encoders.from_spec(specification)
    second.load_state_dict(first.state_dict())
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(first.eval()(x), second.eval()(x))


@pytest.mark.parametrize("kind", [ImportError, RuntimeError])
def test_a_timm_that_cannot_be_imported_names_the_extra(kind, monkeypatch):
    real = builtins.__import__

    def broken(name, *rest, **named):
        if name == "timm":
            raise kind("operator torchvision::nms does not exist")
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(UserError, match=r"pip install isotropy\[images\]"):
        encoders.build("timm:resnet18", "image", SMALL)


@pytest.mark.parametrize(("stem", "laid_out"), [(4, False), (8, True), (16, True)])
def test_networks_of_few_channels_keep_their_layout(stem, laid_out):
    encoder = SmallResNet(channels=3, size=[16, 16], width=16, stem=stem)
    to_channels_last(encoder)
    weights = [part.weight for part in encoder.modules() if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1)]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) == laid_out for weight in weights[1:])
