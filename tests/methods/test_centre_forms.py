"""What each method's pull on its embeddings does to the centre: the closed forms of the common stability mechanism.

A force is minus the gradient of the loss, times the number of rows. In float64 throughout.
"""

import math

import pytest
import torch
from torch.nn.functional import normalize

from isotropy.diagnostics import predictor_gap, stability
from isotropy.methods import BYOL, DINO
from isotropy.methods.barlow_twins import BarlowTwins
from isotropy.methods.simsiam import SimSiam
from isotropy.methods.swav import SwAV
from isotropy.objectives import barlow_twins, center, info_nce, nt_xent, sinkhorn, vicreg, whiten
from methods.fakes import Net, normal, views_of

N, D = 9, 6


def pair(offset=0.0):
    """Two views that agree somewhat and share something."""
    sample = normal(N, D)
    return [sample + 0.3 * normal(N, D, seed=seed) + offset for seed in (1, 2)]


def units(offset=0.0):
    return [normalize(x, dim=1) for x in pair(offset)]


def force(loss, *leaves):
    """Minus the gradient of each leaf's rows, as if the loss were a sum over rows."""
    return [-len(leaf) * g for leaf, g in zip(leaves, torch.autograd.grad(loss, leaves))]


def tangent(vectors, unit):
    """Take out what lies along the unit rows: a normalised row does not feel it."""
    return vectors - (vectors * unit).sum(1, keepdim=True) * unit


def leaf(x):
    return x.detach().clone().requires_grad_()


def values(terms):
    return [term.item() for term in terms.values()]


def close(one, other, tolerance=1e-10):
    assert torch.allclose(one, other, rtol=0, atol=tolerance), (one - other).abs().max()


def small(kind, **options):
    torch.manual_seed(0)
    return kind(Net(), projector=(16, D), **options).double()


@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_a_triplet_loss_whose_margin_is_active_is_the_centre_less_the_alignment(offset):
    z, other = units(offset)
    hinges = [
        max(0.0, 5.0 - float(z[i] @ other[i]) + float(z[i] @ other[j])) for i in range(N) for j in range(N) if i != j
    ]
    found = stability([z, other])
    assert sum(hinges) / len(hinges) == pytest.approx(5 - found["alignment"] + found["centre"], abs=1e-10)
    terms = center(z, other, lambd=0.5)
    assert found["centre"] - found["alignment"] == pytest.approx(
        float(terms["alignment"] + 2 * terms["centre"]), abs=1e-10
    )


def expansion(cosines, positive, temperature):
    """log M - (a - mean) / t + variance / (2 t^2) over each row's candidates."""
    first = (positive - cosines.mean(1)).mean() / temperature
    return math.log(cosines.shape[1]) - first + cosines.var(1, correction=0).mean() / (2 * temperature**2)


def test_info_nce_at_a_large_temperature_is_alignment_against_the_mean_of_the_candidates():
    z, other = units(offset=0.5)
    cosines, positive = z @ other.T, (z * other).sum(1)
    left = [
        float(info_nce(z, other, temperature=t) - expansion(cosines, positive, t)) * t**3 for t in (20.0, 40.0, 80.0)
    ]
    # What is left is of third order: its coefficient tends to a number.
    assert max(map(abs, left)) < 1
    assert left[2] == pytest.approx(left[1], rel=0.1) and left[1] == pytest.approx(left[0], rel=0.2)


def test_simclr_at_a_large_temperature_has_all_other_views_as_candidates():
    z = torch.cat(units(offset=0.5))
    others = (z @ z.T)[~torch.eye(2 * N, dtype=torch.bool)].view(2 * N, -1)
    positive = (z * z.roll(N, 0)).sum(1)
    left = [float(nt_xent(*z.chunk(2), temperature=t) - expansion(others, positive, t)) * t**3 for t in (40.0, 80.0)]
    assert max(map(abs, left)) < 1 and left[1] == pytest.approx(left[0], rel=0.1)


def test_info_nce_pulls_to_the_other_view_and_away_from_a_centre_weighted_by_the_softmax():
    z, other = (leaf(x) for x in units())
    found, _ = force(info_nce(z, other, temperature=0.3), z, other)
    weights = (z @ other.T / 0.3).softmax(1)
    close(found, tangent((other - weights @ other) / 0.3, z).detach())


