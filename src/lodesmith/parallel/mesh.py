"""Ranks as meshes: which of them hold the same weights, the same tokens, the same experts.

The same ranks are seen three times, because weights, tokens and experts are cut differently:

    tokens   pp  dp_replicate  dp_shard  cp  tp
    weights  pp  dp_replicate  [   fsdp   ]  tp     fsdp = dp_shard x cp: both hold other tokens
    experts  pp  dp_replicate  [ efsdp ] [ ep  ]    efsdp x ep = dp_shard x cp x tp
"""

from dataclasses import dataclass

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from lodesmith.parallel.config import MESH_AXES, ParallelConfig


@dataclass(frozen=True)
class Layout:
    """The meshes of one layout, seen from this rank."""

    config: ParallelConfig
    tokens: DeviceMesh
    weights: DeviceMesh
    experts: DeviceMesh
    stage: dist.ProcessGroup  # the ranks that share this rank's pipeline stages
    device: str

    @property
    def shard_mesh(self) -> DeviceMesh:
        """The mesh over which weights are sharded, and replicated where that is asked for."""
        replicated = self.config.data_parallel_replicate_size > 1
        return self.weights["dp_replicate", "fsdp"] if replicated else self.weights["fsdp"]

    @property
    def expert_shard_mesh(self) -> DeviceMesh:
        """The mesh over which one rank's experts are sharded and replicated."""
        replicated = self.config.data_parallel_replicate_size > 1
        return self.experts["dp_replicate", "efsdp"] if replicated else self.experts["efsdp"]

    @property
    def data_rank(self) -> int:
        """Which share of a global batch's sequences is this rank's."""
        shards = self.config.data_parallel_shard_size
        return self.rank_in("dp_replicate") * shards + self.rank_in("dp_shard")

    def rank_in(self, axis: str) -> int:
        """Return this rank's place along an axis of the token mesh."""
        return self.tokens.get_local_rank(axis)

    def group(self, axis: str) -> dist.ProcessGroup:
        """Return the ranks along an axis of the token mesh, this one among them."""
        return self.tokens.get_group(axis)


def build_layout(config: ParallelConfig, *, device: str = "cpu") -> Layout:
    """Return the meshes of a layout; all ranks of the default group call it together."""
    stages, replicas = config.pipeline_parallel_size, config.data_parallel_replicate_size
    shards, contexts = config.data_parallel_shard_size, config.context_parallel_size
    tensor, experts = config.tensor_parallel_size, config.expert_parallel_size
    plane = config.num_ranks_of_experts
    tokens = init_device_mesh(
        device, (stages, replicas, shards, contexts, tensor), mesh_dim_names=MESH_AXES
    )
    groups = [dist.new_group(stage.flatten().tolist()) for stage in tokens.mesh]
    return Layout(
        config=config,
        tokens=tokens,
        weights=init_device_mesh(
            device,
            (stages, replicas, shards * contexts, tensor),
            mesh_dim_names=("pp", "dp_replicate", "fsdp", "tp"),
        ),
        experts=init_device_mesh(
            device,
            (stages, replicas, plane // experts, experts),
            mesh_dim_names=("pp", "dp_replicate", "efsdp", "ep"),
        ),
        stage=groups[tokens.get_local_rank("pp")],
        device=device,
    )
