"""Work cut into shards: done once, in parallel, and never again after a kill.

A shard is a pure function of its arguments that writes its files by rename; `Markers` remembers
which are done and what they returned. `map_shards` runs the missing ones, and a killed run
repeats at most those that were in flight. The same function and markers serve three engines:

local   processes of this machine, each shard in one of its own   `local`, `nursery`
ray     tasks of a Ray cluster                                    `ray_tasks`
slurm   elements of a Slurm array job                             `slurm_array`

A task of Ray or Slurm runs its shard through `local`, so a record that kills or hangs its worker
is found the same way everywhere (`watch`). The last two need a folder that all nodes see.
"""

from lodesmith.core.shards.engines import Engine, Results, map_shards, open_engine
from lodesmith.core.shards.markers import Markers
from lodesmith.core.shards.watch import UNWATCHED, Limits, Watch

__all__ = [
    "UNWATCHED",
    "Engine",
    "Limits",
    "Markers",
    "Results",
    "Watch",
    "map_shards",
    "open_engine",
]
