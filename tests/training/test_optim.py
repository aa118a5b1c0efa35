import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from isotropy.errors import UserError
from isotropy.training import LARS, Optim
from isotropy.training.optim import OPTIMISERS


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_the_rate_grows_linearly_and_falls_on_a_half_cosine(warmup, final):
    optim = Optim(warmup=warmup, final=final)
    for progress in (i / 40 for i in range(41)):
        if progress < warmup:
            expected = progress / warmup
        else:
            angle = math.pi * (progress - warmup) / (1 - warmup)
            expected = final + (1 - final) * 0.5 * (1 + math.cos(angle))
        assert optim.rate(progress) == pytest.approx(expected, abs=1e-15)
    assert optim.rate(warmup) == 1 and optim.rate(1.0) == pytest.approx(final, abs=1e-15)


def test_a_final_of_one_without_warmup_is_constant():
    assert {Optim(warmup=0, final=1).rate(i / 7) for i in range(8)} == {1.0}


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.ModuleDict(
            {"body": nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), "bodyguard": nn.Linear(3, 2)}
        ).double()


def named(module: nn.Module, group: dict) -> set[str]:
    return {name for name, p in module.named_parameters() if any(p is q for q in group["params"])}


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_decay_is_for_matrices_alone_unless_asked(name):
    module = network()
    decayed = {True: set(), False: set()}
    for group in Optim(name=name, weight_decay=0.1).build(module).param_groups:
        decayed[group["weight_decay"] == 0.1] |= named(module, group)
    assert decayed[True] == {"body.0.weight", "bodyguard.weight"}
    assert decayed[False] == {"body.0.bias", "body.1.weight", "body.1.bias", "bodyguard.bias"}
    every = Optim(name=name, weight_decay=0.1, decay_vectors=True).build(module)
    assert {group["weight_decay"] for group in every.param_groups} == {0.1}


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_unscheduled_modules_keep_a_constant_rate(name):
    module, optim = network(), Optim(name=name, lr=0.4, warmup=0.5)
    optimizer = optim.build(module, unscheduled=("body",))
    assert optim.set_rate(optimizer, 0.25) == 0.2
    rates = {n: group["lr"] for group in optimizer.param_groups for n in named(module, group)}
    # "bodyguard" only begins like "body".
    assert {rates[n] for n in rates if n.startswith("body.")} == {0.4}
    assert {rates[n] for n in rates if n.startswith("bodyguard.")} == {0.2}


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_an_optimiser_of_torch_moves_as_torch_has_it(name):
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "lars": LARS}
    options = {"sgd": {"momentum": 0.9}, "lars": {"momentum": 0.9, "trust": 0.02}}
    own = options.get(name, {"fused": True, "weight_decay": 0.0})
    found = []
    for ours in (True, False):
        module = network()
        if ours:
            optimizer = Optim(name=name, lr=0.1, weight_decay=0.0, trust=0.02).build(module)
        else:
            optimizer = kinds[name]([{"params": list(module.parameters()), "matrices": True}], lr=0.1, **own)
        for step in range(3):
            optimizer.zero_grad()
            sum((p.sin() * (step + 1)).sum() for p in module.parameters() if p.ndim > 1).backward()
            optimizer.step()
        found.append([p.detach().clone() for p in module.parameters() if p.ndim > 1])
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_a_training_does_not_import_the_compiler():
    """Seconds of every first training in a process go there otherwise."""
    code = (
        "import sys, torch, isotropy\n"
        "from isotropy.training.optim import OPTIMISERS, Optim\n"
        "for name in OPTIMISERS:\n"
        "    layer = torch.nn.Linear(2, 2)\n"
        "    optimizer = Optim(name=name).build(layer)\n"
        "    layer(torch.ones(1, 2)).sum().backward()\n"
        "    optimizer.step()\n"
        "    optimizer.zero_grad()\n"
        "    optimizer.load_state_dict(optimizer.state_dict())\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_does_not_learn_is_left_out():
    module = network()
    module["body"].requires_grad_(False)
    groups = Optim().build(module).param_groups
    assert set().union(*(named(module, group) for group in groups)) == {"bodyguard.weight", "bodyguard.bias"}


def slow_lars(w, grads, *, lr, momentum, trust, decay, excluded):
    """Transcribed with Python numbers: r = eta |w| / (|g| + wd |w| + 1e-8), clipped at lr; v = m v + r (g + wd w)."""
    velocity = [0.0] * len(w)
    for grad, rate in zip(grads, lr):
        norm = math.sqrt(sum(x * x for x in w))
        size = math.sqrt(sum(x * x for x in grad))
        scale = 1.0
        if not excluded and norm > 0 and size > 0:
            scale = min(trust * norm / (size + decay * norm + 1e-8) / rate, 1.0)
        shrink = 0.0 if excluded else decay
        direction = [scale * (g + shrink * x) for g, x in zip(grad, w)]
        velocity = [momentum * v + d for v, d in zip(velocity, direction)]
        w = [x - rate * v for x, v in zip(w, velocity)]
    return w


@pytest.mark.parametrize("trust", [0.02, 5.0])  # scaled, and clipped to plain SGD
@pytest.mark.parametrize("kind", ["matrix", "vector", "zero weight", "zero gradient"])
def test_lars_equals_its_transcription(kind, trust):
    generator = torch.Generator().manual_seed(1)
    shape = (6,) if kind == "vector" else (2, 3)
    w = nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64))
    grads = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(4)]
    if kind == "zero weight":
        nn.init.zeros_(w)
    if kind == "zero gradient":
        grads[0].zero_()
    rates = [0.3, 0.5, 0.2, 0.1]
    start = w.detach().flatten().tolist()
    optim = Optim(name="lars", lr=0.5, weight_decay=0.01, momentum=0.9, trust=trust)
    optimizer = optim.build(nn.ParameterList([w]))
    assert isinstance(optimizer, LARS)
    for grad, rate in zip(grads, rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        w.grad = grad.clone()
        optimizer.step()
    expected = slow_lars(
        *(start, [g.flatten().tolist() for g in grads]),
        lr=rates,
        momentum=0.9,
        trust=trust,
        decay=0.01,
        excluded=kind == "vector",
    )
    assert w.detach().flatten().tolist() == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_lars_with_a_rate_of_zero_moves_nothing_and_a_missing_gradient_is_skipped():
    module = network()
    optimizer = Optim(name="lars").build(module)
    before = [p.detach().clone() for p in module.parameters()]
    module["body"](torch.randn(5, 4, dtype=torch.float64)).square().sum().backward()
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters()))
    assert all(torch.isfinite(s["momentum_buffer"]).all() for s in optimizer.state.values())
    assert module["bodyguard"].weight not in optimizer.state


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "adamww"}, "did you mean 'adamw'"),
        ({"lr": 0.0}, "optim.lr = 0.0"),
        ({"lr": float("nan")}, "optim.lr"),
        ({"warmup": 1.0}, "optim.warmup = 1.0"),
        ({"weight_decay": -1e-4}, "optim.weight_decay"),
    ],
)
def test_settings_out_of_range_are_named(arguments, said):
    with pytest.raises(UserError, match=said) as error:
        Optim(**arguments)
    assert "\n" not in str(error.value)


def test_adam_couples_decay_to_the_gradient_and_adamw_does_not():
    ends = {}
    for name in ("adam", "adamw"):
        w = nn.Parameter(torch.full((1, 1), 2.0, dtype=torch.float64))
        optimizer = Optim(name=name, lr=0.1, weight_decay=0.5).build(nn.ParameterList([w]))
        w.grad = torch.full_like(w, 1e-3)
        optimizer.step()
        ends[name] = w.item()
    # Adam's first step is lr whatever the size of g + wd w; AdamW shrinks w by 1 - lr wd besides.
    assert ends["adam"] == pytest.approx(2.0 - 0.1, abs=1e-5)
    assert ends["adamw"] == pytest.approx(2.0 * 0.95 - 0.1, abs=1e-5)
