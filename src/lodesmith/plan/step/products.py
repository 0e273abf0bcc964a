"""Seconds of matrix products: what a product of some size reaches of a device's peak.

Large products reach a fixed share. Smaller ones lose in three ways: tiles at the edges are partly
empty and a short inner size spends its time filling and draining (`half_size`), and the last wave
of tiles leaves processors idle (`wave_outputs`): on average half of the outputs that are computed
at once. A product is run three times in training: forward, for the gradient of its input, and for
the gradient of its weights, each with other outer and inner sizes.

Source: waves and tiles: NVIDIA, Matrix Multiplication Background User's Guide, section 3.
"""

import numpy as np

from lodesmith.plan.hardware.machine import Machine
from lodesmith.plan.workload.jobs import Column, Jobs

_INNER_WEIGHT = 1.62  # how much the inner size of a product counts beside its outer ones: fitted
_EXPERT_SHARE = 0.514  # rate of experts' products over that of plain ones of their size: fitted

Passes = tuple[Column, Column]  # forward, backward


def product_seconds(
    jobs: Jobs, machine: Machine, rows: Column, inner: Column, columns: Column
) -> Passes:
    """Return the seconds of one product of (rows, inner) with (inner, columns), each way."""
    one = 2 * rows * inner * columns / machine.matmul_flops_per_second
    reading = inner * columns * jobs.element_bytes / machine.memory_bytes_per_second
    forward = np.maximum(one * _slowness(machine, rows, columns, inner), reading)
    backward = _slowness(machine, rows, inner, columns) + _slowness(machine, inner, columns, rows)
    return forward, np.maximum(one * backward, 2 * reading)


def _slowness(machine: Machine, one: Column, other: Column, inner: Column) -> Column:
    """Return by how much a product of outputs (one, other) takes longer than at the best rate."""
    edges = machine.half_size * (1 / one + 1 / other + _INNER_WEIGHT / inner)
    return 1 + edges + machine.wave_outputs / (one * other)


def layer_products(jobs: Jobs, machine: Machine) -> Passes:
    """Return the seconds of one layer's products: query, key, value; output; MLP or experts."""
    tokens, hidden, split = jobs.tokens, jobs.hidden, jobs.tensor

    def both(rows: Column, inner: Column) -> Passes:
        """Products into an inner width and back."""
        up = product_seconds(jobs, machine, rows, hidden, inner * jobs.mlp_inputs)
        down = product_seconds(jobs, machine, rows, inner, hidden)
        return up[0] + down[0], up[1] + down[1]

    heads = product_seconds(
        jobs, machine, tokens, hidden, (jobs.query + 2 * jobs.key_value) / split
    )
    output = product_seconds(jobs, machine, tokens, jobs.query / split, hidden)
    plain = both(tokens, np.maximum(jobs.dense, 1e-9) / split)
    experts = np.maximum(jobs.experts, 1)
    sent = tokens / split * jobs.experts_per_token  # tensor-parallel ranks share the tokens out
    rows = np.maximum(sent * jobs.expert_ranks / experts, 1)
    each = both(rows, np.maximum(jobs.expert, 1))
    has_plain, has_experts = np.asarray(jobs.dense) > 0, np.asarray(jobs.experts) > 0
    share = experts / jobs.expert_ranks / _EXPERT_SHARE

    def total(way: int) -> Column:
        seconds: Column = heads[way] + output[way] + np.where(has_plain, plain[way], 0)
        return seconds + np.where(has_experts, share * each[way], 0)

    return total(0), total(1)
