from math import exp, log

import pytest
import torch
from torch.nn.functional import normalize

from isotropy.methods import MoCoV3
from isotropy.objectives import info_nce
from methods.fakes import Net, copy_of, normal, unmoved, views_of


def small(**options):
    torch.manual_seed(0)
    return MoCoV3(Net(), projector=(16, 6), predictor_hidden=10, **options).double()


def test_the_loss_is_the_papers_over_both_directions():
    method = small(temperature=0.3).eval()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    outputs = method(views_of(*tensors))
    k = [method.projector(method.encoder(x)) for x in tensors]  # at the start the teacher is the student
    q = [method.predictor(x) for x in k]
    expected = 0.6 * (info_nce(q[0], k[1], temperature=0.3) + info_nce(q[1], k[0], temperature=0.3)).item()
    assert method.loss(**outputs)["contrast"].item() == pytest.approx(expected, abs=1e-12)


def test_the_teacher_sees_only_the_large_views():
    method = small()
    outputs = method(views_of(normal(6, 9), normal(6, 9, seed=1), normal(6, 5, seed=2)))
    assert (len(outputs["query"]), len(outputs["key"])) == (3, 2)
    assert method.teacher_encoder.module.rows == 12
    point = torch.ones(6, 2)
    assert method.loss([point] * 3, [point] * 2)["contrast"].item() == pytest.approx(4 * 0.4 * log(6))


def test_reference_losses_are_what_the_loss_gives():
    method, rows = small(temperature=0.2), 256
    reference_losses = method.reference_losses(rows)
    eye = torch.eye(rows, dtype=torch.float64)
    assert reference_losses["point collapse"] == pytest.approx(4.4361, abs=1e-4)
    for name, z in (("point collapse", torch.ones(rows, 3)), ("perfection", eye - 1 / rows)):
        assert method.loss([z, z], [z, z])["contrast"].item() == pytest.approx(reference_losses[name], rel=1e-6)
    orthonormal = 0.8 * log(1 + 255 * exp(-5))
    assert method.loss([eye, eye], [eye, eye])["contrast"].item() == pytest.approx(orthonormal)
    assert reference_losses["perfection"] < orthonormal
    corners = normalize(torch.eye(9).double() - 1 / 9, dim=1)
    nudged = corners + 0.1 * normal(9, 9)
    assert method.loss([nudged] * 2, [nudged] * 2)["contrast"].item() > method.reference_losses(9)["perfection"]


def test_the_student_learns_and_the_teacher_gets_no_gradient():
    method = small()
    method.loss(**method(views_of(normal(8, 5), normal(8, 5, seed=1))))["contrast"].backward()
    for name, p in method.named_parameters():
        assert p.requires_grad != name.startswith("teacher"), name
        assert (p.grad is None) == name.startswith("teacher"), name


@pytest.mark.parametrize(("progress", "momentum"), [(0.0, 0.99), (0.25, 0.991464), (0.5, 0.995)])
def test_the_teacher_follows_at_the_papers_momentum(progress, momentum):
    method = small()
    before = [copy_of(method.teacher_encoder), copy_of(method.teacher_projector)]
    with torch.no_grad():
        for p in (*method.encoder.parameters(), *method.projector.parameters()):
            p.add_(1.0)
    method.progress = progress
    method.update()
    for teacher, was in zip((method.teacher_encoder, method.teacher_projector), before):
        for name, p in teacher.named_parameters():
            assert torch.allclose(p, was[name] + 1 - momentum, atol=1e-6), name
    method.progress, now = 1.0, copy_of(method.teacher_encoder)
    method.update()
    assert unmoved(method.teacher_encoder, now)
