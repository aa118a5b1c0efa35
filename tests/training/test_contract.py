"""The contract of a method: each way to break it is one line on the first step, and costs nothing afterwards."""

import pytest
import torch

from isotropy.errors import UserError
from isotropy.methods.method import Method
from isotropy.objectives import nt_xent
from laws import cases


class Sound(Method):
    """The least that is a method."""

    gathered = ("z",)

    def __init__(self):
        super().__init__()
        self.encoder = cases.encoder()

    def forward(self, views):
        return {"z": views.through(self.encoder)}

    def loss(self, z):
        return {"contrast": nt_xent(*z, temperature=0.5)}


def broken(**members):
    """Return a method like `Sound`, with other members."""
    return type("Broken", (Sound,), members)().double()


def halves(self, views):
    self.encoder.module[0].weight.data.mul_(0.5)
    return Sound.forward(self, views)


def first_step(method):
    return next(iter(cases.train(method)))


def test_a_sound_method_trains_without_reference_losses():
    method = Sound().double()
    assert first_step(method).number == 1 and method.reference_losses(8) == {}


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({"gathered": ("zs",)}, r"Broken.gathered names 'zs', which forward does not return \(did you mean 'z'\?\)"),
        ({"averaged": ("y",)}, r"Broken.averaged names 'y', which forward does not return \(valid: z\)"),
        (
            {"forward": lambda self, views: views.through(self.encoder)},
            r'Broken.forward returned a list: return named outputs, as \{"z": \[projected for each view\]\}, each ',
        ),
        ({"forward": lambda self, views: {}}, "Broken.forward returned an empty dict: return named outputs"),
        (
            {"forward": lambda self, views: {"z": tuple(views.through(self.encoder))}},
            r"output 'z' is a tuple: give a tensor \(B, ...\), or a list of such, one per view",
        ),
        (
            {"forward": lambda self, views: {"z": torch.stack(views.through(self.encoder))}},
            r"output 'z' has shape \(2, 9, 8\) for a batch of 9 rows: rows come first, and views stand in a list",
        ),
        (
            {"loss": lambda self, z: nt_xent(*z, temperature=0.5)},
            r'Broken.loss returned a Tensor: return named scalar terms, as \{"contrast": loss\}',
        ),
        (
            {"loss": lambda self, z: {"contrast": z[0].mean(1)}},
            r"term 'contrast' is a tensor \(9,\): give a scalar tensor",
        ),
        ({"loss": lambda self, z: {"contrast": 1.0}}, "term 'contrast' is a float: give a scalar tensor"),
        ({"loss": lambda self, x: {"contrast": x}}, r"Broken.loss has no argument for the output 'z' of forward"),
        (
            {"loss": lambda self, z, centre: {"contrast": z}},
            r"Broken.loss asks for 'centre', which forward does not return \(valid: z\)",
        ),
        (
            {"loss": lambda self, z: {"contrast": z[0].detach().mean()}},
            "no term depends on a parameter that learns: was an output detached",
        ),
        ({"forward": halves}, r"Broken.forward writes the parameter 'encoder.module.0.weight': move it in update"),
        ({"gathered": ()}, r"term 'contrast' is no mean over rows .* name the outputs that it compares in `gathered`"),
    ],
)
def test_a_broken_contract_is_one_line_on_the_first_step(members, line):
    with pytest.raises(UserError, match=line) as refused:
        first_step(broken(**members))
    assert "\n" not in str(refused.value)


def test_it_is_checked_once(monkeypatch):
    asked = []
    method = broken(loss=lambda self, z: asked.append(1) or Sound.loss(self, z), gathered=("z",))
    for _, step in zip(range(3), cases.train(method)):
        assert len(asked) == step.number
    mean = broken(loss=lambda self, z: asked.append(1) or {"agree": (z[0] - z[1]).square().sum(1).mean()}, gathered=())
    asked.clear()
    for _, step in zip(range(3), cases.train(mean)):
        assert len(asked) == step.number + 2, "two more on the first step, for its halves"
