"""The engine's tokens against transformers' own greedy search, alone and among others."""

import queue
import threading

import numpy as np
import pytest
import torch

from lodesmith.core.errors import EngineError, UserError
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.engine import LocalEngine
from lodesmith.infer.interface import (
    Finished,
    FinishReason,
    GenerationRequest,
    NewToken,
    PromptPooled,
    PromptScored,
    QueueFullError,
    Sampling,
)
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.hugging_face import to_hugging_face

VOCAB, LONGEST = 101, 96
GREEDY = Sampling(temperature=0.0)


def make_decoder(kind="qwen3"):
    torch.set_num_threads(1)
    config = DecoderConfig(
        kind=kind, vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=LONGEST,
    )  # fmt: skip
    decoder = Decoder(config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in decoder.parameters():  # every matrix random, norms too: nothing is trivial
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    return decoder.eval()


@pytest.fixture(scope="module", params=["qwen3", "llama"])
def decoder(request):
    return make_decoder(request.param)


def start(decoder, **settings):
    return LocalEngine(decoder, config=EngineConfig(num_threads=1, **settings))


def collect(engine, requests):
    """Return each request's events."""
    events = queue.SimpleQueue()
    engine.submit(requests, lambda place, event: events.put((place, event)))
    collected = [[] for _ in requests]
    left = len(requests)
    while left:
        place, event = events.get(timeout=30)
        collected[place].append(event)
        left -= isinstance(event, Finished)
    return collected


def tokens_of(events):
    return [event.token_id for event in events if isinstance(event, NewToken)]


def prompts(count, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 40, (count,), generator=generator).tolist()
    return [
        tuple(torch.randint(0, VOCAB, (length,), generator=generator).tolist())
        for length in lengths
    ]


def greedy(input_ids, *, max_tokens=20, **fields):
    return GenerationRequest(input_ids=input_ids, max_tokens=max_tokens, sampling=GREEDY, **fields)


def greedy_of_transformers(decoder, input_ids, *, max_tokens=20):
    from transformers import AutoConfig, AutoModelForCausalLM

    data = to_hugging_face(decoder.config)
    config = AutoConfig.for_model(**data)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(decoder.state_dict(), strict=False)
    model.tie_weights()
    model.eval()
    ids = torch.tensor([input_ids])
    with torch.inference_mode():
        for _ in range(max_tokens):  # the plainest greedy search there is: no cache, no batch
            ids = torch.cat((ids, model(ids).logits[:, -1:].argmax(-1)), dim=1)
    return ids[0, len(input_ids) :].tolist()


def test_greedy_tokens_equal_those_of_transformers(decoder):
    with start(decoder) as engine:
        for input_ids in prompts(4):
            [events] = collect(engine, [greedy(input_ids)])
            assert tokens_of(events) == greedy_of_transformers(decoder, input_ids)


def test_tokens_do_not_depend_on_who_else_is_served(decoder):
    sampled = Sampling(temperature=0.9, top_p=0.95, seed=5)
    requests = [greedy(ids, max_tokens=3 + place) for place, ids in enumerate(prompts(9))]
    requests += [
        GenerationRequest(input_ids=ids, max_tokens=12, sampling=sampled)
        for ids in prompts(3, seed=9)
    ]
    with start(decoder, max_num_seqs=4, max_num_batched_tokens=16) as engine:
        together = [tokens_of(events) for events in collect(engine, requests)]
        alone = [tokens_of(collect(engine, [request])[0]) for request in requests]
    assert together == alone
    assert [len(tokens) for tokens in together[:9]] == [3 + place for place in range(9)]


def test_reading_a_prompt_in_pieces_changes_nothing(decoder):
    request = greedy(prompts(1, seed=3)[0] * 2)
    with (
        start(decoder, max_num_batched_tokens=512) as whole,
        start(decoder, max_num_batched_tokens=5) as pieces,
    ):
        assert collect(whole, [request]) == collect(pieces, [request])


def test_logprobs_of_prompt_and_answer_are_those_of_the_model(decoder):
    input_ids = prompts(1, seed=4)[0]
    request = greedy(input_ids, max_tokens=3, num_top_logprobs=2, score_prompt=True)
    with start(decoder, max_num_batched_tokens=7) as engine:
        [events] = collect(engine, [request])
    answer = tokens_of(events)
    with torch.inference_mode():
        logprobs = decoder(torch.tensor([[*input_ids, *answer]]))[0].log_softmax(-1)
    scored = next(event for event in events if isinstance(event, PromptScored)).logprobs
    scored += tuple(event.logprobs for event in events if isinstance(event, NewToken))
    assert [item.token_id for item in scored] == [*input_ids[1:], *answer]
    for position, item in enumerate(scored):
        values, ids = logprobs[position].topk(2)
        assert item.logprob == pytest.approx(float(logprobs[position, item.token_id]), abs=1e-4)
        assert [token for token, _ in item.top] == ids.tolist()
        assert [value for _, value in item.top] == pytest.approx(values.tolist(), abs=1e-4)


def test_a_stop_id_ends_the_answer_and_is_delivered(decoder):
    input_ids = prompts(1)[0]
    third = greedy_of_transformers(decoder, input_ids)[2]
    with start(decoder) as engine:
        [events] = collect(engine, [greedy(input_ids, stop_ids=frozenset([third]))])
    assert tokens_of(events)[-1] == third
    assert events[-1] == Finished(FinishReason.STOP)


def test_zero_new_tokens_only_score_the_prompt(decoder):
    with start(decoder) as engine:
        [events] = collect(engine, [greedy((1, 2, 3), max_tokens=0, score_prompt=True)])
    assert [type(event) for event in events] == [PromptScored, Finished]


def test_a_full_queue_refuses_and_a_cancelled_request_makes_room():
    got, checked = queue.SimpleQueue(), threading.Event()

    def deliver(_, event):
        got.put(event)
        checked.wait(timeout=60)  # the engine goes on when all below has been asked

    with start(make_decoder(), max_num_seqs=1, max_num_queued_seqs=1) as engine:
        [first] = engine.submit([greedy((1,), max_tokens=90)], deliver)
        assert isinstance(got.get(timeout=30), NewToken)  # it has the only row
        [second] = engine.submit([greedy((2,), max_tokens=90)], lambda _, event: None)
        with pytest.raises(QueueFullError, match="1 requests wait already"):
            engine.submit([greedy((3,))], lambda _, event: None)
        engine.cancel(second)  # from now on there is room, whether the engine has seen it or not
        [third] = engine.submit([greedy((3,))], lambda _, event: None)
        engine.cancel(third)
        engine.cancel(first)
        checked.set()
        events = [got.get(timeout=30)]
        while not isinstance(events[-1], Finished):
            events.append(got.get(timeout=30))
        assert events[-1].reason in (FinishReason.CANCELLED, FinishReason.LENGTH)
        [[*_, last]] = collect(engine, [greedy((3,), max_tokens=2)])
        assert last == Finished(FinishReason.LENGTH)
        assert engine.stats().num_running == engine.stats().num_waiting == 0


def test_listeners_are_woken_once_a_step_when_all_of_it_has_been_told():
    told, woken, over = [], [], threading.Event()

    def wake():
        woken.append(len(told))
        if sum(isinstance(event, Finished) for event in told) == 3:
            over.set()

    requests = [greedy((number,), max_tokens=4) for number in range(3)]
    with start(make_decoder()) as engine:
        engine.submit(requests, lambda _, event: told.append(event), wake=wake)
        assert over.wait(timeout=60)
    assert woken == [3, 6, 9, 3 * 4 + 3]


def test_an_engine_takes_no_more_threads_of_pytorch_than_its_process_does():
    decoder, seen = make_decoder(), queue.SimpleQueue()
    torch.set_num_threads(1)
    with LocalEngine(decoder, config=EngineConfig(num_threads=2)) as engine:
        engine.submit([greedy((1, 2))], lambda *_: seen.put(torch.get_num_threads()))
        assert seen.get(timeout=60) == 1


def test_closing_ends_every_request_and_refuses_more():
    got = queue.SimpleQueue()
    engine = start(make_decoder(), max_num_seqs=1)
    requests = [greedy((1,), max_tokens=90) for _ in range(5)]
    engine.submit(requests, lambda place, event: got.put((place, event)))
    engine.close()
    ended = set()
    while len(ended) < 5:
        place, event = got.get(timeout=30)
        if isinstance(event, Finished):
            ended.add(place)
    with pytest.raises(EngineError, match="closed"):
        engine.submit(requests, lambda _, event: None)


@pytest.mark.filterwarnings("default")
def test_a_failing_model_ends_every_request_with_an_error():
    with start(make_decoder()) as engine:
        engine._runner.run = lambda *_: (_ for _ in ()).throw(RuntimeError("broken"))
        [[last]] = collect(engine, [greedy((1,))])
        assert last.reason is FinishReason.ERROR
        assert "RuntimeError" in engine.stats().failure
        with pytest.raises(EngineError, match="failed"):
            engine.submit([greedy((1,))], lambda _, event: None)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (greedy(()), "empty"),
        (greedy((1,) * 90), "prompt has 90 and max_tokens is 20, together 110"),
        (greedy((1, VOCAB)), f"{VOCAB} is no token id"),
        (greedy((1, -1)), "-1 is no token id"),
    ],
)
def test_impossible_requests_are_refused_at_once(request_, message):
    with start(make_decoder()) as engine, pytest.raises(UserError, match=message):
        engine.submit([request_], lambda _, event: None)


