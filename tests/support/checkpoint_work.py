"""What each rank of a checkpoint test does: saves one layout's state, loads it into another."""

import warnings
import zlib
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from layout_work import NUM_TOKENS, SHAPE, Case
from torch import Tensor

from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder, fresh_weights
from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.config import ParallelConfig
from lodesmith.parallel.mesh import build_layout
from lodesmith.parallel.parts import fill_part, local_part, part_of
from lodesmith.parallel.sharded import ShardedDecoder

FACTS = {"samples_consumed": 12345678901234567, "loss": 1 / 3, "scale": 65536.0}
SLOTS = ("weight", "adamw.mean", "adamw.square", "muon.average")


def whole_of(name: str, shape: Any, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the value that a tensor of this name is to have."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=dtype)
    return torch.randn(shape, generator=generator).to(dtype)


def empty_state(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state of zeros: weights, moments, and tensors that every rank has whole."""
    state = {
        f"{slot}.{name}": torch.zeros_like(weight.detach())
        for slot in SLOTS
        for name, weight in weights.items()
    }
    return state | {"scaler": torch.zeros(()), "random": torch.zeros(5056, dtype=torch.uint8)}


def plain_state(case: Case) -> dict[str, Tensor]:
    """Return the state of a model on one process."""
    decoder = Decoder.fresh(DecoderConfig(**{**SHAPE, **case.model}), seed=1)
    return empty_state(dict(decoder.named_parameters()))


def sharded_state(case: Case) -> dict[str, Tensor]:
    """Return this rank's state of a layout."""
    config = DecoderConfig(**{**SHAPE, **case.model})
    layout = build_layout(ParallelConfig(**case.parallel))
    decoder = ShardedDecoder(config, layout, micro_batch_size=1, sequence_length=NUM_TOKENS)
    decoder.fill(fresh_weights(config, seed=1))
    return empty_state(dict(decoder.weights()))


@torch.no_grad()
def fill_state(state: dict[str, Tensor]) -> None:
    """Give every tensor the value that its name stands for."""
    for name, tensor in state.items():
        fill_part(tensor, whole_of(name, tuple(tensor.shape), tensor.dtype))


def state_faults(state: dict[str, Tensor], where: str) -> list[str]:
    """Return which tensors are not, bit for bit, what their names stand for."""
    return [
        f"{where}: {name} differs"
        for name, tensor in state.items()
        if not torch.equal(
            local_part(tensor),
            part_of(tensor, whole_of(name, tuple(tensor.shape), tensor.dtype)),
        )
    ]


def pass_along(cases: list[Case], folders: list[Path]) -> list[str]:
    """Load the first folder into the first layout, save that into the next folder, and so on."""
    warnings.simplefilter("ignore")
    faults = []
    for case, source, target in zip(cases, folders[:-1], folders[1:], strict=True):
        state = sharded_state(case)
        with Checkpoints(source) as checkpoints:
            loaded = checkpoints.load(state)
        if loaded is None or loaded.facts != FACTS:
            faults.append(f"{case.name}: the facts are {loaded}")
        faults += state_faults(state, case.name)
        with Checkpoints(target) as checkpoints:
            checkpoints.save(step=7, tensors=state, facts=FACTS)
    return faults


def meet_damage(case: Case, folder: Path) -> list[str]:
    """Save three times, the last without one rank's disk; then damage what one rank reads."""
    warnings.simplefilter("ignore")
    state, said = sharded_state(case), []
    fill_state(state)
    with Checkpoints(folder, say=said.append) as checkpoints:
        for step in (1, 2, 3):
            if step == 3 and dist.get_rank() == 1:
                checkpoints.shelf.files.write = _full_disk  # type: ignore[method-assign]
            checkpoints.save(step=step, tensors=state, facts=FACTS)
            checkpoints.wait()
    faults = []
    if dist.get_rank() == 0:
        if not (len(said) == 1 and "no space left on the disk" in said[0]):
            faults.append(f"rank 0 said {said}")
        last = sorted((folder / "step-00000002").glob("part-*"))[-1]
        data = bytearray(last.read_bytes())
        data[-5] ^= 4
        last.write_bytes(data)
    dist.barrier()
    other = sharded_state(case)
    with Checkpoints(folder) as checkpoints:
        loaded = checkpoints.load(other)
    if loaded is None or loaded.step != 1 or "step-00000002 is damaged" not in loaded.messages[0]:
        faults.append(f"loaded {loaded}")
    return faults + state_faults(other, "after damage")


def _full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def keep_in_memory(
    case: Case, folder: Path, nodes: list[Path], steps: list[int], expected: list[Any]
) -> list[str]:
    """Load, check against [step, source] if any is expected, and save some steps."""
    warnings.simplefilter("ignore")
    state = sharded_state(case)
    node = nodes[dist.get_rank() * len(nodes) // dist.get_world_size()]
    with Checkpoints(folder, memory=node) as checkpoints:
        loaded = checkpoints.load(state)
        found = [] if loaded is None else [loaded.step, loaded.source]
        faults = [] if found == expected else [f"{case.name}: {found} is not {expected}"]
        if expected:
            faults += state_faults(state, case.name)
        fill_state(state)
        for step in steps:
            checkpoints.save(step=step, tensors=state, facts=FACTS)
    return faults
