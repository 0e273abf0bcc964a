"""Objectives that compare whole answers: DPO, KTO, GRPO, RLOO.

Answers lie packed in rows, each a segment, so an answer's log-probability is the sum over its
segment. What an objective must know of an answer beside its tokens lies in the batch's `extra`,
by row and place in the row: answers 1 and 2 of a row are place 0, 3 and 4 place 1, and so on,
where two belong together; else answer 1 is place 0.

Shapes: B rows, T tokens, S segments of a row, P pairs of them.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

import torch
import torch.nn.functional as F
from torch import Tensor

from lodesmith.train.objectives.batch import Batch


def segment_sums(values_BT: Tensor, batch: Batch, *, num_segments: int) -> Tensor:
    """Return the sum of values over each of a row's first segments; padding is none."""
    assert batch.segment_ids is not None  # noqa: S101 packed rows have them
    sums = values_BT.new_zeros(values_BT.shape[0], num_segments + 1)
    return sums.scatter_add(1, batch.segment_ids.long().clamp(max=num_segments), values_BT)[:, 1:]


def _pair_gains(losses_BT: Tensor, batch: Batch) -> Tensor:
    """Return by how much answers are likelier than under the reference, as B x P x 2."""
    reference_BP2 = batch.extra["reference"]
    num_pairs = reference_BP2.shape[1]
    sums = segment_sums(-losses_BT, batch, num_segments=2 * num_pairs)
    return sums.view(-1, num_pairs, 2) - reference_BP2


class PairPreference:
    """The better of two answers shall gain more over the reference than the worse.

    With a reference of zero and beta 1 it is the loss of a reward model.

    Source: Rafailov et al. 2023, arXiv:2305.18290, equation 7; Ouyang et al. 2022,
    arXiv:2203.02155, equation 1.
    """

    sums_labels = False
    is_smooth = True

    def __init__(self, *, beta: float) -> None:
        self.beta = beta

    def count(self, batch: Batch) -> int:
        """Return the number of pairs."""
        return int(batch.extra["weight"].sum())

    def summed_loss(self, losses_BT: Tensor, batch: Batch) -> Tensor:
        """Return the sum over pairs."""
        gains_BP2 = _pair_gains(losses_BT, batch)
        margin_BP = self.beta * (gains_BP2[..., 0] - gains_BP2[..., 1])
        return (-F.logsigmoid(margin_BP) * batch.extra["weight"]).sum()


class RatedAnswers:
    """Good answers shall gain, bad ones lose, each against what answers gain on the whole.

    That is estimated, in each micro-batch, on questions with an answer to another question.

    Source: Ethayarajh et al. 2024, arXiv:2402.01306, equation 8.
    """

    sums_labels = False
    is_smooth = True

    def __init__(self, *, beta: float) -> None:
        self.beta = beta

    def count(self, batch: Batch) -> int:
        """Return the number of rated answers."""
        return int((batch.extra["label"] != 0).sum())

    def summed_loss(self, losses_BT: Tensor, batch: Batch) -> Tensor:
        """Return the sum over rated answers."""
        label_BP = batch.extra["label"]  # 1 good, -1 bad, 0 none
        is_there_BP = label_BP != 0
        gains_BP2 = _pair_gains(losses_BT, batch)
        mismatched = gains_BP2[..., 1][is_there_BP].detach()
        usual = mismatched.mean().clamp(min=0) if mismatched.numel() else 0.0
        value_BP = torch.sigmoid(self.beta * label_BP * (gains_BP2[..., 0] - usual))
        return ((1 - value_BP) * is_there_BP).sum()


class ClippedTokens:
    """Each token of an answer is made likelier by the answer's advantage, within a clip.

    Source: Shao et al. 2024, arXiv:2402.03300, equation 3 (GRPO), without its KL term and with
    every token of the batch counting the same, as in Yu et al. 2025, arXiv:2503.14476, equation 8.
    """

    sums_labels = False
    is_smooth = False  # rewards change with the questions of a round

    def __init__(self, *, clip: float) -> None:
        self.clip = clip

    def count(self, batch: Batch) -> int:
        """Return the number of tokens."""
        assert batch.loss_mask is not None  # noqa: S101 packed rows have it
        return int(batch.loss_mask.sum())

    def summed_loss(self, losses_BT: Tensor, batch: Batch) -> Tensor:
        """Return the sum over tokens."""
        assert batch.loss_mask is not None  # noqa: S101
        assert batch.segment_ids is not None  # noqa: S101
        advantage_BS = F.pad(batch.extra["advantage"], (1, 0))  # segment 0 is padding
        advantage_BT = advantage_BS.gather(1, batch.segment_ids.long())
        ratio_BT = torch.exp(-losses_BT - batch.extra["old"])
        gain_BT = _clipped(ratio_BT, advantage_BT, self.clip)
        return -(gain_BT * batch.loss_mask).sum()


class ClippedAnswers:
    """Each answer as a whole is made likelier by its advantage, within a clip.

    Source: Ahmadian et al. 2024, arXiv:2402.14740, equations 6 and 8 (RLOO), with the clip of
    Schulman et al. 2017, arXiv:1707.06347, equation 7, for steps after the first of a round.
    """

    sums_labels = False
    is_smooth = False

    def __init__(self, *, clip: float) -> None:
        self.clip = clip

    def count(self, batch: Batch) -> int:
        """Return the number of answers."""
        return int(batch.extra["is_answer"].sum())

    def summed_loss(self, losses_BT: Tensor, batch: Batch) -> Tensor:
        """Return the sum over answers."""
        assert batch.loss_mask is not None  # noqa: S101 packed rows have it
        advantage_BS, is_answer_BS = batch.extra["advantage"], batch.extra["is_answer"]
        change_BT = (-losses_BT - batch.extra["old"]) * batch.loss_mask
        change_BS = segment_sums(change_BT, batch, num_segments=advantage_BS.shape[1])
        gain_BS = _clipped(torch.exp(change_BS), advantage_BS, self.clip)
        return -(gain_BS * is_answer_BS).sum()


def _clipped(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
