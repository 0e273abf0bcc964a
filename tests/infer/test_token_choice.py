"""How tokens are drawn: against the distributions that they must have."""

import math
from collections import Counter

import pytest
import torch

from lodesmith.infer.interface import Sampling
from lodesmith.infer.sampling import Sampler, draw, measure_logprobs

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -8.0])
NUM_DRAWS = 4000


def shares(sampling):
    generator = torch.Generator().manual_seed(1)
    counts = Counter(draw(LOGITS, sampling, generator) for _ in range(NUM_DRAWS))
    return [counts[token] / NUM_DRAWS for token in range(len(LOGITS))]


def softmax_over(tokens, *, temperature=1.0):
    weights = [
        math.exp(LOGITS[token] / temperature) if token in tokens else 0.0
        for token in range(len(LOGITS))
    ]
    return [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), softmax_over({0, 1, 2, 3, 4})),
        (Sampling(temperature=2.0), softmax_over({0, 1, 2, 3, 4}, temperature=2.0)),
        (Sampling(top_k=2), softmax_over({0, 1})),
        (Sampling(top_k=99), softmax_over({0, 1, 2, 3, 4})),
        (Sampling(top_p=0.65), softmax_over({0, 1})),  # .64 is not yet .65, so two are needed
        (Sampling(top_p=0.64), softmax_over({0})),
        (Sampling(top_p=1e-9), softmax_over({0})),
        (Sampling(min_p=0.3), softmax_over({0, 1})),  # e^-1 = .37 of the best, e^-2 = .14
        (Sampling(min_p=1.0), softmax_over({0})),
        (Sampling(temperature=1e-30), softmax_over({0})),
    ],
)
def test_drawn_shares_are_the_wanted_probabilities(sampling, expected):
    four_deviations = 4 * 0.5 / math.sqrt(NUM_DRAWS)
    assert shares(sampling) == pytest.approx(expected, abs=four_deviations)
    assert [share > 0 for share in shares(sampling)][:4] == [p > 0 for p in expected][:4]


def test_a_seed_fixes_the_tokens_and_another_seed_changes_them():
    def tokens(seed):
        sampler = Sampler(Sampling(seed=seed))
        return [sampler.choose(LOGITS) for _ in range(50)]

    assert tokens(3) == tokens(3) != tokens(4)
    assert tokens(None) != tokens(None)


def test_penalties_follow_the_published_formula():
    sampler = Sampler(
        Sampling(
            temperature=0, presence_penalty=0.4, frequency_penalty=0.3, logit_bias={2: 0.9, 4: -1}
        )
    )
    chosen, adjusted = [], LOGITS.tolist()
    for _ in range(12):
        counts = Counter(chosen)
        for token in range(5):
            penalty = counts[token] * 0.3 + (counts[token] > 0) * 0.4
            adjusted[token] = float(LOGITS[token]) - penalty + {2: 0.9, 4: -1}.get(token, 0)
        chosen.append(sampler.choose(LOGITS))
        assert adjusted[chosen[-1]] == pytest.approx(max(adjusted))
    assert len(set(chosen)) > 1


def test_logprobs_are_normalised_and_best_first():
    [scored] = measure_logprobs(LOGITS[None], [3], num_top=99)
    assert sum(math.exp(logprob) for _, logprob in scored.top) == pytest.approx(1)
    assert [token for token, _ in scored.top] == [0, 1, 2, 3, 4]
    assert scored.logprob == pytest.approx(dict(scored.top)[3])
    assert measure_logprobs(LOGITS[None], [0], num_top=0)[0].top == ()


def test_the_repetition_penalty_divides_scores_above_zero_and_multiplies_those_below():
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=2.5), prompt_ids=[0, 3])
    assert sampler.choose(LOGITS) == 1  # 2 / 2.5 is less than 1
    assert sampler.choose(LOGITS) == 0  # 0.8 is more than 1 / 2.5, and 0 than -1 x 2.5
