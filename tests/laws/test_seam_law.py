"""The seam: labels cannot reach a method, a loss is a function of outputs alone, what is frozen does not move."""

import inspect
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from isotropy.methods.method import Method, Outputs
from isotropy.nn.ema import Teacher
from isotropy.training import Optim, fit
from isotropy.training.comm import mean
from isotropy.training.loop import Step
from isotropy.views.multiview import Dataset, MultiView, Plain, ViewMaker
from laws import cases

each_method = pytest.mark.parametrize("name", cases.ALL)
LABELS = {"y", "label", "labels", "target_labels", "classes", "annotation", "annotations"}


def begun(name: str, pass_: int = 0) -> tuple[Method, MultiView]:
    """Return a method in train mode at the start of a pass, and the views of its first batch."""
    method = cases.make(name)
    data = cases.dataset(modality=cases.modality(method))
    method.train()
    method.before_pass(data, pass_)
    return method, cases.views(method)(data, torch.arange(cases.BATCH), seed=0, pass_=pass_)


def flat(outputs: Outputs) -> list[Tensor]:
    return [x for value in outputs.values() for x in (value if isinstance(value, list) else [value])]


def mapped(outputs: Outputs, function: Callable[[Tensor], Tensor], names: tuple[str, ...] | None = None) -> Outputs:
    """Return `outputs` with `function` applied to every tensor, or to those of `names`."""
    return {
        name: value
        if names is not None and name not in names
        else [function(x) for x in value]
        if isinstance(value, list)
        else function(value)
        for name, value in outputs.items()
    }


def signatures() -> Iterator[tuple[str, Callable[..., object]]]:
    yield "fit", fit
    yield "Views", MultiView.__init__
    yield "Plain", Plain.__call__
    yield "ViewMaker", ViewMaker.__call__
    for protocol in (Dataset, Method):
        for name, function in inspect.getmembers(protocol, inspect.isfunction):
            if name in vars(protocol):
                yield f"{protocol.__name__}.{name}", function
    for name, kind in cases.KINDS.items():
        yield f"{name}()", kind
        for part in ("forward", "loss", "update", "before_pass", "frozen"):
            yield f"{name}.{part}", getattr(kind, part)


SIGNATURES = list(signatures())


@pytest.mark.parametrize(("where", "function"), SIGNATURES, ids=[where for where, _ in SIGNATURES])
def test_no_signature_on_the_way_to_a_method_has_a_place_for_labels(where, function):
    assert not LABELS & set(inspect.signature(function).parameters), where


def test_views_carry_an_index_and_views_alone():
    views = Plain()(cases.dataset(), torch.arange(3), seed=0, pass_=0)
    assert {name for name in [*vars(views), *dir(MultiView)] if not name.startswith("_")} == {
        *("index", "global_views", "inputs", "tensors", "seconds", "through")
    }


@each_method
def test_outputs_are_rows_first(name):
    method, views = begun(name)
    assert all(len(x) == cases.BATCH for x in flat(method(views)))


@each_method
def test_the_loss_is_a_sum_of_named_scalars_and_the_same_when_called_twice(name):
    method, views = begun(name)
    outputs = mapped(method(views), Tensor.detach)
    first, second = method.loss(**averaged(method, outputs)), method.loss(**averaged(method, outputs))
    assert first and all(term.shape == () and torch.isfinite(term) for term in first.values())
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def averaged(method: Method, outputs: Outputs) -> Outputs:
    return mapped(outputs, lambda x: mean(x, [len(x)]), method.averaged)


@each_method
def test_no_parameter_gets_a_gradient_through_the_loss_alone(name):
    method, views = begun(name)
    leaves = mapped(method(views), lambda x: x.detach().clone().requires_grad_(x.is_floating_point()))
    sum(method.loss(**averaged(method, leaves)).values()).backward()
    assert any(leaf.grad is not None for leaf in flat(leaves))
    assert all(parameter.grad is None for parameter in method.parameters())


@each_method
def test_forward_and_loss_write_no_parameter(name):
    method, views = begun(name)
    before = {k: p.detach().clone() for k, p in method.named_parameters()}
    sum(method.loss(**averaged(method, method(views))).values()).backward()
    assert all(torch.equal(before[k], p) for k, p in method.named_parameters())