def test_sequences_longer_than_the_model_was_made_for_are_refused():
    with pytest.raises(UserError, match=f"sequences of {LONGEST} tokens"):
        start(make_decoder(), max_model_len=LONGEST + 1)


def test_an_embedding_is_the_mean_of_the_prompts_last_hidden_states(decoder):
    input_ids = prompts(1, seed=6)[0]
    with start(decoder, max_num_batched_tokens=5) as engine:
        [events] = collect(engine, [greedy(input_ids, max_tokens=0, pool_prompt=True)])
    with torch.inference_mode():
        expected = decoder.hidden(torch.tensor([input_ids]))[0].mean(0)
    [pooled] = [event for event in events if isinstance(event, PromptPooled)]
    assert pooled.vector == pytest.approx(expected.numpy(), abs=1e-5)


class CountingGuide:
    """Lets only tokens follow that are the last one plus one, three of them."""

    def __init__(self, first):
        self.next, self.left = first, 3

    def fill_allowed(self, allowed):
        allowed[:] = 0
        allowed[self.next // 32] = np.uint32(1 << (self.next % 32)).view(np.int32)
        return True

    def accept(self, token_id):
        assert token_id == self.next
        self.next, self.left = token_id + 1, self.left - 1

    @property
    def is_finished(self):
        return self.left == 0


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(seed=1), Sampling(top_p=0.5, seed=1)])
def test_a_guide_allows_what_its_grammar_allows_and_ends_the_answer(sampling):
    requests = [
        GenerationRequest(
            input_ids=(first,), max_tokens=20, sampling=sampling, guide=CountingGuide(first)
        )
        for first in (3, 31, 64, VOCAB - 3)
    ]
    with start(make_decoder()) as engine:
        answers = collect(engine, requests)
    for first, events in zip((3, 31, 64, VOCAB - 3), answers, strict=True):
        assert tokens_of(events) == [first, first + 1, first + 2]
        assert events[-1] == Finished(FinishReason.STOP)


def test_an_adapter_that_is_not_loaded_is_refused():
    with start(make_decoder()) as engine, pytest.raises(UserError, match="no adapter 'law'"):
        engine.submit([greedy((1,), adapter="law")], lambda _, event: None)
