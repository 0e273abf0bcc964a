"""How many layouts the planner computes in a second of one core, and what a cold start costs.

    .venv/bin/python bench/plan_speed.py

Counted are CPU-seconds: of a million layouts of MT-NLG 530B, memory and step time of each; of the
whole search on 4,480 GPUs, the reasons against the others and the ranking included; and of
`lodesmith plan mt-nlg-530b` in a fresh process. Calculon, the peer, needs about four milliseconds
for one layout (`pip install git+https://github.com/calculon-ai/calculon`).
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

from lodesmith.plan.hardware.load import load_cluster
from lodesmith.plan.hardware.machine import machine_of
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.search.search import search_layouts
from lodesmith.plan.step.memory import estimate_memories
from lodesmith.plan.step.step_time import estimate_steps, total_seconds
from lodesmith.plan.workload.jobs import grid_of
from lodesmith.plan.workload.layout import Training
from lodesmith.plan.workload.shape import gpt_shape

SHAPE = gpt_shape(
    hidden_size=20480, num_hidden_layers=105, num_attention_heads=128, vocab_size=51200,
    max_position_embeddings=2048,
)  # fmt: skip
TRAINING = Training(
    global_batch_size=4480, sequence_length=2048, precision="bf16", attention="unfused"
)
CHUNK = 1 << 14


def measure_layouts(total: int) -> float:
    """Return layouts a CPU-second, in chunks as the search makes them."""
    cluster, device = load_cluster("selene-280")
    machine = machine_of(device, cluster, Stack(name="average"), precision="bf16")
    chance = np.random.default_rng(1)
    columns = {
        "tensor": chance.choice([1, 2, 4, 8], CHUNK).astype(float),
        "pipeline": chance.choice([1, 3, 5, 7, 15, 21, 35], CHUNK).astype(float),
        "virtual": np.ones(CHUNK),
        "context": np.ones(CHUNK),
        "expert_ranks": np.ones(CHUNK),
        "data": chance.choice([1, 2, 8, 16, 64], CHUNK).astype(float),
        "sharded": chance.integers(0, 4, CHUNK).astype(float),
        "recompute": chance.integers(0, 3, CHUNK).astype(float),
        "micro": chance.choice([1, 2, 4], CHUNK).astype(float),
        "sequence_parallel": np.ones(CHUNK),
    }
    columns["shard"] = columns["data"]
    jobs = grid_of(SHAPE, TRAINING, columns)
    started = time.process_time()
    for _ in range(total // CHUNK):
        total_seconds(estimate_memories(jobs, reserved_bytes=4e9))
        total_seconds(estimate_steps(jobs, machine))
    return total // CHUNK * CHUNK / (time.process_time() - started)


def measure_search() -> tuple[float, int]:
    """Return CPU-seconds of the whole search of 530B on 4,480 GPUs, and how many layouts it has."""
    cluster, device = load_cluster("selene-280")
    cluster = cluster.model_copy(update={"num_nodes": 560})
    started = time.process_time()
    ranking = search_layouts(SHAPE, TRAINING, cluster=cluster, device=device)
    return time.process_time() - started, ranking.num_tried


def measure_start() -> float:
    """Return CPU-seconds of one cold `lodesmith plan`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "lodesmith", "plan", "mt-nlg-530b"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    rate = statistics.median(measure_layouts(500_000) for _ in range(repeat))
    searches = [measure_search() for _ in range(repeat)]
    start = statistics.median(measure_start() for _ in range(repeat))
    print(f"layouts a CPU-second        {rate:12,.0f}   (bar 1,000,000; Calculon 270)")
    seconds = statistics.median(each for each, _ in searches)
    print(f"search of {searches[0][1]:,} layouts, s     {seconds:10.3f}   (bar 1)")
    print(f"cold lodesmith plan, CPU-s  {start:12.2f}   (bar 0.5)")


if __name__ == "__main__":
    main()
