"""What dominates a step, and what to change first, in words."""

from lodesmith.plan.hardware.device import Device
from lodesmith.plan.search.search import (
    Ranking,
)
from lodesmith.plan.step.step_time import StepTime
from lodesmith.plan.whole_run.run import RunEstimate

_GIGA = 1e9
_REMEDIES = {
    "matmul": "it is the useful work: only more or faster devices, or a smaller model, help",
    "attention": "shorten sequence_length; fused attention is quickest",
    "elementwise": "fuse kernels (torch.compile), or widen the model rather than deepen it",
    "recompute": "spare memory (more sharding, a smaller micro-batch) so that less is recomputed",
    "kernel_starts": "enlarge the micro-batch or the model: the device waits for work",
    "tensor_communication": "lower tensor_parallel_size",
    "context_communication": "lower context_parallel_size",
    "expert_communication": "lower expert_parallel_size, or keep its ranks on one node",
    "fixed": "raise global_batch_size: it does not grow with the work",
    "pipeline_communication": "lower pipeline_parallel_size or the number of virtual chunks",
    "data_communication": "raise global_batch_size, or use a faster network",
    "pipeline_bubble": "raise global_batch_size, interleave the pipeline, or shorten it",
    "optimizer": "raise global_batch_size, or shard the optimizer",
}


def advise(ranking: Ranking, run: RunEstimate, device: Device) -> tuple[str, ...]:
    """Say what dominates the step, what costs most beside useful work, and what does not fit."""
    best = ranking.candidates[0]
    step = best.step
    shares = {name: getattr(step, name) / step.total for name in StepTime.__slots__}
    first, *others = sorted(shares, key=lambda name: -shares[name])
    named = first.replace("_", " ")
    advice = [f"{named} takes {shares[first]:.0%} of a step: {_REMEDIES[first]}"]
    overhead = next(name for name in [first, *others] if name != "matmul")
    if overhead != first:
        named = overhead.replace("_", " ")
        advice.append(f"then {named}, {shares[overhead]:.0%}: {_REMEDIES[overhead]}")
    used = best.memory.total / (device.memory_gb * _GIGA)
    if used > 1:
        advice.insert(0, f"it does not fit: {used:.0%} of a device's memory; raise the ranks")
    fastest = min(ranking.candidates, key=lambda candidate: candidate.step.total)
    if fastest.step.total < 0.97 * step.total:
        saved = 1 - fastest.step.total / step.total
        advice.append(
            f"the given layout is not the fastest: {saved:.0%} less with {fastest.layout}"
        )
    if run.effective_fraction < 0.95:
        lost = 1 - run.effective_fraction
        advice.append(
            f"faults and saves lose {lost:.0%}: save in the background, restart quicker, or use "
            f"storage nearer to {run.quick_save_gb_per_second:,.1f} GB/s (a save a minute long)"
        )
    if run.tokens_per_parameter < 10:
        advice.append(
            f"{run.tokens_per_parameter:.1f} tokens a parameter are few: about 20 spend compute "
            "best (arXiv 2203.15556), so a smaller model on more text would reach a lower loss"
        )
    return tuple(advice)
