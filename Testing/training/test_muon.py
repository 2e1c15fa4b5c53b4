"""Steps that go equally far in all directions of a kernel."""
from __future__ import annotations

import pytest
import torch

from PlaneSSLLib.training.muon import COEFFICIENTS, NEWTON_SCHULZ_STEPS, Muon, orthogonalized


@pytest.mark.parametrize("shape", [(24, 36), (24, 24), (40, 12)])
def test_singular_values_are_evened_and_their_vectors_kept(shape):
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape, dtype=torch.float64), full_matrices=False)
    strengths = torch.logspace(0, -2, len(v), dtype=torch.float64)
    found = u.T @ orthogonalized(u * strengths @ v) @ v.T / max(1, shape[0] / shape[1]) ** 0.5
    values = found.diagonal()
    assert 0.65 < values.min() and values.max() < 1.25
    torch.testing.assert_close(found, torch.diag(values), atol=1e-9, rtol=0)


def test_the_polynomial_is_that_of_the_matrix_itself():
    torch.manual_seed(0)
    matrix = torch.randn(16, 90)
    a, b, c = COEFFICIENTS
    found = matrix / matrix.norm()
    for _ in range(NEWTON_SCHULZ_STEPS):
        square = found @ found.T
        found = a * found + (b * square + c * square @ square) @ found
    torch.testing.assert_close(orthogonalized(matrix), found, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has it since 2.9")
@pytest.mark.parametrize("shape", [(24, 36), (36, 24)])
def test_steps_are_those_of_torch_within_its_bfloat16(shape):
    torch.manual_seed(0)
    kernels = [torch.nn.Parameter(torch.ones(shape)) for _ in range(2)]
    ours = Muon(kernels[:1], lr=0.1, weight_decay=0.1)
    theirs = torch.optim.Muon(kernels[1:], lr=0.1, weight_decay=0.1)
    for _ in range(3):
        gradient = torch.randn(shape)
        for kernel in kernels:
            kernel.grad = gradient.clone()
        ours.step()
        theirs.step()
    moved = kernels[1] - 1
    assert (kernels[0] - kernels[1]).norm() < 0.03 * moved.norm()


def test_a_kernel_is_a_matrix_of_its_output_channels_wherever_its_numbers_lie():
    torch.manual_seed(0)
    gradient = torch.randn(6, 4, 3, 3)
    moved = []
    for layout in (torch.contiguous_format, torch.channels_last):
        kernel = torch.nn.Parameter(torch.zeros(6, 4, 3, 3).to(memory_format=layout))
        kernel.grad = (1e3 * gradient).to(memory_format=layout)
        Muon([kernel], lr=1.0).step()
        moved.append(kernel.detach())
        assert kernel.is_contiguous(memory_format=layout)
    torch.testing.assert_close(moved[0], moved[1])
    # However long the gradient is:
    torch.testing.assert_close(moved[0], -orthogonalized(gradient.flatten(1)).view(6, 4, 3, 3))


def test_without_a_gradient_nothing_moves():
    kernels = [torch.nn.Parameter(torch.ones(3, 5)) for _ in range(2)]
    kernels[0].grad = torch.zeros(3, 5)
    Muon(kernels).step()
    assert all(torch.equal(kernel, torch.ones(3, 5)) for kernel in kernels)
