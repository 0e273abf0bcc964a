"""Seconds of one optimizer step: a roofline per layer, then pipeline, communication, optimizer.

One micro-batch costs each layer its matrix multiplications (peak x the share that a product of
that size reaches), its attention, its elementwise traffic (every kept activation written once and
read once, backward twice as much), the start of its kernels, and its tensor-parallel messages.
A pipeline of p ranks then takes m + (p - 1) / v of the slowest rank's micro-batches. Gradients
are reduced at the end; fully sharded layers are gathered behind the compute that hides them.

Source: roofline: Williams et al., CACM 52(4), 2009, doi:10.1145/1498765.1498785; pipeline and
tensor-parallel volumes: Narayanan et al., arXiv 2104.04473, sections 2.2, 2.3 and 3.
"""

from dataclasses import dataclass, replace

from lodesmith.plan.flops import count_layer_matrices
from lodesmith.plan.hardware import Cluster, Device
from lodesmith.plan.layout import Layout, Training
from lodesmith.plan.memory import (
    count_activation_bytes,
    count_rank_parameters,
    count_score_bytes,
    element_bytes,
)
from lodesmith.plan.shape import ModelShape

_GIGA, _TERA = 1e9, 1e12
_KERNELS_PER_LAYER = 20  # forward: 4 to 7 products, 2 norms, attention, activations, residuals
_ELEMENTWISE_PASSES = 2  # each kept value is written by one kernel and read by the next
_FP32_BYTES = 4
_OPTIMIZER_BYTES = 28  # Adam reads gradient, moments, master and writes moments, master, weight


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTime:
    """Seconds of one optimizer step by cause, on the slowest rank."""

    matmul: float
    attention: float
    elementwise: float
    recompute: float
    kernel_starts: float
    tensor_communication: float
    pipeline_communication: float
    data_communication: float  # what compute does not hide
    pipeline_bubble: float
    optimizer: float

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(getattr(self, name) for name in self.__slots__))


@dataclass(frozen=True, kw_only=True, slots=True)
class _LayerTime:
    """Seconds that one layer, or the output head, adds to one micro-batch of one rank."""

    matmul: float = 0.0
    attention: float = 0.0
    elementwise: float = 0.0
    recompute: float = 0.0
    kernel_starts: float = 0.0
    tensor_communication: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(getattr(self, name) for name in self.__slots__))

    def times(self, factor: float) -> "_LayerTime":
        return _LayerTime(**{name: factor * getattr(self, name) for name in self.__slots__})

    def plus(self, other: "_LayerTime") -> "_LayerTime":
        names = self.__slots__
        return _LayerTime(**{name: getattr(self, name) + getattr(other, name) for name in names})