def prediction_and_target(offset):
    method = small(SimSiam, predictor_hidden=4)
    p, y = pair(offset), [x + 0.5 for x in pair(offset)]
    return method, [leaf(normalize(x, dim=1)) for x in p], [normalize(x, dim=1) for x in y]


def test_simsiams_force_is_the_target_and_its_mean_is_the_predictions_centre_plus_the_gap():
    method, p, y = prediction_and_target(1.0)
    found = force(sum(method.loss(prediction=p, target=y).values()), *p)
    close(found[0], tangent(y[1], p[0]).detach() / 2)
    close(found[1], tangent(y[0], p[1]).detach() / 2)
    o_p, o_z = p[0].detach().mean(0), y[1].mean(0)
    o_e, gap = o_z - o_p, predictor_gap(p[0].detach(), y[1])
    assert gap["centre"] == pytest.approx(float(o_e.norm()), abs=1e-10)
    assert gap["eta"] == pytest.approx(-float(o_e @ o_p) / float(o_p @ o_p), abs=1e-10)
    # Before the sphere takes its part, the mean force is the target's centre: what is there, and the gap.
    close(y[1].mean(0), o_p + o_e)


def test_a_gap_against_the_predictions_centre_shortens_it():
    p = normalize(normal(N, D) + 2, dim=1)
    o_p = p.mean(0)
    target = p - 0.5 * o_p
    gap = target.mean(0) - o_p
    assert float(gap @ o_p) < 0
    moved = stability([normalize(p + 0.1 * gap, dim=1)])["m_o"]
    assert moved < stability([p])["m_o"]


def test_byols_force_is_four_times_simsiams():
    simsiam, p, y = prediction_and_target(1.0)
    byol = small(BYOL, predictor_hidden=4)
    ours = force(sum(byol.loss(prediction=p, target=y).values()), *p)
    theirs = force(sum(simsiam.loss(prediction=p, target=y).values()), *p)
    close(ours[0], 4 * theirs[0])


@pytest.mark.parametrize(("momentum", "teacher_is_student"), [(0.0, True), (1.0, False)])
def test_byols_target_is_the_student_at_momentum_0_and_stands_still_at_1(momentum, teacher_is_student):
    method = small(BYOL, predictor_hidden=4, momentum=momentum)
    tensors = views_of(normal(N, 5), normal(N, 5, seed=1))
    before = method(tensors)["target"][0]
    with torch.no_grad():
        for parameter in (*method.encoder.parameters(), *method.projector.parameters()):
            parameter += 0.1
    method.update()
    after = method(tensors)["target"][0]
    if teacher_is_student:
        close(after, method.projector(tensors.through(method.encoder)[0]).detach())
    else:
        close(after, before)


def dino_forces(centre, teacher, student):
    method = small(DINO, num_prototypes=5)
    method.centre = centre
    leaves = [leaf(x) for x in student]
    found = force(method.loss(student=leaves, teacher=teacher)["distillation"], *leaves)
    return found, [(x / method.student_temperature).softmax(1) for x in student], method


def test_dinos_mean_force_is_the_difference_of_the_mean_probabilities():
    teacher, student = ([0.1 * normal(N, 5, seed=s) for s in seeds] for seeds in ((1, 2), (3, 4)))
    centre = torch.cat(teacher).mean(0, keepdim=True)
    found, p_s, method = dino_forces(centre, teacher, student)
    p_t = [((x - centre) / method.teacher_temperature).softmax(1) for x in teacher]
    # Two pairs, so that each view's share of the mean is a half.
    close(found[0], (p_t[1] - p_s[0]) / method.student_temperature / 2)
    close(found[0].mean(0), (p_t[1].mean(0) - p_s[0].mean(0)) / method.student_temperature / 2)


def test_dinos_teacher_at_its_centre_pulls_the_student_to_uniform():
    centre = normal(1, 5)
    student = [0.1 * normal(N, 5, seed=s) for s in (3, 4)]
    found, p_s, method = dino_forces(centre, [centre.expand(N, 5)] * 2, student)
    close(found[0].mean(0), (1 / 5 - p_s[0].mean(0)) / method.student_temperature / 2)


