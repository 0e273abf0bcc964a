"""Runs the domains of a recipe one after the other, each on the model that the last one left.

A chain begins with the recipe's own base model, with a model of the workspace, or with a foreign
one: a Hugging Face folder or a GGUF file. Each link is an artifact; one that is there is not made
again, and one that forgot too much ends the chain before the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.log import say
from lodesmith.core.storage import hash_file, hash_json, read_json
from lodesmith.lineage.artifact import Artifact, Draft, Order
from lodesmith.lineage.models import find_model_folder
from lodesmith.lineage.workspace import Workspace
from lodesmith.train.config import settle_dtype, settle_layout
from lodesmith.tune.domains import STAGE_VERSION, DomainConfig, LinkConfig
from lodesmith.tune.measures.matrix import MATRIX_FILE, check_forgetting
from lodesmith.tune.samples.files import hash_files
from lodesmith.tune.samples.split import earlier_domains

_MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "merges.txt")


@dataclass(frozen=True, kw_only=True)
class Start:
    """The model that a chain goes on from."""

    folder: Path
    artifact: Artifact | None  # None for a foreign model
    base: Path  # the model folder that the whole chain began with
    base_digest: str | None  # of a foreign base

    @classmethod
    def of(cls, artifact: Artifact, space: Workspace) -> "Start":
        """Return a model of the workspace as a start.

        Raises:
            UserError: the chain that it belongs to began with a folder that is no longer there.
        """
        root = artifact
        while "tune" in root.receipt.parents:
            root = space.open_parent(root, "tune")
        if root.kind == "tune" and "pretrain" in root.receipt.parents:
            root = space.open_parent(root, "pretrain")
        folder = artifact.file("model")
        digest = root.receipt.config["tune"]["base"] if root.kind == "tune" else None
        if digest is None:
            return cls(folder=folder, artifact=artifact, base=root.file("model"), base_digest=None)
        base = Path(root.receipt.sources[0]["origin"])
        if not base.is_dir() or hash_model(base) != digest:
            raise UserError(
                f"{artifact.id} was made from the model in {base}, which is no longer there; put "
                "it back: the chain's models are compared with it"
            )
        return cls(folder=folder, artifact=artifact, base=base, base_digest=digest)


def find_start(name: str, space: Workspace) -> Start:
    """Return the model that `--from` names.

    That is an artifact id, a Hugging Face folder, a GGUF file, or a PEFT folder over a base.

    Raises:
        UserError: there is no such model.
    """
    if not Path(name).exists() and not name.endswith(".gguf"):
        folder = find_model_folder(name, space)
        return Start.of(space.find(folder.parent.name), space)
    folder = import_module("lodesmith.model.locate").locate_model(name, space).resolve()
    return Start(folder=folder, artifact=None, base=folder, base_digest=hash_model(folder))


def hash_model(folder: Path) -> str:
    """Return a hash of a model folder's settings, weights and tokenizer."""
    files = sorted(path for pattern in _MODEL_FILES for path in folder.glob(pattern))
    return hash_json({path.name: hash_file(path) for path in files})


def run_chain(
    domains: Sequence[DomainConfig],
    *,
    start: Start,
    space: Workspace,
    show: Callable[[Artifact], None],
) -> list[Artifact]:
    """Return the links of a chain, the missing ones made; the last is the chain's model.

    The caller holds the workspace's lock.

    Args:
        domains: to be learnt, the first one first.
        start: the model below them.
        space: where the links are.
        show: called with each link, before it is asked whether it forgot too much.

    Raises:
        UserError: a domain cannot be learnt, or one was learnt at the cost of another.
    """
    links: list[Artifact] = []
    for domain in domains:
        order = order_link(domain, start, space)
        tune = order.config["tune"]
        assert isinstance(tune, LinkConfig)  # noqa: S101 order_link put it there
        link = space.get(order)
        if link is None:
            say(f"tune: making {order.id} ({domain.domain})")
            link = space.build(order, partial(_make, tune=tune, start=start, space=space))
        show(link)
        check_forgetting(
            read_json(link.file(MATRIX_FILE)),
            domain=domain.domain,
            limit=domain.forgetting_limit,
            artifact=link.id,
        )
        links.append(link)
        start = Start(
            folder=link.file("model"), artifact=link, base=start.base,
            base_digest=start.base_digest,
        )  # fmt: skip
    return links


def order_link(domain: DomainConfig, start: Start, space: Workspace) -> Order:
    """Return what a link is asked to make; its files are read for their hashes."""
    settings = {name: getattr(domain, name) for name in DomainConfig.model_fields}
    data = hash_files(domain.files)
    reward_model = _reward_model(domain, space)
    if reward_model is not None:
        data["rewards.model"] = hash_model(reward_model)
    link = settle_layout(settle_dtype(LinkConfig(**settings, data=data, base=start.base_digest)))
    parent = start.artifact
    return Order(
        kind="tune",
        version=STAGE_VERSION,
        config={"tune": link},
        parents={} if parent is None else {parent.kind: parent},
    )


def _reward_model(domain: DomainConfig, space: Workspace) -> Path | None:
    named = domain.rewards.model if domain.rewards else None
    return None if named is None else find_model_folder(named, space)


def _stack(parent: Artifact | None) -> dict[str, Any]:
    """Return the adapter of a parent that is to be kept in the stack."""
    adapter = parent.receipt.config.get("tune", {}).get("adapter") if parent else None
    if parent is None or adapter is None or adapter["keep"] == "merge":
        return {}
    return {"stack": parent.file("adapter")}


def _make(draft: Draft, *, tune: LinkConfig, start: Start, space: Workspace) -> None:
    link = import_module("lodesmith.tune.link")
    parent = start.artifact
    has_matrix = parent is not None and (parent.path / MATRIX_FILE).exists()
    foundation = link.Foundation(
        start=start.folder,
        base=start.base,
        earlier=earlier_domains(parent, space),
        parent_matrix=read_json(parent.file(MATRIX_FILE)) if parent and has_matrix else None,
        name=parent.id if parent else start.base_digest,
        reward_model=_reward_model(tune, space),
        **_stack(parent),
    )
    if parent is None:
        draft.sources.append(
            {"name": "base", "origin": str(start.base), "sha256": start.base_digest}
        )
    link.make_link(draft, tune=tune, foundation=foundation)
