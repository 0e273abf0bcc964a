"""A request's tokens alone, in a batch, with a known beginning, after giving its cache up, and in
transformers: the same, and its log-probabilities with them."""

import queue

import pytest
import torch

from lodesmith.infer.config import EngineConfig
from lodesmith.infer.engine import LocalEngine
from lodesmith.infer.interface import (
    Finished,
    GenerationRequest,
    NewToken,
    PromptScored,
    Sampling,
)
from lodesmith.infer.runner import TorchRunner
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.hugging_face import to_hugging_face

VOCAB, NUM_PROMPTS, NUM_NEW = 211, 200, 10


def make_decoder(kind):
    config = DecoderConfig(
        kind=kind, vocab_size=VOCAB, hidden_size=72, intermediate_size=88, num_hidden_layers=3,
        num_attention_heads=6, num_key_value_heads=2, head_dim=20, max_position_embeddings=256,
        tie_word_embeddings=kind == "llama",
    )  # fmt: skip
    decoder = Decoder(config)
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.25)
    return decoder.eval()


@pytest.fixture(scope="module", params=["qwen3", "llama"])
def decoder(request):
    return make_decoder(request.param)


def requests(*, count=NUM_PROMPTS, num_new=NUM_NEW, sampling=None):
    """Return requests of which many begin alike, for as long as several blocks."""
    generator = torch.Generator().manual_seed(2)
    stems = [torch.randint(0, VOCAB, (90,), generator=generator).tolist() for _ in range(4)]
    made = []
    for number in range(count):
        shared, own = torch.randint(0, 90, (2,), generator=generator).tolist()
        tail = torch.randint(0, VOCAB, (1 + own,), generator=generator).tolist()
        made.append(
            GenerationRequest(
                input_ids=tuple(stems[number % 4][:shared] + tail),
                max_tokens=num_new,
                sampling=sampling or Sampling(temperature=0),
                num_top_logprobs=2,
            )
        )
    return made


def answers(decoder, asked, *, at_once=None, **settings):
    """Return for each request its tokens with logprobs, and the engine's last counts."""
    with LocalEngine(decoder, config=EngineConfig(num_threads=1, **settings)) as engine:
        got = [[] for _ in asked]
        step = at_once or len(asked)
        for start in range(0, len(asked), step):
            events, some = queue.SimpleQueue(), asked[start : start + step]
            engine.submit(some, lambda place, event, to=events: to.put((place, event)))
            left = len(some)
            while left:
                place, event = events.get(timeout=120)
                got[start + place].append(event)
                left -= isinstance(event, Finished)
        return got, engine.stats()


@pytest.fixture(scope="module")
def alone(decoder):
    got, _ = answers(decoder, requests(), at_once=1, enable_prefix_caching=False)
    return got


