"""LoRA adapters loaded while the engine runs: each request gets its own, merged or not."""

import queue

import pytest
import torch
from tests.infer.test_same_text_in_any_company import VOCAB, make_decoder

from lodesmith.core.errors import UserError
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.engine import LocalEngine
from lodesmith.infer.interface import Finished, GenerationRequest, NewToken, Sampling
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.decoder import Decoder
from lodesmith.model.kinship import describe_base, write_base
from lodesmith.model.lora import Adapter, load_adapter, merge_adapter, save_adapter

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def write_adapter(folder, decoder, *, seed, rank=5, targets=ALL):
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: (
            torch.randn(rank, module.in_features, generator=generator) * 0.2,
            torch.randn(module.out_features, rank, generator=generator) * 0.2,
        )
        for name, module in decoder.named_modules()
        if name.rpartition(".")[2] in targets
    }
    save_adapter(folder, Adapter(AdapterShape(rank, 2.0 * rank, targets), weights))
    return folder


def ask(engine, requests):
    events = queue.SimpleQueue()
    engine.submit(requests, lambda place, event: events.put((place, event)))
    got, left = [[] for _ in requests], len(requests)
    while left:
        place, event = events.get(timeout=60)
        got[place].append(event)
        left -= isinstance(event, Finished)
    return got


def request(adapter, *, seed=1, length=70):
    ids = torch.randint(0, VOCAB, (length,), generator=torch.Generator().manual_seed(seed))
    return GenerationRequest(
        input_ids=tuple(ids.tolist()), max_tokens=12, sampling=Sampling(temperature=0),
        num_top_logprobs=0, adapter=adapter,
    )  # fmt: skip


def made(events):
    new = [event for event in events if isinstance(event, NewToken)]
    return [event.token_id for event in new], [event.logprobs.logprob for event in new]


@pytest.mark.parametrize("targets", [ALL, ("q_proj", "v_proj"), ("up_proj",)])
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_an_adapter_answers_as_the_model_that_it_is_merged_into(tmp_path, kind, targets):
    decoder = make_decoder(kind)
    folder = write_adapter(tmp_path / "law", decoder, seed=4, targets=targets)
    with LocalEngine(decoder, config=EngineConfig(num_threads=2)) as engine:
        plain = made(ask(engine, [request(None)])[0])
        engine.load_adapter("law", folder)
        adapted = made(ask(engine, [request("law")])[0])
    merge_adapter(decoder, load_adapter(folder))
    with LocalEngine(decoder, config=EngineConfig(num_threads=1)) as engine:
        merged = made(ask(engine, [request(None)])[0])
    assert adapted[0] == merged[0]
    assert adapted != plain
    assert adapted[1] == pytest.approx(merged[1], abs=1e-4)


def test_requests_of_several_adapters_share_a_batch_and_change_no_bit_of_each_other(tmp_path):
    decoder = make_decoder("llama")
    config = EngineConfig(num_threads=2, max_num_batched_tokens=40)
    with LocalEngine(decoder, config=config) as engine:
        for seed, name in enumerate(("law", "care")):
            engine.load_adapter(name, write_adapter(tmp_path / name, decoder, seed=seed))
        asked = [request(name, seed=seed) for seed in (1, 1, 2) for name in (None, "law", "care")]
        alone = [ask(engine, [one])[0] for one in asked]
        assert ask(engine, asked) == alone
    assert len({str(made(events)) for events in alone}) == 6


def test_a_name_loaded_anew_is_another_adapter_and_finds_nothing_of_the_old_one(tmp_path):
    decoder = make_decoder("llama")
    with LocalEngine(decoder, config=EngineConfig(num_threads=1)) as engine:
        engine.load_adapter("law", write_adapter(tmp_path / "old", decoder, seed=1))
        with pytest.raises(UserError, match="loaded already"):
            engine.load_adapter("law", tmp_path / "old")
        old = made(ask(engine, [request("law")])[0])
        assert engine.limits.adapters == {"law"}
        engine.unload_adapter("law")
        with pytest.raises(UserError, match="no adapter 'law' is loaded"):
            ask(engine, [request("law")])
        with pytest.raises(UserError, match="no adapter 'law' is loaded"):
            engine.unload_adapter("law")
        engine.load_adapter("law", write_adapter(tmp_path / "new", decoder, seed=2))
        new = made(ask(engine, [request("law")])[0])
        assert engine.stats().num_reused_tokens == 0
    assert old != new


def test_an_adapter_of_another_base_is_refused(tmp_path):
    decoder = make_decoder("llama")
    folder = write_adapter(tmp_path / "law", decoder, seed=1)
    other = make_decoder("llama").config.model_copy(update={"num_hidden_layers": 2})
    with (
        LocalEngine(Decoder.fresh(other, seed=1), config=EngineConfig(num_threads=1)) as engine,
        pytest.raises(UserError, match="for another base"),
    ):
        engine.load_adapter("law", folder)


def test_an_adapter_of_other_weights_of_the_same_shape_is_refused(tmp_path):
    decoder = make_decoder("llama")
    folder = write_adapter(tmp_path / "law", decoder, seed=1)
    write_base(folder, describe_base("tune-3f2a", decoder.named_parameters()))
    rounded = Decoder(decoder.config)
    rounded.load_state_dict(
        {name: w.bfloat16().float() for name, w in decoder.state_dict().items()}
    )
    with LocalEngine(rounded, config=EngineConfig(num_threads=1)) as engine:
        engine.load_adapter("law", folder)
    stranger = Decoder.fresh(decoder.config, seed=77)
    with (
        LocalEngine(stranger, config=EngineConfig(num_threads=1)) as engine,
        pytest.raises(UserError, match="for another base: it was trained over tune-3f2a, and"),
    ):
        engine.load_adapter("law", folder)