def estimate_step_time(
    shape: ModelShape, layout: Layout, training: Training, *, cluster: Cluster, device: Device
) -> StepTime:
    """Return where the seconds of one optimizer step go."""
    stage = _Stage(shape, layout, training, cluster, device)
    layers = shape.num_hidden_layers / layout.pipeline_parallel_size
    body, head = stage.layer().times(layers), stage.output_head()
    slowest = body.plus(head)  # the last pipeline rank holds the output head as well
    waiting = training.num_micro_batches(layout)
    messages = stage.pipeline_seconds()
    pipeline = layout.pipeline_parallel_size
    fill = (pipeline - 1) * (body.total + messages) / layout.virtual_pipeline_size
    step = slowest.times(waiting)
    return StepTime(
        matmul=step.matmul,
        attention=step.attention,
        elementwise=step.elementwise,
        recompute=step.recompute,
        kernel_starts=step.kernel_starts,
        tensor_communication=step.tensor_communication,
        pipeline_communication=waiting * messages,
        data_communication=stage.data_seconds(hiding=body.total, waiting=waiting),
        pipeline_bubble=fill,
        optimizer=stage.optimizer_seconds(),
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """The work of one rank of the pipeline."""

    shape: ModelShape
    layout: Layout
    training: Training
    cluster: Cluster
    device: Device

    @property
    def tokens(self) -> int:
        return self.layout.micro_batch_size * self.training.sequence_length

    def layer(self) -> _LayerTime:
        """Forward and backward of one layer."""
        matmul, attention = self._layer_matmul_seconds(), self._attention_seconds()
        elementwise = self._elementwise_seconds()
        starts = _KERNELS_PER_LAYER * self.device.kernel_seconds
        forward = matmul + attention + elementwise
        again = {"none": 0.0, "selective": attention, "full": forward}
        mode = self.layout.activation_checkpointing
        if mode == "selective" and self.training.attention == "flash":
            again["selective"] = 0.0  # fused attention already computes its scores twice
        messages = 3 if mode == "full" else 2  # forward and backward, two reductions each
        return _LayerTime(
            matmul=3 * matmul,
            attention=(3.5 if self.training.attention == "flash" else 3) * attention,
            elementwise=3 * elementwise,
            recompute=again[mode],
            kernel_starts=(4 if mode == "full" else 3) * starts,
            tensor_communication=messages * 2 * self._tensor_reduction_seconds(),
        )

    def output_head(self) -> _LayerTime:
        """Forward and backward of the logits and their loss."""
        columns = self.shape.vocab_size / self.layout.tensor_parallel_size
        flops = 2 * self.tokens * self.shape.hidden_size * columns
        share = self._matmul_share(min(self.tokens, self.shape.hidden_size, columns))
        passes = 4 * _FP32_BYTES  # logits written, read for the maximum, the sum and the gradient
        return _LayerTime(
            matmul=3 * flops / self._flops_per_second(share),
            elementwise=self.tokens * columns * passes / self._bytes_per_second(),
        )

    def _layer_matmul_seconds(self) -> float:
        weights = count_layer_matrices(self.shape) / self.layout.tensor_parallel_size
        narrowest = min(
            self.tokens,
            self.shape.hidden_size,
            (self.shape.query_size + 2 * self.shape.key_value_size)
            / self.layout.tensor_parallel_size,
            self.shape.intermediate_size / self.layout.tensor_parallel_size,
        )
        compute = 2 * self.tokens * weights / self._flops_per_second(self._matmul_share(narrowest))
        reading = weights * element_bytes(self.training) / self._bytes_per_second()
        return max(compute, reading)

    def _attention_seconds(self) -> float:
        """Forward: causal half where fused, the full square and its traffic where not."""
        split = self.layout.tensor_parallel_size
        square = 4 * self.tokens * self.training.sequence_length * self.shape.query_size / split
        if self.training.attention == "flash":
            return square / 2 / self._flops_per_second(self.device.attention_efficiency)
        scores = count_score_bytes(self.shape, self.training) * self.tokens / split
        compute = square / self._flops_per_second(self.device.matmul_efficiency)
        return compute + _ELEMENTWISE_PASSES * scores / self._bytes_per_second()

    def _elementwise_seconds(self) -> float:
        kept = replace(self.layout, activation_checkpointing="selective")
        bytes_kept = count_activation_bytes(self.shape, kept, self.training)
        return _ELEMENTWISE_PASSES * bytes_kept / self._bytes_per_second()

    def _tensor_reduction_seconds(self) -> float:
        """One all-reduce of a micro-batch's activations over the tensor-parallel ranks."""
        size = self.layout.tensor_parallel_size
        payload = self.tokens * self.shape.hidden_size * element_bytes(self.training)
        return 2 * (size - 1) / size * payload / self._link_bytes_per_second(size)

    def pipeline_seconds(self) -> float:
        """Messages of one micro-batch to and from the neighbouring rank."""
        layout = self.layout
        if layout.pipeline_parallel_size == 1:
            return 0.0
        payload = self.tokens * self.shape.hidden_size * element_bytes(self.training)
        span = layout.tensor_parallel_size * layout.pipeline_parallel_size
        rate = self._link_bytes_per_second(span)
        # Each tensor-parallel rank sends its part; parts are gathered within the node.
        return 2 * layout.virtual_pipeline_size * payload / layout.tensor_parallel_size / rate

    def data_seconds(self, *, hiding: float, waiting: int) -> float:
        """Gradient reduction, and gathering of sharded weights, that compute does not hide."""
        layout = self.layout
        size = layout.data_parallel_size
        if size == 1:
            return 0.0
        parameters = count_rank_parameters(self.shape, layout)
        rate = self._data_bytes_per_second()
        part = (size - 1) / size * parameters / rate
        weight = element_bytes(self.training)
        if layout.sharded == "everything":  # gathered forward and backward, reduced backward
            passing = (2 * weight + _FP32_BYTES) * part
            return max(0.0, passing - 0.9 * hiding) * waiting + 0.1 * passing
        if layout.sharded == "optimizer":
            return (_FP32_BYTES + weight) * part
        return 2 * _FP32_BYTES * part

    def optimizer_seconds(self) -> float:
        """One Adam update, bound by memory."""
        split = self.layout.data_parallel_size if self.layout.sharded != "nothing" else 1
        parameters = count_rank_parameters(self.shape, self.layout) / split
        return parameters * _OPTIMIZER_BYTES / self._bytes_per_second()

    def _matmul_share(self, narrowest: float) -> float:
        half = self.device.matmul_half_size
        return self.device.matmul_efficiency * narrowest / (narrowest + half)

    def _flops_per_second(self, share: float) -> float:
        return share * self.device.peak_tflops[self.training.precision] * _TERA

    def _bytes_per_second(self) -> float:
        return self.device.memory_gb_per_second * self.device.memory_efficiency * _GIGA

    def _data_bytes_per_second(self) -> float:
        """Bandwidth of a ring of data-parallel ranks.

        Ranks of one ring on the same node share its network ports, so a ring of eight ranks a
        node crosses nodes eight times as fast as a ring of one.
        """
        if self.layout.num_devices <= self.cluster.devices_per_node:
            return self._link_bytes_per_second(self.layout.num_devices)
        ranks_per_node = self.cluster.devices_per_node // self.layout.tensor_parallel_size
        network = self.cluster.network_gb_per_second * max(1, ranks_per_node)
        rate = min(network, self.device.link_gb_per_second)
        return rate * self.cluster.network_efficiency * _GIGA

    def _link_bytes_per_second(self, span: int) -> float:
        """Bandwidth per device among that many neighbouring ranks."""
        inside = span <= self.cluster.devices_per_node
        rate = self.device.link_gb_per_second if inside else self.cluster.network_gb_per_second
        return rate * self.cluster.network_efficiency * _GIGA
