import pytest
import torch

from isotropy.methods import BYOL
from isotropy.objectives import byol
from methods.fakes import Net, copy_of, normal, unmoved, views_of


def small(**options):
    torch.manual_seed(0)
    return BYOL(Net(), projector=(16, 6), predictor_hidden=10, **options).double()


def test_the_loss_is_the_papers_over_both_directions():
    method = small().eval()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    outputs = method(views_of(*tensors))
    p = [method.predictor(method.projector(method.encoder(x))) for x in tensors]
    y = [method.projector(method.encoder(x)) for x in tensors]  # at the start the teacher is the student
    assert method.loss(**outputs)["distance"].item() == pytest.approx(byol(p, y).item(), abs=1e-12)


def test_the_teacher_sees_only_the_large_views():
    method = small()
    large = [normal(6, 9), normal(6, 9, seed=1)]
    outputs = method(views_of(*large, normal(6, 5, seed=2)))
    assert (len(outputs["prediction"]), len(outputs["target"])) == (3, 2)
    assert method.teacher_encoder.module.rows == 12
    # Pairs: 2 among the large views, 2 from the small view to them.
    opposite = [torch.ones(6, 2)] * 3, [-torch.ones(6, 2)] * 2
    assert method.loss(*opposite)["distance"].item() == pytest.approx(16)


def test_the_student_learns_and_the_teacher_gets_no_gradient():
    method = small()
    method.loss(**method(views_of(normal(8, 5), normal(8, 5, seed=1))))["distance"].backward()
    for name, p in method.named_parameters():
        assert p.requires_grad != name.startswith("teacher"), name
        assert (p.grad is None) == name.startswith("teacher"), name


def moved(method):
    with torch.no_grad():
        for p in (*method.encoder.parameters(), *method.projector.parameters()):
            p.add_(1.0)
    return method


@pytest.mark.parametrize(
    ("start", "progress", "momentum"), [(0.99, 0.0, 0.99), (0.99, 0.25, 0.991464), (0.99, 0.5, 0.995), (0.0, 0.0, 0.0)]
)
def test_the_teacher_follows_at_the_papers_momentum(start, progress, momentum):
    method = small(momentum=start)
    before = [copy_of(method.teacher_encoder), copy_of(method.teacher_projector)]
    moved(method).progress = progress
    method.update()
    for teacher, was in zip((method.teacher_encoder, method.teacher_projector), before):
        for name, p in teacher.named_parameters():
            assert torch.allclose(p, was[name] + 1 - momentum, atol=1e-6), name


def test_the_teacher_stands_still_at_the_end_and_is_the_student_at_momentum_0():
    method = small()
    before = copy_of(method.teacher_encoder)
    moved(method).progress = 1.0
    method.update()
    assert unmoved(method.teacher_encoder, before)
    method = moved(small(momentum=0.0))
    method.update()
    assert all(map(torch.equal, method.teacher_encoder.parameters(), method.encoder.parameters()))