def test_tokens_are_those_of_transformers(decoder, alone):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.set_num_threads(1)
    config = AutoConfig.for_model(**to_hugging_face(decoder.config))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(decoder.state_dict(), strict=False)
    model.tie_weights()
    model.eval()
    for request, events in zip(requests(), alone, strict=True):
        made = [event for event in events if isinstance(event, NewToken)]
        ids = [*request.input_ids, *(event.token_id for event in made)]
        with torch.inference_mode():  # all steps of a greedy search at once
            logits = model(torch.tensor([ids])).logits[0, len(request.input_ids) - 1 : -1]
        assert [event.token_id for event in made] == logits.argmax(-1).tolist()
        best = logits.log_softmax(-1).max(-1).values.tolist()
        assert [event.logprobs.logprob for event in made] == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_num_seqs": 1},  # one after the other, beginnings reused
        {"max_num_seqs": 8, "max_num_batched_tokens": 17},  # read in small pieces
        {"max_num_seqs": 64},
        {"max_num_seqs": 32, "kv_cache_memory_bytes": 400_000},  # hardly any room
        {"max_num_seqs": 32, "kv_cache_memory_bytes": 400_000, "enable_prefix_caching": False},
        {"max_num_seqs": 13, "num_threads": 3},
    ],
    ids=["reused", "pieces", "batch", "preempted", "preempted-unshared", "threads"],
)
def test_events_are_the_same_to_the_last_bit_however_they_are_computed(decoder, alone, settings):
    settings = {"num_threads": 1, "max_num_queued_seqs": NUM_PROMPTS, **settings}
    with LocalEngine(decoder, config=EngineConfig(**settings)) as engine:
        events = queue.SimpleQueue()
        asked = requests()[::2]
        engine.submit(asked, lambda place, event: events.put((place, event)))
        got, left = [[] for _ in asked], len(asked)
        while left:
            place, event = events.get(timeout=120)
            got[place].append(event)
            left -= isinstance(event, Finished)
        stats = engine.stats()
    assert got == alone[::2]
    if settings.get("enable_prefix_caching", True):
        assert stats.num_reused_tokens > 0
    if "kv_cache_memory_bytes" in settings:
        assert stats.num_preemptions > 0
    assert stats.cache_used_fraction == 0


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_rounded_weights_answer_alike_alone_and_in_company(decoder, quantization):
    asked = requests(count=24)
    settings = {"quantization": quantization, "max_num_queued_seqs": 24}
    by_itself, _ = answers(decoder, asked, at_once=1, **settings)
    together, _ = answers(decoder, asked, **settings)
    assert by_itself == together


def test_scored_prompts_survive_giving_the_cache_up(decoder):
    asked = [
        GenerationRequest(
            input_ids=request.input_ids, max_tokens=30, sampling=request.sampling,
            num_top_logprobs=0, score_prompt=True, pool_prompt=True,
        )
        for request in requests(count=16)
    ]  # fmt: skip
    quiet, _ = answers(decoder, asked, at_once=1)
    tight, stats = answers(decoder, asked, kv_cache_memory_bytes=400_000, max_num_batched_tokens=16)
    assert stats.num_preemptions > 0
    for one, other in zip(quiet, tight, strict=True):
        assert [event for event in one if isinstance(event, PromptScored | NewToken)] == [
            event for event in other if isinstance(event, PromptScored | NewToken)
        ]


def test_seeded_answers_do_not_depend_on_company_either(decoder):
    asked = requests(count=12, sampling=Sampling(temperature=0.8, top_p=0.9, seed=3))
    assert answers(decoder, asked, at_once=1)[0] == answers(decoder, asked)[0]


def test_the_runner_in_pytorch_gives_the_same_tokens(decoder, alone, monkeypatch):
    monkeypatch.setattr("lodesmith.infer.build.is_computable", lambda _: False)
    for settings in (
        {"max_num_seqs": 8, "max_num_batched_tokens": 33, "block_size": 16},
        {"max_num_seqs": 16, "kv_cache_memory_bytes": 400_000},
    ):
        got, _ = answers(decoder, requests(count=40), **settings, max_num_queued_seqs=40)
        for one, other in zip(got, alone, strict=False):
            made, expected = (
                [event for event in events if isinstance(event, NewToken)]
                for events in (one, other)
            )
            assert [event.token_id for event in made] == [event.token_id for event in expected]
            assert [event.logprobs.logprob for event in made] == pytest.approx(
                [event.logprobs.logprob for event in expected], abs=1e-4
            )


def test_mixtures_of_experts_are_computed_in_pytorch():
    from lodesmith.model.config import ExpertsConfig

    config = make_decoder("qwen3").config.model_copy(
        update={
            "experts": ExpertsConfig(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16)
        }
    )
    decoder = Decoder.fresh(config, seed=1).eval()
    asked = requests(count=6, num_new=6)
    with LocalEngine(decoder, config=EngineConfig()) as engine:
        assert isinstance(engine._runner, TorchRunner)
    got, _ = answers(decoder, asked, at_once=1)
    assert [len(events) for events in got] == [7] * 6
