from math import log

import pytest
import torch
from torch.nn.functional import normalize

from isotropy.methods import DINO
from isotropy.objectives import dino
from methods.fakes import Net, copy_of, normal, unmoved, views_of


def small(**options):
    torch.manual_seed(0)
    return DINO(
        Net(), **({"projector": (16, 12, 6), "num_prototypes": 7, "teacher_temperature": 0.07} | options)
    ).double()


def tensors(count=2, rows=8):
    return [normal(rows, 5, seed=v) for v in range(count)]


def test_the_loss_is_the_papers_over_teacher_and_student():
    method = small(warmup_fraction=0.0).eval()
    with torch.no_grad():
        method.centre.copy_(0.1 * normal(1, 7))
        for p in method.projector.parameters():
            p.mul_(1.5)
    x = tensors(3)
    heads = (method.projector, method.prototypes), (method.teacher_projector, method.teacher_prototypes)
    student, teacher = ([c(normalize(g(method.encoder(one)), dim=1)) for one in x] for g, c in heads)
    expected = dino(student, teacher, centre=method.centre, teacher_temperature=0.07)
    outputs = method(views_of(*x))
    assert method.loss(**outputs)["distillation"].item() == pytest.approx(expected.item(), abs=1e-12)
    assert torch.allclose(outputs["level"], sum(teacher) / 3)


def test_the_teacher_sees_only_the_large_views():
    method = small()
    outputs = method(views_of(normal(6, 9), normal(6, 9, seed=1), *(normal(6, 5, seed=v) for v in range(2, 8))))
    assert (len(outputs["student"]), len(outputs["teacher"])) == (8, 2)
    assert (method.encoder.rows, method.teacher_encoder.module.rows) == (48, 12)


def test_the_centre_is_a_moving_mean_from_0_and_is_written_after_the_loss():
    method, level = small(), normal(1, 7)
    assert not method.centre.any()
    outputs = method(views_of(*tensors()))
    before = copy_of(method)
    method.loss(**outputs)
    assert torch.equal(method.centre, before["centre"])
    for t in range(1, 5):
        method.update(level=level)
        assert torch.allclose(method.centre, (1 - 0.9**t) * level, atol=1e-6)


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 0.04), (0.1, 0.055), (0.2, 0.07), (1.0, 0.07)])
def test_the_teacher_softens_in_the_warmup(progress, expected):
    method = small(warmup_fraction=0.2)
    method.progress = progress
    assert method.teacher_temperature == pytest.approx(expected)
    assert small(warmup_fraction=0.0).teacher_temperature == 0.07
    assert DINO(Net()).teacher_temperature == 0.04


def test_the_teacher_follows_encoder_head_and_directions():
    method = small(momentum=0.9)
    parts = ("encoder", "projector", "prototypes")
    before = {part: copy_of(getattr(method, f"teacher_{part}")) for part in parts}
    with torch.no_grad():
        for part in parts:
            for p in getattr(method, part).parameters():
                p.add_(1.0)
    method.update(level=torch.zeros(1, 7))
    for part in parts:
        for name, p in getattr(method, f"teacher_{part}").named_parameters():
            assert torch.allclose(p, before[part][name] + 0.1, atol=1e-6), name
    method.progress, now = 1.0, copy_of(method)
    method.update(level=method.centre.clone())
    assert unmoved(method, now)


def test_reference_losses_are_what_the_loss_gives():
    method = small(warmup_fraction=0.0)
    marks = method.reference_losses(14)
    flat, spread = torch.zeros(14, 7).double(), torch.eye(7).double().repeat(2, 1)

    def cost(x):
        return method.loss(student=[x, x], teacher=[x, x])["distillation"].item()

    assert marks["point collapse"] == marks["uniform codes"] == log(7)
    assert cost(flat) == pytest.approx(log(7), abs=1e-12)
    point = normal(1, 7).expand(14, 7)
    method.centre = point[:1].clone()
    assert cost(point) > log(7)
    method.centre = torch.full((1, 7), 1 / 7).double()  # where the mean of spread rows takes it
    assert cost(spread) == pytest.approx(marks["perfection"], abs=1e-12)
    assert DINO(Net(), num_prototypes=4096).reference_losses(256)["uniform codes"] == pytest.approx(8.3178, abs=1e-4)


def test_the_student_learns_and_the_teacher_gets_no_gradient():
    method = small()
    method.loss(**method(views_of(*tensors())))["distillation"].backward()
    for name, p in method.named_parameters():
        assert p.requires_grad != name.startswith("teacher"), name
        assert (p.grad is None) == name.startswith("teacher"), name
    assert [bool(method.frozen(p)) for p in range(3)] == [True, False, False]
    assert method.frozen(0) == (method.prototypes,)


def test_batch_norm_in_the_head_is_a_choice():
    def norms(method):
        return sum(isinstance(m, torch.nn.BatchNorm1d) for m in method.projector)

    assert (norms(small(batch_norm=False)), norms(small(batch_norm=True))) == (0, 2)
