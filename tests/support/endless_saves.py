"""Processes that save until they are killed, or until their disk is full."""

import sys
from pathlib import Path

import torch

from lodesmith.parallel.checkpoint import Checkpoints

SHAPES = {"a": (300, 1000), "b": (7,), "c": (1000, 501)}  # 3.2 MB


def state(step: float) -> dict[str, torch.Tensor]:
    """Return tensors that say of which step they are."""
    return {name: torch.full(shape, float(step)) for name, shape in SHAPES.items()}


def latest(folder: Path) -> tuple[int, list[str], bool]:
    """Return the step that a folder brings back, what is said of it, and if all tensors fit it."""
    tensors = state(-1)
    loaded = Checkpoints(folder).load(tensors)
    step = loaded.step if loaded else 0
    whole = all(bool((tensor == step).all()) for tensor in tensors.values()) or not step
    return step, loaded.messages if loaded else [], whole


def save_for_ever(folder: Path) -> None:
    """Go on from what is there and save one step after the other."""
    torch.set_num_threads(1)
    step = latest(folder)[0]
    checkpoints = Checkpoints(folder)
    while True:
        step += 1
        checkpoints.save(step=step, tensors=state(step), facts={"step": step})


def fill_disk(folder: Path) -> None:
    """Save two steps, fill the disk, save one more, empty the disk and save again; print all."""
    said: list[str] = []
    checkpoints = Checkpoints(folder / "checkpoints", say=said.append)
    ballast = folder / "ballast"
    for step in range(1, 5):
        if step == 3:
            with ballast.open("wb") as file:
                try:
                    while file.write(b"x" * 65536):
                        file.flush()
                except OSError:
                    pass
                file.truncate(max(file.tell() - (1 << 20), 0))
        if step == 4:
            print(latest(folder / "checkpoints"))
            ballast.unlink()
        checkpoints.save(step=step, tensors=state(step), facts={"step": step})
        checkpoints.wait()
    print(said)
    print(latest(folder / "checkpoints"))


if __name__ == "__main__":
    fill_disk(Path(sys.argv[1]))