@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_swavs_mean_force_is_the_mean_prototype_less_what_the_predictions_expect(offset):
    method = small(SwAV, num_prototypes=4, sinkhorn_iterations=2000, sinkhorn_epsilon=0.5)
    c = method.prototypes.directions().detach()
    z = [leaf(x) for x in units(offset)]
    scores, held = [x @ c.T for x in z], [x.detach() for x in z]
    found = force(method.loss(scores=scores, z=held)["prediction"], *z)
    p = [(x.detach() / method.temperature).softmax(1) for x in scores]
    q = [sinkhorn(x.detach(), epsilon=0.5, iterations=2000) for x in scores]
    close(found[0], (q[1] - p[0]) @ c / method.temperature / 2)
    close(found[0].mean(0), (c.mean(0) - p[0].mean(0) @ c) / method.temperature / 2, tolerance=1e-8)


def test_the_mean_of_random_prototypes_is_as_short_as_their_number_says():
    c = normalize(normal(4000, D), dim=1)
    squares = c.view(40, 100, D).mean(1).square().sum(1)
    assert float(squares.mean()) == pytest.approx(1 / 100, rel=0.25)


def test_barlow_twins_compares_rows_whose_mean_is_zero_and_does_not_feel_the_centre():
    z = [leaf(x) for x in pair(offset=3.0)]
    terms = barlow_twins(*z)
    moved = barlow_twins(*[x + 10 for x in z])
    assert values(moved) == pytest.approx(values(terms), abs=1e-9)
    for found in force(sum(terms.values()), *z):
        close(found.mean(0), torch.zeros(D, dtype=torch.float64))
    a, b = ((x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() for x in (y.detach() for y in z))
    close(a.mean(0), torch.zeros(D, dtype=torch.float64))
    assert terms["invariance"].item() == pytest.approx(float((1 - (a * b).mean(0)).square().sum()), abs=1e-10)


def test_without_its_off_diagonal_barlow_twins_has_its_diagonal_alone():
    method = small(BarlowTwins, off_diagonal_weight=0.0)
    terms = method.loss(z=pair(offset=3.0))
    assert float(terms["redundancy"]) == 0 and float(terms["invariance"]) > 0
    same = pair()[0][:, :1].expand(N, D)  # one direction, which standardisation cannot tell from D of them
    assert float(method.loss(z=[same, same])["invariance"]) == pytest.approx(0, abs=1e-8)


def test_vicreg_does_not_feel_the_centre_at_all():
    z = [leaf(x) for x in pair()]
    terms = vicreg(*z, invariance=25.0, variance=25.0, covariance=1.0)
    moved = vicreg(*[x + 10 for x in z], invariance=25.0, variance=25.0, covariance=1.0)
    assert values(moved) == pytest.approx(values(terms), abs=1e-8)
    total = sum(force(sum(terms.values()), *z))
    close(total.mean(0), torch.zeros(D, dtype=torch.float64))


def test_whitened_rows_have_mean_0_and_covariance_1():
    z = whiten(normal(40, D) @ normal(D, D, seed=1) + 5)
    close(z.mean(0), torch.zeros(D, dtype=torch.float64))
    close(z.T @ z / 39, torch.eye(D, dtype=torch.float64))


def test_the_penalty_pulls_every_row_along_the_centre_less_what_the_sphere_takes():
    x = leaf(normal(N, D) + 1)
    u = normalize(x, dim=1)
    s = u.mean(0)
    (found,) = torch.autograd.grad(s.square().sum(), x)
    expected = 2 * (s - (u @ s)[:, None] * u) / (N * x.norm(dim=1, keepdim=True))
    close(found, expected.detach())


@pytest.mark.parametrize("name", ["SimCLR", "Barlow Twins", "VICReg", "Center"])
def test_exact_collapse_has_no_force(name):
    z = [leaf(torch.ones(N, D, dtype=torch.float64)) for _ in range(2)]
    losses = {
        "SimCLR": lambda: nt_xent(*z, temperature=0.5),
        "Barlow Twins": lambda: sum(barlow_twins(*z).values()),
        "VICReg": lambda: sum(vicreg(*z).values()),
        "Center": lambda: sum(center(*z, lambd=0.5).values()),
    }
    for found in force(losses[name](), *z):
        close(found, torch.zeros(N, D, dtype=torch.float64))
