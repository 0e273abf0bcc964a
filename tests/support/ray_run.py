"""Prepares an archive on a Ray cluster of two nodes of this host, one of which is killed.

python ray_run.py ARCHIVE FOLDER
"""

import os
import sys
import threading
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def main(archive, folder):
    import ray
    from ray._private import services
    from ray.cluster_utils import Cluster

    from lodesmith.prepare import stretches
    from lodesmith.prepare.config import PrepareConfig
    from lodesmith.prepare.passes import prepare_corpus
    from lodesmith.prepare.sources import Source

    # Ray takes 127.0.0.1 for this machine's outer address, where nobody shall listen.
    services.resolve_ip_for_localhost = lambda host: host
    stretches.SHARD_BYTES = 50_000
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"},
    )
    nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1") for _ in range(2)]
    ray.init(address=cluster.address, _node_ip_address="127.0.0.1", log_to_driver=False)
    arguments = (cluster, nodes[0], folder / "scratch")
    killer = threading.Thread(target=kill, args=arguments, daemon=True)
    killer.start()
    size = archive.stat().st_size * 4
    from lodesmith.core.shards import Markers

    prepare_corpus(
        [Source(path=archive, kind="archive", name="a", num_bytes=size)],
        scratch=folder / "scratch", final=folder, config=PrepareConfig(engine="ray"),
        markers=Markers(folder / "scratch" / "done"),
    )  # fmt: skip
    killer.join()
    # A file, for Ray's own processes write to whatever pipe this one has.
    (folder / "scratch" / "alive").write_text(str(count_workers_left()))
    ray.shutdown()
    cluster.shutdown()


def kill(cluster, node, scratch):
    while not list(scratch.glob("done/clean-*.done.json")):
        time.sleep(0.02)
    cluster.remove_node(node, allow_graceful=False)


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
    main(Path(sys.argv[1]), Path(sys.argv[2]))
