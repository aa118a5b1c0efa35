"""What holds for every encoder in the registry, and how they are named."""

import copy
import json

import pytest
import torch

from isotropy import encoders
from isotropy.encoders import ENCODERS, build, from_spec, spec
from isotropy.errors import UserError
from isotropy.modalities import MODALITIES

SHAPES = {
    "table": {"numeric": 3, "categories": [2, 4]},
    "series": {"channels": 2, "length": 30},
    "image": {"channels": 1, "size": [18, 18]},
    "array": {"sizes": [2, 3, 4, 5]},
}


def example(modality: str, count: int = 8) -> torch.Tensor:
    torch.manual_seed(11)
    if modality == "table":
        codes = [torch.randint(0, cardinality, (count, 1)) for cardinality in (2, 4)]
        return torch.cat([torch.randn(count, 3), *codes], dim=1)
    if modality == "array":
        return torch.randn(count, 2, 3, 4, 5)
    return torch.randn(count, 2, 30) if modality == "series" else torch.rand(count, 1, 18, 18)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_gives_vectors_of_its_width(name):
    encoder = build(name, ENCODERS[name].modality, SHAPES[ENCODERS[name].modality])
    assert encoder(example(encoder.modality)).shape == (8, encoder.width)
    assert isinstance(encoder.convolutional, bool)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_is_rebuilt_bit_for_bit_from_its_specification(name):
    encoder = build(name, ENCODERS[name].modality, SHAPES[ENCODERS[name].modality])
    x = example(encoder.modality)
    encoder(x)
    again = from_spec(json.loads(json.dumps(spec(encoder))))
    again.load_state_dict(encoder.state_dict())
    assert spec(again) == spec(encoder) and spec(encoder)["name"] == name
    right = encoder.eval()(x)
    assert torch.equal(right, again.eval()(x)) and torch.equal(right, encoder(x))
    twin = type(encoder)(**encoder.arguments)
    assert [p.shape for p in twin.parameters()] == [p.shape for p in encoder.parameters()]


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_runs_in_float64_and_channels_last(name):
    encoder = build(name, ENCODERS[name].modality, SHAPES[ENCODERS[name].modality]).eval()
    x = example(encoder.modality)
    right = encoder(x)
    other = copy.deepcopy(encoder).to(memory_format=torch.channels_last)
    torch.testing.assert_close(other(x), right, rtol=1e-4, atol=1e-5)
    exact = encoder.double()(x.double())
    assert exact.dtype == torch.float64
    torch.testing.assert_close(exact.float(), right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_in_eval_mode_a_row_does_not_depend_on_its_batch(name):
    encoder = build(name, ENCODERS[name].modality, SHAPES[ENCODERS[name].modality]).double().eval()
    x = example(encoder.modality).double()
    torch.testing.assert_close(encoder(x)[2:5], encoder(x[2:5]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_weight_of_an_encoder_learns(name):
    encoder = build(name, ENCODERS[name].modality, SHAPES[ENCODERS[name].modality]).double()
    output = encoder(example(encoder.modality).double())
    (output * torch.randn_like(output)).sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


def test_every_modality_has_a_default_of_its_own():
    assert set(MODALITIES) == set(SHAPES)
    for modality, name in ((m.name, m.default_encoder) for m in MODALITIES.values()):
        assert build(name, modality, SHAPES[modality]).modality == modality


def test_options_reach_the_constructor():
    assert build("table_mlp", "table", SHAPES["table"], width=17, depth=2).arguments == {
        "numeric": 3,
        "categories": [2, 4],
        "width": 17,
        "hidden": 256,
        "depth": 2,
    }


@pytest.mark.parametrize(
    ("name", "modality", "options", "message"),
    [
        ("table_mpl", "table", {}, "unknown encoder 'table_mpl' .did you mean 'table_mlp'"),
        ("resnet18", "image", {}, "did you mean 'timm:resnet18'|did you mean 'small_resnet'"),
        ("table_mlp", "table", {"widht": 3}, "no option 'widht' .did you mean 'width'"),
        ("table_mlp", "table", {"numeric": 3}, "no option 'numeric'"),
        ("timm:resnet18", "image", {"model": "x"}, "no option 'model'"),
        (
            "table_mlp",
            "series",
            {},
            "takes table data, but this is series data .valid: cyclic_series_cnn, dilated_resnet, dilation_cnn, gru",
        ),
        ("dilated_resnet", "image", {}, "takes series data, but this is image data"),
    ],
)
def test_wrong_names_get_the_nearest_valid_one(name, modality, options, message):
    with pytest.raises(UserError, match=message):
        build(name, modality, SHAPES[modality], **options)


@pytest.mark.parametrize(
    "damaged",
    [{}, {"name": "table_mlp"}, {"name": "table_mlp", "arguments": {"wide": 3}}, {"name": "gone", "arguments": {}}],
)
def test_a_damaged_specification_is_refused(damaged):
    with pytest.raises(UserError, match="encoder"):
        from_spec(damaged)


def test_importing_the_package_does_not_import_timm():
    import subprocess
    import sys

    code = "import sys, isotropy.encoders; sys.exit(int('timm' in sys.modules or 'torchvision' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert encoders.Timm.modality == "image"
