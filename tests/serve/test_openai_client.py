"""The server as OpenAI's own client sees it."""

import asyncio
import math

import openai
import pytest
import torch
from tiny_server import openai_client

MESSAGES = [{"role": "user", "content": "Hello, 你好"}]


@pytest.fixture(scope="module")
def client(server):
    with openai_client(server) as client:
        yield client


def ask(client, **fields):
    fields = {"model": "tiny", "messages": MESSAGES, "max_tokens": 24, "temperature": 0, **fields}
    return client.chat.completions.create(**fields)


def test_an_answer_is_what_the_engine_says_in_process(client, loaded):
    answer = ask(client)
    assert answer.choices[0].message.content == loaded.generate(MESSAGES, max_tokens=24)
    assert answer.choices[0].finish_reason == "length"
    assert answer.object == "chat.completion"
    assert answer.usage.completion_tokens == 24
    assert answer.usage.prompt_tokens == len(loaded.encode_prompt(MESSAGES))


def test_a_stream_holds_the_same_text_and_ends_with_usage(client):
    whole = ask(client)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_load_generator_may_ask_for_usage_in_every_chunk(client):
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = list(ask(client, stream=True, stream_options=options))
    counts = [chunk.usage.completion_tokens for chunk in chunks]
    assert counts == sorted(counts)
    assert counts[-1] == 24
    assert all(chunk.usage.prompt_tokens == chunks[-1].usage.prompt_tokens for chunk in chunks)


def test_a_stream_without_the_option_has_no_usage(client):
    assert all(chunk.usage is None for chunk in ask(client, stream=True))


def test_equal_seeds_give_equal_answers_and_choices_differ(client):
    settings = {"temperature": 1.0, "seed": 11, "n": 3}
    first, second = ask(client, **settings), ask(client, **settings)
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in second.choices]
    assert len(set(texts)) == 3
    assert [choice.index for choice in first.choices] == [0, 1, 2]
    assert first.usage.completion_tokens == 72


def test_neighbouring_seeds_share_no_choice(client):
    texts = [
        choice.message.content
        for seed in (11, 12)
        for choice in ask(client, temperature=1.0, seed=seed, n=3).choices
    ]
    assert len(set(texts)) == 6


def test_a_stream_of_several_choices_gives_each_its_own_text(client):
    settings = {"temperature": 1.0, "seed": 11, "n": 3}
    texts = ["", "", ""]
    for chunk in ask(client, stream=True, **settings):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [choice.message.content for choice in ask(client, **settings).choices]


def test_a_stop_string_ends_the_answer_before_itself(client):
    whole = ask(client).choices[0].message.content
    stop = whole[5:8]
    for stream in (False, True):
        answer = ask(client, stop=[stop, "never said"], stream=stream)
        if stream:
            chunks = [chunk.choices[0] for chunk in answer]
            text, reason = "".join(c.delta.content or "" for c in chunks), chunks[-1].finish_reason
        else:
            text, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
        assert text == whole[: whole.index(stop)]
        assert reason == "stop"


def test_logprobs_are_those_of_the_model(client, loaded):
    answer = ask(client, logprobs=True, top_logprobs=3, max_tokens=5)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == 5
    ids = list(loaded.encode_prompt(MESSAGES))
    with torch.inference_mode():
        logprobs = loaded.decoder(torch.tensor([ids]))[0, -1].log_softmax(-1)
    values = logprobs.topk(3).values.tolist()
    assert [top.logprob for top in tokens[0].top_logprobs] == pytest.approx(values, abs=1e-4)
    assert tokens[0].logprob == pytest.approx(values[0], abs=1e-4)
    data = b"".join(bytes(token.bytes) for token in tokens)
    assert data.decode(errors="replace") == answer.choices[0].message.content


def test_a_bias_of_a_hundred_forces_a_token_and_penalties_break_repetition(client):
    forced = ask(client, logit_bias={"97": 100}, max_tokens=6)
    assert forced.choices[0].message.content == "aaaaaa"
    other = ask(client, logit_bias={"97": 3, "98": 2.9}, frequency_penalty=2, max_tokens=30)
    assert "aaaaaa" not in other.choices[0].message.content


