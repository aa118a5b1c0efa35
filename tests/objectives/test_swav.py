from math import exp, log

import numpy as np
import pytest
import torch

from isotropy.objectives import predicted_codes, sinkhorn, swav


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_sinkhorn(scores, epsilon, iterations):
    """Listing 1 of the paper, entry by entry: prototypes in rows, samples in columns."""
    q = np.exp(scores.numpy() / epsilon).T
    q = q / q.sum()
    prototypes, samples = q.shape
    for _ in range(iterations):
        for k in range(prototypes):
            q[k] = q[k] / (q[k].sum() * prototypes)
        for b in range(samples):
            q[:, b] = q[:, b] / (q[:, b].sum() * samples)
    return (q * samples).T


def slow_swav(scores, codes, temperature):
    """Equations 1, 2 and 6: all pairs of a view with codes and another view."""
    terms = []
    for u, q in enumerate(codes):
        for v, s in enumerate(scores):
            if v != u:
                for i in range(len(s)):
                    p = np.exp(s[i].numpy() / temperature)
                    terms.append(-(q[i].numpy() * np.log(p / p.sum())).sum())
    return sum(terms) / len(terms)


@pytest.mark.parametrize(("rows", "prototypes"), [(7, 5), (4, 9), (1, 3), (6, 1)])
@pytest.mark.parametrize("iterations", [1, 2, 3, 10])
def test_codes_are_the_papers_listing(rows, prototypes, iterations):
    scores = torch.tanh(normal(rows, prototypes))
    codes = sinkhorn(scores, epsilon=0.05, iterations=iterations)
    assert np.abs(codes.numpy() - slow_sinkhorn(scores, 0.05, iterations)).max() < 1e-10
    assert torch.allclose(codes.sum(1), torch.ones(rows).double(), atol=1e-14)


def test_a_constant_on_all_scores_changes_nothing():
    scores = normal(8, 6)
    assert torch.allclose(sinkhorn(scores + 3.0), sinkhorn(scores), atol=1e-12)


def test_at_convergence_prototypes_are_equally_full_whatever_is_added_to_one():
    scores = torch.tanh(normal(24, 6))
    codes = sinkhorn(scores, epsilon=0.2, iterations=300)
    assert (codes.sum(0) - 4).abs().max() < 1e-12
    shifted = sinkhorn(scores + 0.3 * normal(6, seed=1), epsilon=0.2, iterations=300)
    assert (codes - shifted).abs().max() < 1e-12
    assert (sinkhorn(scores, epsilon=0.2).sum(0) - 4).abs().max() > 1e-3, "three rounds come only near"


def test_identical_rows_get_uniform_codes():
    codes = sinkhorn(normal(1, 5).expand(7, 5))
    assert torch.allclose(codes, torch.full((7, 5), 0.2).double(), atol=1e-14)


def test_own_prototypes_get_what_the_closed_form_says():
    codes = sinkhorn(torch.eye(6).double(), epsilon=0.25)
    assert codes.diagonal() == pytest.approx([exp(4) / (exp(4) + 5)] * 6, abs=1e-12)


def test_plans_of_parts_are_another_plan():
    scores = torch.tanh(normal(12, 4))
    parts = torch.cat([sinkhorn(part) for part in scores.split(6)])
    assert (parts - sinkhorn(scores)).abs().max() > 1e-2


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_codes_are_finite_and_exact_for_large_scores(scale, dtype):
    scores = (scale * normal(32, 16)).to(dtype)
    scores[3] -= scale * 7  # exponentials of a row far below the others would all be 0
    codes = sinkhorn(scores, epsilon=0.05)
    assert codes.dtype == torch.promote_types(dtype, torch.float32)
    assert codes.isfinite().all() and torch.allclose(codes.sum(1), torch.ones(32).to(codes), atol=1e-5)
    logs = scores.double() / 0.05
    for _ in range(3):
        logs = logs - logs.logsumexp(0)
        logs = logs - logs.logsumexp(1, keepdim=True)
    assert (codes.double() - logs.exp()).abs().max() < (1e-10 if dtype == torch.float64 else 2e-2 * scale / 1e4 + 1e-4)


@pytest.mark.parametrize(("views", "large"), [(2, 1), (2, 2), (5, 2), (4, 4)])
def test_the_loss_is_the_papers_over_all_pairs(views, large):
    scores = [torch.tanh(normal(6, 5, seed=v)) for v in range(views)]
    codes = [sinkhorn(s) for s in scores[:large]]
    assert swav(scores, codes, temperature=0.1).item() == pytest.approx(slow_swav(scores, codes, 0.1), abs=1e-10)


def test_uniform_scores_cost_log_k_whatever_the_codes():
    flat, codes = torch.zeros(8, 3000).double(), normal(8, 3000).softmax(1)
    assert swav([flat, flat], [codes], temperature=0.1).item() == pytest.approx(log(3000), abs=1e-12)
    assert log(3000) == pytest.approx(8.0064, abs=1e-4)


def test_the_gradient_is_the_difference_of_the_probabilities_and_reaches_no_code():
    scores, codes = normal(4, 5).requires_grad_(), normal(4, 5, seed=1).softmax(1).requires_grad_()
    still = normal(4, 5, seed=2)
    swav([still, scores], [codes], temperature=0.3).backward()
    expected = ((scores / 0.3).softmax(1) - codes).detach() / (0.3 * 4)
    assert torch.allclose(scores.grad, expected, atol=1e-14)
    assert codes.grad is None and not sinkhorn(scores).requires_grad
    views = [normal(3, 4, seed=v).requires_grad_() for v in range(3)]
    assert torch.autograd.gradcheck(lambda *s: swav(s, [sinkhorn(normal(3, 4))] * 2, temperature=0.5), views)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "scores", [1e4 * torch.randn(8, 4), torch.ones(8, 4), torch.zeros(8, 4), torch.eye(4).repeat(2, 1)]
)
def test_finite_in_value_and_gradient(dtype, scores):
    views = [scores.to(dtype, copy=True).requires_grad_(), -scores.to(dtype)]
    loss = swav(views, [sinkhorn(s) for s in views], temperature=0.1)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and views[0].grad.isfinite().all()


def test_autocast_costs_no_digits():
    views = [torch.tanh(normal(8, 6, seed=v)).float() for v in range(2)]
    codes = [sinkhorn(s) for s in views]
    with torch.autocast("cpu", torch.bfloat16):
        inside = swav(views, [sinkhorn(s) for s in views], temperature=0.1)
    assert inside.item() == swav(views, codes, temperature=0.1).item()


def test_mistakes_are_named():
    x = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        swav([x, x], [x], temperature=0)
    with pytest.raises(ValueError, match="got 1 views and 1 targets"):
        predicted_codes([x], [x])
    with pytest.raises(ValueError, match="got 2 views and 3 targets"):
        predicted_codes([x, x], [x, x, x])
    with pytest.raises(ValueError, match=r"\(4, 3\), \(4, 2\)"):
        predicted_codes([x, x], [x[:, :2]])
    with pytest.raises(ValueError, match=r"\(rows, prototypes\), got \(0, 3\)"):
        sinkhorn(x[:0])
    with pytest.raises(ValueError, match="got 0.0 and 3"):
        sinkhorn(x, epsilon=0.0)
    with pytest.raises(ValueError, match="got 0.05 and 0"):
        sinkhorn(x, iterations=0)


def test_large_scores_that_lie_close_together_have_the_codes_of_their_differences():
    x = 0.3 * torch.randn(6, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert torch.allclose(sinkhorn(x + 1e4), sinkhorn(x), atol=1e-9)
