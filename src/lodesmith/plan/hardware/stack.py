"""A training program's habits: what it hides behind compute, and how well it uses a device.

A device file says what the hardware can do; a stack file says how much of that a program gets.
The defaults are fitted to several hundred published steps of fourteen programs together
(`bench/plan_fit.py`); a stack's own file changes only what sets it apart.
"""

from typing import Any

from pydantic import Field

from lodesmith.core.config import Config


class Stack(Config):
    """One training program, such as Megatron-LM or our own."""

    name: str
    """As people call it."""

    sources: tuple[str, ...] = ()
    """Parts of the name of a published table's source by which its rows are told."""

    notes: tuple[str, ...] = ()
    """Words of a row's notes by which its runs are told from those of another program of one
    source."""

    compute_factor: float = Field(default=1.0, gt=0)
    """Time of a rank's work over that of the stacks' average."""

    network_factor: float = Field(default=1.0, gt=0)
    """Share of the usual bandwidth between nodes that gradients reach."""

    link_factor: float = Field(default=1.0, gt=0)
    """Share of the usual bandwidth inside a node that its messages reach."""

    network_gb_per_second: float | None = Field(default=None, gt=0)
    """Bandwidth between nodes of the machine on which it was measured, per device, 10^9 bytes/s;
    used only for rows of a published table, which does not say it."""

    network_by_device: dict[str, float] = Field(default_factory=dict)
    """The same of its machines with a shipped device, by the device's name, where they differ."""

    gradient_bytes: float = Field(default=4, gt=0)
    """Bytes that it keeps for the gradient of one parameter when it trains in bf16."""

    logit_bytes: float = Field(default=10, gt=0)
    """Bytes that its loss keeps of one logit: bf16, fp32 and the gradient; fewer where it works in
    place."""

    has_dropout: bool = True
    """Whether its published runs of GPT-3's kind keep masks of dropout."""

    alternates: bool = False
    """Whether what it calls selective recomputation is every other product."""

    sequence_parallel: bool = False
    """Whether its published runs split norms over tensor-parallel ranks where no row says so."""

    overlaps_tensor: bool = False
    """Whether its products begin with the part of a tensor-parallel message that has come."""

    overlaps_data: bool = False
    """Whether it reduces gradients behind the last micro-batch's backward, and gathers weights
    behind the first one's forward."""

    fuses: bool = False
    """Whether norms, activations and residuals run as few kernels: Transformer Engine, XLA or
    torch.compile."""

    has_device_attention: bool = False
    """Whether attention runs in kernels of the device's maker, written for each of its devices, and
    not in FlashAttention's."""

    tensor_exposed: float = Field(default=0.927, ge=0)
    """Share of tensor-parallel messages that compute does not hide."""

    data_exposed: float = Field(default=0.252, ge=0)
    """Share of gradient reduction that compute does not hide."""

    gather_exposed: float = Field(default=0.578, ge=0)
    """Share of fully sharded weights' gathering that compute does not hide although it could."""

    expert_exposed: float = Field(default=0.459, ge=0)
    """Share of the messages to and from experts that compute does not hide."""

    pipeline_exposed: float = Field(default=0.432, ge=0)
    """Share of the messages between pipeline ranks that compute does not hide."""

    step_seconds: float = Field(default=0.00337, ge=0)
    """Time of a step that belongs to no layer: data input, logging, clipping, s."""

    def changed(self, **values: Any) -> "Stack":
        """Return the stack with other values."""
        return self.model_copy(update=values)