def test_an_answer_ends_at_the_end_of_message_token(client):
    answer = ask(client, logit_bias={"258": 100})
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == ""
    assert answer.usage.completion_tokens == 1


def test_text_and_token_prompts_are_completed_alike(client, loaded):
    ids = loaded.tokenizer.encode("One two")
    for prompt in ("One two", ids, ["One two"], [ids]):
        answer = client.completions.create(model="tiny", prompt=prompt, max_tokens=8, temperature=0)
        assert answer.choices[0].text == loaded.generate("One two", max_tokens=8)
    both = client.completions.create(
        model="tiny", prompt=["One two", "drei"], max_tokens=8, temperature=0, n=2
    )
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]
    assert both.choices[0].text == both.choices[1].text != both.choices[2].text
    assert both.usage.prompt_tokens == 7 + 4


def test_echo_with_logprobs_scores_a_given_text_as_harnesses_need_it(client, loaded):
    ids = loaded.tokenizer.encode("Größe 一")
    answer = client.completions.create(
        model="tiny", prompt=ids, max_tokens=1, temperature=0, logprobs=1, echo=True
    )
    logprobs = answer.choices[0].logprobs
    with torch.inference_mode():
        expected = loaded.decoder(torch.tensor([ids]))[0].log_softmax(-1)
    scores = [float(expected[place, token]) for place, token in enumerate(ids[1:])]
    assert logprobs.token_logprobs[0] is None
    assert logprobs.token_logprobs[1:-1] == pytest.approx(scores, abs=1e-4)
    assert len(logprobs.tokens) == len(logprobs.text_offset) == len(ids) + 1
    assert [max(top.values()) for top in logprobs.top_logprobs[1:]] == pytest.approx(
        expected.max(-1).values.tolist(), abs=1e-4
    )
    assert logprobs.tokens[:5] == ["G", "r", "bytes:\\xc3", "bytes:\\xb6", "bytes:\\xc3"]
    assert logprobs.text_offset[:7] == [0, 1, 2, 2, 3, 3, 4]
    assert answer.choices[0].text.startswith("Größe 一")


def test_echo_without_new_tokens_only_scores(client):
    answer = client.completions.create(
        model="tiny", prompt="abc", max_tokens=0, logprobs=0, echo=True
    )
    assert answer.choices[0].text == "abc"
    assert answer.usage.completion_tokens == 0
    assert all(math.isfinite(value) for value in answer.choices[0].logprobs.token_logprobs[1:])


def test_async_streams_run_side_by_side_and_agree_with_themselves_alone(server, client):
    async def ask_all():
        async with (
            openai.DefaultAsyncHttpxClient(trust_env=False) as http_client,
            openai.AsyncOpenAI(
                base_url=f"{server.url}/v1", api_key="none", http_client=http_client
            ) as async_client,
        ):

            async def ask_one(number):
                stream = await async_client.chat.completions.create(
                    model="tiny", max_tokens=20, temperature=0, stream=True,
                    messages=[{"role": "user", "content": f"number {number}"}],
                )  # fmt: skip
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(ask_one(number) for number in range(20)))

    together = asyncio.run(ask_all())
    for number in (0, 7, 19):
        messages = [{"role": "user", "content": f"number {number}"}]
        assert (
            ask(client, messages=messages, max_tokens=20).choices[0].message.content
            == together[number]
        )


def test_models_are_listed_and_shown(client):
    [model] = client.models.list().data
    assert model.id == "tiny"
    assert client.models.retrieve("tiny").id == "tiny"


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="this server serves 'tiny'"):
        ask(client, model="large")


def test_parts_of_a_message_and_the_developer_role_are_understood(client):
    parts = [{"type": "text", "text": "Hello, "}, {"type": "text", "text": "你好"}]
    joined = ask(client, messages=[{"role": "user", "content": parts}])
    assert joined.choices == ask(client).choices
    developer = [{"role": "developer", "content": "Be brief."}, *MESSAGES]
    system = [{"role": "system", "content": "Be brief."}, *MESSAGES]
    assert ask(client, messages=developer).choices == ask(client, messages=system).choices
