"""One rank's process: `python -m lodesmith.train.ranks.worker PARENT`, told the rest on stdin.

Started by `ranks.standby` only, maybe long before it is wanted: two lines, a network interface and
a task file, make it a rank. It computes with deterministic kernels: then the same task gives the
same bits, however often it is killed.
"""

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import torch

from lodesmith.core.errors import LodesmithError, UserError, explain_os_error
from lodesmith.core.process import die_with_parent
from lodesmith.core.storage import read_json, write_json
from lodesmith.core.units import format_counted
from lodesmith.parallel.ranks import join_ranks
from lodesmith.train.job import RankTask
from lodesmith.train.loop.loop import train
from lodesmith.train.loop.pulse import Pulse
from lodesmith.train.ranks.compile_cache import open_compile_cache


def main(parent_pid: int) -> int:
    """Run a rank, which ends its process; return the exit code of one that has failed."""
    die_with_parent(parent_pid)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # for the launcher, which asks us to stop
    interface, task_file = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    if not task_file:
        return 0  # not wanted
    os.environ["GLOO_SOCKET_IFNAME"] = interface
    task = RankTask.from_json(read_json(Path(task_file)))
    _write_to(task.log_file)
    make_deterministic(num_threads=task.num_threads, device=task.job.config.device)
    if task.job.config.compile is not None:
        open_compile_cache(task.job.scratch / "compiled" / f"rank-{task.rank}")
    try:
        with (
            Pulse(task.pulse_file, slot=task.slot) as pulse,
            join_ranks(
                rank=task.rank,
                num_ranks=task.num_ranks,
                rendezvous=task.rendezvous,
                wants_group=task.job.config.parallel is not None,
                device=take_device(task.job.config.device, slot=task.slot),
            ) as ranks,
        ):
            ranks.check_agreement(task.job.agreed_facts())
            facts = train(task, ranks=ranks, pulse=pulse)
            if facts is not None:
                write_json(task.job.finished_file, facts)
            _leave()
    except LodesmithError as error:
        return _report(task, error)
    except OSError as error:
        clear = explain_os_error(error, doing=f"training ({task.job.title})")
        if clear is None:
            raise
        return _report(task, clear)


def _write_to(log_file: Path) -> None:
    """Let all that this process prints go to a file."""
    with log_file.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())


def make_deterministic(*, num_threads: int, device: str) -> None:
    """Let torch compute the same bits each time, with this many threads.

    On a GPU an operator that has no such kernel says so in the log and is taken all the same.
    """
    torch.set_num_threads(num_threads)
    torch.set_flush_denormal(True)  # tiny moments would slow arithmetic down a hundredfold
    # use_deterministic_algorithms imports a compiler
    torch.set_deterministic_debug_mode("error" if device == "cpu" else "warn")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which cuBLAS wants for it
    # Filling fresh memory finds reads of unset values; there are none here, and it costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def take_device(kind: str, *, slot: int) -> str:
    """Return the device that a rank computes on, made the default of its kind.

    Args:
        kind: cpu or cuda.
        slot: the rank's place on its machine.

    Raises:
        UserError: torch cannot use the GPU.
    """
    if kind == "cpu":
        return "cpu"
    if slot >= torch.cuda.device_count():
        raise UserError(
            f"device cuda: torch {torch.__version__} sees "
            f"{format_counted(torch.cuda.device_count(), 'GPU')}, and "
            f"rank {slot} of this machine wants its own; install a torch that is built for CUDA "
            "and this driver (https://pytorch.org), or set device: cpu"
        )
    torch.cuda.set_device(slot)
    return f"cuda:{slot}"


def _leave() -> NoReturn:
    """End the process at once, all being written.

    Taking down gloo's threads and the library's own at exit was seen to abort now and then
    ("terminate called without an active exception") after all work was done.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _report(task: RankTask, error: LodesmithError) -> int:
    traceback.print_exception(error)
    write_json(task.error_file, {"exit_code": error.exit_code, "message": str(error)})
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
