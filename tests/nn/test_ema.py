"""The teacher: a copy that moves by its average alone."""

import copy

import pytest
import torch
from torch import nn

from isotropy.nn.ema import Teacher, cosine


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


def test_update_is_the_moving_average_in_place():
    student, other = network(), network()
    teacher = Teacher(student)
    places = [p.data_ptr() for p in teacher.parameters()]
    expected = [0.9 * t + 0.1 * s for t, s in zip(student.parameters(), other.parameters())]
    teacher.update(other, 0.9)
    for mine, right in zip(teacher.parameters(), expected, strict=True):
        torch.testing.assert_close(mine.detach(), right.detach(), rtol=0, atol=1e-15)
    assert places == [p.data_ptr() for p in teacher.parameters()]


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_the_ends_are_exact(momentum):
    student, other = network(), network()
    teacher = Teacher(student)
    teacher.update(other, momentum)
    expected = student if momentum else other
    assert all(torch.equal(t, s) for t, s in zip(teacher.parameters(), expected.parameters()))


def test_the_teacher_is_a_copy_without_gradient():
    student = network()
    teacher = Teacher(student)
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    assert not teacher(x).requires_grad
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())
    with torch.no_grad():
        student[0].weight.zero_()
    assert teacher.module[0].weight.abs().sum() > 0


def test_buffers_come_from_the_teachers_own_forward():
    student = network()
    teacher = Teacher(student)
    student(torch.randn(6, 3, dtype=torch.float64))
    teacher.update(student, 0.5)
    assert teacher.module[1].running_mean.abs().sum() == 0
    x = torch.randn(6, 3, dtype=torch.float64)
    teacher(x)
    right = copy.deepcopy(teacher.module[0])(x).mean(0) * 0.1
    torch.testing.assert_close(teacher.module[1].running_mean, right.detach())


def test_another_network_is_refused():
    with pytest.raises(AssertionError, match="another network"):
        Teacher(network()).update(nn.Linear(3, 4), 0.5)


def test_cosine_takes_the_closed_form_values():
    values = [cosine(0.99, 1.0, k / 4) for k in range(5)]
    right = [0.99, 0.991464466, 0.995, 0.998535534, 1.0]
    torch.testing.assert_close(torch.tensor(values), torch.tensor(right), rtol=0, atol=1e-7)
    assert cosine(0.5, 0.5, 0.3) == 0.5
