"""What a finished run would take with a thousand times its compute."""

from lodesmith.core.storage import read_json
from lodesmith.lineage.artifact import Artifact
from lodesmith.model.hugging_face import from_hugging_face
from lodesmith.plan.scale import ScaleUp, scale_run
from lodesmith.plan.workload.shape import shape_of


def scale_up(
    pretrain: Artifact,
    *,
    tokens_seen: int,
    tokens_per_second: float | None,
    bytes_per_token: float | None = None,
) -> ScaleUp | None:
    """Return what a run would take with a thousand times the compute, split as is best.

    Args:
        pretrain: the finished artifact, which knows the model's shape.
        tokens_seen: tokens that it was trained on.
        tokens_per_second: its measured rate; without one there is nothing to scale.
        bytes_per_token: bytes of text per token, measured with its tokenizer.
    """
    if not tokens_seen or not tokens_per_second:
        return None
    config = from_hugging_face(read_json(pretrain.file("model/config.json")))
    return scale_run(
        shape_of(config, vocab_size=config.vocab_size),
        tokens=tokens_seen,
        tokens_per_second=tokens_per_second,
        sequence_length=int(pretrain.receipt.config["pretrain"]["sequence_length"]),
        bytes_per_token=bytes_per_token,
    )