@each_method
def test_teachers_get_no_gradient(name):
    method, views = begun(name)
    sum(method.loss(**averaged(method, method(views))).values()).backward()
    for module in method.modules():
        if isinstance(module, Teacher):
            assert all(p.grad is None and not p.requires_grad for p in module.parameters())


@each_method
def test_gathered_tells_the_truth(name):
    # Where nothing is gathered, the loss of a batch is the mean of the losses of its parts, by rows; else it is not.
    method, views = begun(name)
    outputs = averaged(method, mapped(method(views), Tensor.detach))
    whole = float(sum(method.loss(**outputs).values()))
    parts = 0.0
    for rows in (slice(0, 4), slice(4, None)):
        part = mapped(outputs, lambda x, rows=rows: x[rows] if len(x) == cases.BATCH else x)
        count = len(range(cases.BATCH)[rows])
        parts += float(sum(method.loss(**part).values())) * count / cases.BATCH
    assert (abs(whole - parts) < 1e-10) == (method.gathered == ())


@each_method
def test_gathered_names_all_outputs_with_rows_of_the_loss_or_none(name):
    method, views = begun(name)
    outputs = method(views)
    assert set(method.gathered) | set(method.averaged) <= set(outputs)
    assert not set(method.gathered) & set(method.averaged)
    used = set(inspect.signature(method.loss).parameters) - set(method.averaged)
    assert method.gathered == () or used == set(method.gathered)


@each_method
def test_a_frozen_module_does_not_move_and_the_others_do(name):
    method, before, entered = cases.make(name), {}, -1
    # Decay pulls at every weight, whatever its gradient; Adam would even move one whose gradient is zero.
    optim = Optim(name="adam", lr=0.01, warmup=0, weight_decay=0.1, decay_vectors=True)
    moved: set[str] = set()
    for step in cases.train(method, optim=optim):
        after = cases.state(method)
        if before:
            still = {id(p) for module in method.frozen(step.pass_) for p in [*module.parameters(), *module.buffers()]}
            for key, tensor in [*method.named_parameters(), *method.named_buffers()]:
                if id(tensor) in still:
                    assert torch.equal(before[key], after[key]), f"{key} moved in pass {step.pass_}"
                    assert tensor.grad is None
        for module in method.frozen(step.pass_):
            assert not module.training and not any(p.requires_grad for p in module.parameters())
        if step.pass_ != entered:
            trained = {id(p) for module in method.frozen(step.pass_) for p in module.parameters()}
            learns = {k for k, p in method.named_parameters() if p.requires_grad and id(p) not in trained}
            start, entered = before or cases.state(cases.make(name)), step.pass_
            # One step moves everything that learns.
            assert all(not torch.equal(start[k], after[k]) for k in learns)
            moved |= learns
        before = after
    teachers = {
        f"{n}.{k}" for n, m in method.named_modules() if isinstance(m, Teacher) for k, _ in m.named_parameters()
    }
    assert moved == {k for k, _ in method.named_parameters()} - teachers
    assert not method.training and all(p.requires_grad for k, p in method.named_parameters() if k in moved)


@each_method
def test_progress_runs_from_0_to_1(name):
    method = cases.make(name)
    seen: list[float] = []
    forward = method.forward
    method.forward = lambda views: (seen.append(method.progress), forward(views))[1]
    steps: list[Step] = list(cases.train(method))
    assert seen == [step / len(steps) for step in range(len(steps))]
    assert method.progress == 1


@each_method
def test_a_step_in_bfloat16_is_finite(name):
    method = cases.make(name).float()
    data = cases.dataset(torch.float32, cases.modality(method))
    for step in cases.train(method, dataset=data, precision="bf16", epochs=1):
        assert all(x.dtype == torch.float32 for x in flat(step.outputs) if x.is_floating_point())
    assert all(torch.isfinite(x).all() for x in cases.state(method).values())


@each_method
def test_a_case_has_batch_norm_in_its_encoder(name):
    # What the ranks law is about; without it the planted local batch norm would change nothing.
    assert any(isinstance(module, _BatchNorm) for module in cases.make(name).encoder.modules())
