"""The layout that pretraining gets on this machine where its recipe says `parallel: auto`."""

from lodesmith.core.errors import UserError
from lodesmith.core.process import count_free_cores
from lodesmith.model.config import DecoderConfig, ModelConfig
from lodesmith.plan.search.auto import choose_for_cores
from lodesmith.pretrain.config import PretrainConfig

_MOST_EQUAL_RANKS = 2  # that compute a whole model's weights bit for bit alike


def choose_layout(config: PretrainConfig, *, model: ModelConfig, vocab_size: int) -> PretrainConfig:
    """Return the settings of pretraining with the layout that the planner takes on this machine.

    A model that two cores would hold whole keeps the bits that it has on one.

    Raises:
        UserError: the model, the batch and this machine's cores suit no layout, or the run is to
            compute on GPUs, whose speed the planner knows but not which of them are here.
    """
    if config.device != "cpu":
        raise UserError(
            f"pretrain: parallel auto chooses for the cores of this machine, but device is "
            f"{config.device}; give sizes, such as parallel: {{data_parallel_shard_size: 8}}, or "
            "leave parallel out for one or two GPUs"
        )
    chosen = choose_for_cores(
        DecoderConfig.from_model(model, vocab_size=vocab_size),
        num_cores=count_free_cores(),
        sequence_length=config.sequence_length,
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
        precision="bf16" if config.param_dtype == "bf16" else "fp32",
    )
    is_whole = chosen.num_ranks == chosen.data_parallel_replicate_size
    halves = config.global_batch_size % (2 * config.micro_batch_size) == 0
    keeps_bits = is_whole and chosen.num_ranks <= _MOST_EQUAL_RANKS and halves
    return config.model_copy(update={"parallel": None if keeps_bits else chosen})
