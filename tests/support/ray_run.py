"""Prepares an archive on a Ray cluster of three nodes of this host that loses parts of itself.

python ray_run.py ARCHIVE FOLDER MERGE_BYTES

A node is lost in the first pass, a worker process is killed with SIGKILL in the second, and another
node is lost in the midst of the merge of near duplicates. Each happens as the driver hands out a
task: the ones behind it cannot be done yet, however slow the machine is. FOLDER/scratch/lost.json
says what was lost, and which tasks were missing then.
"""

import json
import os
import sys
import time
from pathlib import Path

import psutil

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def main(archive, folder, merge_memory_bytes):
    import ray
    from ray._private import services
    from ray.cluster_utils import Cluster

    from lodesmith.core.shards import Markers, ray_tasks
    from lodesmith.core.storage import write_json
    from lodesmith.prepare.config import PrepareConfig
    from lodesmith.prepare.input.sources import Source
    from lodesmith.prepare.passes import stretches
    from lodesmith.prepare.passes.passes import prepare_corpus

    # Ray takes 127.0.0.1 for this machine's outer address, where nobody shall listen.
    services.resolve_ip_for_localhost = lambda host: host
    stretches.SHARD_BYTES = 50_000
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"},
    )
    nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(3)]
    ray.init(address=cluster.address, _node_ip_address="127.0.0.1", log_to_driver=False)
    loss = Loss(cluster, nodes)
    ray_tasks._only = loss.before_task(ray_tasks._only)
    config = PrepareConfig(engine="ray", merge_memory_bytes=merge_memory_bytes)
    size = archive.stat().st_size * 4
    prepared = prepare_corpus(
        [Source(path=archive, kind="archive", name="a", num_bytes=size)],
        scratch=folder / "scratch", final=folder, config=config,
        markers=Markers(folder / "scratch" / "done"),
    )  # fmt: skip
    write_json(folder / "funnel.json", prepared.funnel.to_json())
    # A file, for Ray's own processes write to whatever pipe this one has.
    told = {"lost": loss.lost, "nodes_left": count_workers_left()}
    (folder / "scratch" / "lost.json").write_text(json.dumps(told))
    ray.shutdown()
    cluster.shutdown()


class Loss:
    """What is to be lost, each once, and what was."""

    def __init__(self, cluster, nodes):
        self.cluster, self.nodes = cluster, nodes
        self.wanted = {
            "clean": self.lose_node,
            "deduplicate": self.kill_worker,
            "near-link": self.lose_node,
        }
        self.begun = []
        self.lost = []

    def before_task(self, make_task):
        """Return the function that makes tasks, with a look at what has begun before it."""

        def make(plan, name):
            kind = name.rpartition("-")[0]
            alike = [task for task in plan.tasks if task.rpartition("-")[0] == kind]
            if kind in self.wanted and name in alike[2:-1] and self.wanted[kind](plan.markers):
                del self.wanted[kind]
                missing = [task for task in alike if not plan.markers.is_done(task)]
                self.lost.append({"in": kind, "tasks": len(alike), "missing": missing})
            self.begun.append(name)
            return make_task(plan, name)

        return make

    def lose_node(self, _markers):
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        return True

    def kill_worker(self, markers):
        """Kill a process that has a task in hand; tell whether there was one."""
        while not all(map(markers.is_done, self.begun)):
            for process in self.list_processes():
                try:
                    if "ray::run_here" in " ".join(process.cmdline()):
                        process.kill()
                        return True
                except psutil.Error:
                    continue
            time.sleep(0.005)
        return False  # the next task brings another chance

    def list_processes(self):
        raylets = (raylet for node in self.nodes for raylet in node.all_processes["raylet"])
        return [
            process
            for raylet in raylets
            for process in psutil.Process(raylet.process.pid).children(recursive=True)
        ]


def count_workers_left():
    """The worker nodes alive, once the head has noticed (some seconds) that one is not."""
    import ray

    deadline = time.monotonic() + 300
    while True:
        alive = sum(node["Alive"] and "CPU" in node["Resources"] for node in ray.nodes())
        if alive < 2 or time.monotonic() > deadline:
            return alive
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
