"""Real gloo processes for tests: `run_distributed(fn, world_size)`; torch is imported once for all.

Ranks are forked from one server process that has imported torch already, so a world of 8 costs
about what one costs. `fn` must be a function of an importable module.
"""

import logging
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PRELOAD = ["torch", "torch.distributed.pipelining", "lodesmith.parallel.sharded"]


def run_distributed(fn: Callable[..., Any], world_size: int, *args: Any) -> list[Any]:
    """Return what `fn(*args)` returned on each rank; the first failure is raised."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    with tempfile.TemporaryDirectory() as folder:
        queues = [context.SimpleQueue() for _ in range(world_size)]
        processes = [
            context.Process(target=_work, args=(fn, rank, world_size, folder, queues[rank], args))
            for rank in range(world_size)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=280)
        for process in processes:
            process.kill()
        answers = [
            (False, f"rank {rank} ended with {processes[rank].exitcode} and no answer")
            if queue.empty()
            else queue.get()
            for rank, queue in enumerate(queues)
        ]
    failures = [answer for done, answer in answers if not done]
    if failures:
        raise AssertionError("\n".join(failures))
    return [answer for _, answer in answers]


def _work(
    fn: Callable[..., Any], rank: int, world_size: int, folder: str, queue: Any, args: Any
) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    logging.getLogger("torch.distributed.tensor").setLevel(logging.ERROR)  # advice on speed
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / f"inductor-{rank}")
    store = dist.FileStore(str(Path(folder) / "rendezvous"), world_size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
    try:
        queue.put((True, fn(*args)))
    except BaseException:  # noqa: BLE001 handed to the test, which raises it
        queue.put((False, f"rank {rank}:\n{traceback.format_exc()}"))
        os._exit(1)
    dist.destroy_process_group()
