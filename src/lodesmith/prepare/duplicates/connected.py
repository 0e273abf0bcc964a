"""Groups of nodes that links hold together, found without ever holding all links in memory.

Each round points links at smaller nodes, in two steps, until every node but the smallest of its
group is linked to that smallest node and to nothing else:

    large star: node u with its neighbours' least m (or u itself): each larger neighbour v -> m
    small star: node u with its smaller neighbours' least m: u -> m, each smaller neighbour -> m

Rounds grow with the square of the logarithm of a group's size at worst; chains of edits take two
to five.

Source: R. Kiveris et al., Connected Components in MapReduce and Beyond, SoCC 2014,
doi:10.1145/2670979.2670997, figures 2 to 4.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.storage import JSON
from lodesmith.prepare.shards.sorted_rows import KeyRange, read_slices, write_rows
from lodesmith.prepare.words import mix

Nodes = NDArray[np.uint64]

LINK = np.dtype([("key", "<u8"), ("node", "<u8"), ("other", "<u8")])  # key: mix(node)


def write_links(path: Path, nodes: Nodes, others: Nodes) -> None:
    """Write links so that the tasks of `star` find those of a node together: each link once."""
    rows = np.empty(len(nodes), LINK)
    rows["key"], rows["node"], rows["other"] = mix(nodes), nodes, others
    write_rows(path, rows[np.lexsort((others, rows["key"]))])


def star(inputs: Sequence[Path], keys: KeyRange, is_large: bool, output: Path) -> JSON:
    """Take one step for the nodes in a range of keys.

    Args:
        inputs: files of `write_links`; for a large star with each link in both directions, for a
            small one with each link from the larger node to the smaller.
        keys: the range.
        is_large: which step.
        output: file of links for the next step.

    Returns:
        Whether a link changed.
    """
    rows = read_slices(inputs, LINK, keys)
    order = np.lexsort((rows["other"], rows["key"]))
    nodes, others = rows["node"][order], rows["other"][order]
    del rows, order
    starts = np.flatnonzero(np.concatenate(([True], nodes[1:] != nodes[:-1]))[: len(nodes)])
    lengths = np.diff(np.append(starts, len(nodes)))
    least = np.minimum(others[starts], nodes[starts])  # others are sorted in each group
    targets = np.repeat(least, lengths)
    if is_large:
        larger = others > nodes
        changed = bool((targets[larger] != nodes[larger]).any())
        pairs = _distinct(others[larger], targets[larger])
        write_links(output, *pairs)
    else:
        changed = bool((others != targets).any())
        moved = others != targets
        pairs = _distinct(
            np.concatenate((nodes[starts], others[moved])), np.concatenate((least, targets[moved]))
        )
        write_links(output, np.concatenate(pairs), np.concatenate(pairs[::-1]))
    return {"changed": changed}


def _distinct(nodes: Nodes, others: Nodes) -> tuple[Nodes, Nodes]:
    order = np.lexsort((others, nodes))
    nodes, others = nodes[order], others[order]
    is_new: NDArray[Any] = np.ones(len(nodes), bool)
    is_new[1:] = (nodes[1:] != nodes[:-1]) | (others[1:] != others[:-1])
    return nodes[is_new], others[is_new]
