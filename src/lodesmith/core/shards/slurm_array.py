"""Shards as elements of Slurm array jobs, sent from a login node.

The plan is written into the folder that all nodes see, one array job runs it (each element every
n-th shard, through the local engine of its node), and this process waits for the done-markers. A
job that ends with shards missing (a node died, the time was up) is sent again for those alone.
"""

import hashlib
import os
import pickle
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lodesmith.core.errors import EngineError
from lodesmith.core.log import say, warn
from lodesmith.core.shards.plan import Plan
from lodesmith.core.storage import write_bytes
from lodesmith.core.units import format_counted

_ATTEMPTS = 3
_MAX_ELEMENTS = 1000  # Slurm's own MaxArraySize is 1001 if nobody changed it
_POLL_SECONDS = 2.0
_PLAN, _ERROR = "slurm-plan.pickle", "slurm-{}.error"


def run_on_slurm(plan: Plan, on_done: Callable[[str], None]) -> None:
    """Run every task to its done-marker.

    Raises:
        EngineError: there is no Slurm, it refuses the job, or shards stay undone.
        Exception: what a shard's function raised.
    """
    if shutil.which("sbatch") is None:
        raise EngineError(
            "prepare.engine is slurm, but there is no sbatch here; run it on a login node"
        )
    left = plan
    for attempt in range(_ATTEMPTS):
        if attempt:
            warn(
                f"Slurm left {format_counted(len(left.tasks), 'shard')} undone; they are sent again"
            )
        _run_job(left, on_done)
        tasks = {n: task for n, task in left.tasks.items() if not plan.markers.is_done(n)}
        if not tasks:
            return
        left = replace(left, tasks=tasks)
    raise EngineError(
        f"Slurm left {format_counted(len(left.tasks), 'shard')} undone {_ATTEMPTS} times, the "
        f"first {min(left.tasks)}; the jobs' words are in {plan.markers.folder}/slurm-*.log"
    )


def _run_job(plan: Plan, on_done: Callable[[str], None]) -> None:
    folder = plan.markers.folder.absolute()
    digest = _write_plan(folder, plan)
    job = _submit(folder, digest, plan)
    say(f"  Slurm job {job}: {format_counted(len(plan.tasks), 'shard')}")
    waiting = set(plan.tasks)
    try:
        while waiting:
            is_there = _is_queued(job)  # asked first: what it finished is seen below
            for name in sorted(filter(plan.markers.is_done, waiting)):
                waiting.discard(name)
                on_done(name)
            _raise_error_of(folder, job)
            if not is_there:
                return
            if waiting:
                time.sleep(_POLL_SECONDS)
    except BaseException:
        subprocess.run(["scancel", job], capture_output=True, check=False)
        raise


def _write_plan(folder: Path, plan: Plan) -> str:
    """Write what the elements read, and return the hash by which they know it for ours."""
    markers = replace(plan.markers, folder=folder)
    data = pickle.dumps((str(Path.cwd()), sys.path, replace(plan, markers=markers, num_workers=1)))
    write_bytes(folder / _PLAN, data)
    return hashlib.sha256(data).hexdigest()


def _submit(folder: Path, digest: str, plan: Plan) -> str:
    count = min(len(plan.tasks), _MAX_ELEMENTS, plan.num_workers)
    path = ":".join(filter(None, sys.path))
    words = [sys.executable, "-m", __name__, str(folder), digest, str(count)]
    result = subprocess.run(
        [
            "sbatch", "--parsable", "--job-name=lodesmith", "--ntasks=1", "--cpus-per-task=1",
            f"--array=0-{count - 1}", "--requeue",
            f"--chdir={folder}", f"--output={folder}/slurm-%A-%a.log",
            f"--wrap=PYTHONPATH={shlex.quote(path)} exec {shlex.join(words)}",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        raise EngineError(f"sbatch refused the job: {result.stderr.strip() or result.stdout}")
    return result.stdout.strip().partition(";")[0]


def _is_queued(job: str) -> bool:
    """Tell whether any element of a job waits or runs; a scheduler that is away gets time."""
    for _ in range(30):
        result = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--format=%i"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if result.returncode == 0 or "Invalid job id" in result.stderr:
            return bool(result.stdout.strip())
        time.sleep(_POLL_SECONDS)
    raise EngineError(f"squeue does not answer: {result.stderr.strip()}")


def _raise_error_of(folder: Path, job: str) -> None:
    file = folder / _ERROR.format(job)
    if file.exists():
        data = file.read_text(encoding="utf-8")
        file.unlink()
        raise EngineError(f"a shard failed under Slurm: {data}")


def _element() -> None:
    """Run this array element's share of the plan: the job's own program."""
    folder, digest, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    data = (folder / _PLAN).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise SystemExit(f"{folder / _PLAN} is not the plan that was sent")
    where, path, plan = pickle.loads(data)  # noqa: S301 our own file, its hash came by sbatch
    os.chdir(where)
    sys.path[:] = path
    number = int(os.environ["SLURM_ARRAY_TASK_ID"])
    names = [name for name in list(plan.tasks)[number::count] if not plan.markers.is_done(name)]
    from lodesmith.core.shards.local import run_local

    try:
        run_local(replace(plan, tasks={name: plan.tasks[name] for name in names}), lambda _: None)
    except Exception as error:
        job = os.environ["SLURM_ARRAY_JOB_ID"]
        words = f"{type(error).__name__}: {error}"
        write_bytes(folder / _ERROR.format(job), words.encode("utf-8", "replace"))
        raise


if __name__ == "__main__":
    _element()
