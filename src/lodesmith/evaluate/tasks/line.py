"""The models that are measured: the one that was named, and those that it was made from.

A line is a model's past, the first one first: the model that a chain began with, the pretrained
one, each link up to the one that was named; or the checkpoints that a run has kept.
"""

from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.config import trained_window
from lodesmith.evaluate.scoring.scoring import Dtype, Subject, open_weights, place
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.models import MODEL_KINDS
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.locate import locate_model
from lodesmith.model.vocabulary import check_vocabulary, load_tokenizer
from lodesmith.parallel.checkpoint.export import is_checkpoint_folder, load_checkpoint, stored_steps

_MAX_WINDOW_TOKENS = 2048  # of a model made elsewhere; longer windows change the score little


@dataclass(frozen=True, kw_only=True, slots=True)
class LineModel:
    """A model of a line."""

    name: str
    step: int  # optimizer steps since the line began
    checkpoints: Path | None = None  # where the run's checkpoints lie, of which it is one
    tokenizer: Path | None = None  # of a checkpoint, which has none

    def load(self, workspace: Workspace, *, dtype: Dtype = "float32") -> Subject:
        """Return the model, ready to be measured in these numbers."""
        if self.checkpoints is None or self.tokenizer is None:
            return load_subject(self.name, workspace=workspace, dtype=dtype)
        decoder, manifest = load_checkpoint(self.checkpoints, step=self.step)
        window = min(decoder.config.max_position_embeddings, _MAX_WINDOW_TOKENS)
        tokenizer = Tokenizer.load(self.tokenizer)
        check_vocabulary(
            tokenizer,
            vocab_size=decoder.config.vocab_size,
            vocabulary=manifest.facts.get("vocabulary"),
            where=self.checkpoints,
        )
        model = place(decoder, dtype=dtype)
        return Subject(model=model, tokenizer=tokenizer, window=window, folder=self.tokenizer)


def find_line(
    name: str, workspace: Workspace, *, with_past: bool, tokenizer: Path | None
) -> list[LineModel]:
    """Return the model of a name and, if wanted, what it was made from before it.

    Args:
        name: of an artifact, of a model from elsewhere, or of a folder of checkpoints.
        workspace: where artifacts are looked up.
        with_past: also what came before.
        tokenizer: folder with the tokenizer of checkpoints.

    Raises:
        UserError: there is no such model, or nothing says what it was made from.
        DamagedArtifactError: what it was made from is no longer in the workspace.
    """
    if is_checkpoint_folder(Path(name)):
        steps = stored_steps(Path(name))
        return [
            LineModel(name=f"step {step}", step=step, checkpoints=Path(name),
                      tokenizer=_check_tokenizer(tokenizer))
            for step in (steps if with_past else steps[-1:])
        ]  # fmt: skip
    if tokenizer is not None:
        raise UserError(f"{name} has a tokenizer of its own; --tokenizer is for checkpoints")
    if not with_past:
        return [LineModel(name=name, step=0)]
    if Path(name).exists():
        raise UserError(
            f"{name} is a model from elsewhere, and nothing says what it was made from; leave "
            "--line out, or name an artifact or a folder of checkpoints"
        )
    return _line_of(workspace.find(name), workspace)


def _line_of(artifact: Artifact, workspace: Workspace) -> list[LineModel]:
    if artifact.kind not in MODEL_KINDS:
        raise UserError(
            f"{artifact.id} is no model; models are {' and '.join(MODEL_KINDS)} artifacts"
        )
    past = [artifact]
    while kinds := [kind for kind in MODEL_KINDS if kind in past[-1].receipt.parents]:
        past.append(workspace.open_parent(past[-1], kinds[-1]))
    sources = past[-1].receipt.sources if past[-1].kind == "tune" else []
    models = [
        LineModel(name=source["origin"], step=0)
        for source in sources
        if source.get("name") == "base" and Path(source["origin"]).is_dir()
    ]
    step = 0
    for made in reversed(past):
        step += int(made.receipt.config[made.kind]["max_steps"])
        models.append(LineModel(name=made.id, step=step))
    return models


def _check_tokenizer(folder: Path | None) -> Path:
    if folder is None or not (folder / "tokenizer.json").is_file():
        raise UserError(
            "checkpoints hold no tokenizer; give the folder of the run's tokenizer.json with "
            "--tokenizer, such as the folder tokenizer of the tokenize artifact"
        )
    return folder


def load_subject(name: str, *, workspace: Workspace, dtype: Dtype = "float32") -> Subject:
    """Return a model by its id, folder or file, ready to be measured."""
    folder = locate_model(name, workspace)
    model = open_weights(folder, dtype=dtype)
    window = min(model.config.max_position_embeddings, _MAX_WINDOW_TOKENS)
    pretrain = made_from(name, "pretrain", workspace)
    if pretrain is not None:
        window = trained_window(pretrain.receipt.config)
    return Subject(model=model, tokenizer=load_tokenizer(folder), window=window, folder=folder)


def made_from(name: str, kind: str, workspace: Workspace) -> Artifact | None:
    """Return what a model of the workspace was made from; None if it came, or began, elsewhere."""
    if Path(name).exists():
        return None
    return workspace.look_for_ancestor(workspace.find(name), kind)
