"""Wrong, too many and abandoned requests, by plain HTTP."""

import json
import threading

import httpx
import pytest

from lodesmith.core.errors import UserError
from lodesmith.serve.access.guard import MAX_BODY_BYTES
from lodesmith.serve.access.keys import ApiKeys, check_binding

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]


def chat(**fields):
    return {"model": "tiny", "messages": MESSAGES, "max_tokens": 4, **fields}


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"temprature": 1}, "temprature", "did you mean 'temperature'"),
        ({"audio": {}}, "audio", "not supported by this server"),
        ({"tools": []}, "tools", "at least 1"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "chat template"),
        ({"tool_choice": "auto"}, "tool_choice", "only be given with tools"),
        ({"temperature": -5}, "temperature", "greater than or equal to 0"),
        ({"temperature": "hot"}, "temperature", "valid number"),
        ({"temperature": True}, "temperature", "valid number"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
        ({"stop": ""}, "stop", "at least 1"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role", "'system'"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "'messages.0.content' is missing"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.tool_call_id", "belongs to"),
        ({"messages": [{"role": "user", "content": "x", "nam": 1}]}, "messages.0.nam", "known"),
        ({"top_logprobs": 2}, "top_logprobs", "only be given with logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        (
            {"stream_options": {"include_usage": True}},
            "stream_options",
            "only be given with stream",
        ),
        ({"logit_bias": {"a": 1}}, "logit_bias", "'logit_bias' takes token ids as keys"),
        ({"logit_bias": {"\u0661": 1}}, "logit_bias", "token ids as keys"),
        ({"logit_bias": {"1" * 5000: 1}}, "logit_bias", "token ids as keys"),
        ({"logit_bias": {"9999": 1}}, None, "9999 is no token id"),
        ({"max_completion_tokens": 3}, None, "not both"),
        ({"model": "\ud800"}, "model", "'model' holds half a character"),
        ({"user": "a\udfff"}, "user", "half a character"),
        ({"stop": ["a", "\ud800"]}, "stop", "half a character"),
        (
            {"messages": [{"role": "user", "content": "\ud800"}]},
            "messages.0.content",
            "half a char",
        ),
        (
            {"messages": [{"role": "user", "content": "x", "name": "y"}]},
            "messages.0.name",
            "'messages.0.name' is not a known field",
        ),
        ({"max_tokens": 10_000}, None, "takes 256 tokens in all; the prompt has"),
        ({"n": 65}, None, "takes 64 at most"),
        ({"response_format": {"type": "yaml"}}, "response_format", "'json_schema'"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "is missing"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"enum": ["\ud800"]}},
                }
            },
            "response_format.json_schema.schema",
            "half a character",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "array", "uniqueItems": True}},
                }
            },
            "response_format",
            "uniqueItems",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "a",
                        "schema": {"properties": {"b": {"colour": "red"}}},
                    },
                }
            },
            "response_format",
            "#/properties/b/colour",
        ),
    ],
)
def test_wrong_fields_are_refused_with_openai_error_bodies(server, fields, param, message):
    response = server.post(CHAT, chat(**fields))
    assert response.status_code == 400
    error = response.json()["error"]
    assert message in error["message"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/completions", {"model": "tiny", "prompt": ["a", "\ud800"]}, "half a character"),
        ("/v1/embeddings", {"model": "tiny", "input": "\udc00"}, "half a character"),
        ("/tokenize", {"prompt": "\ud800"}, "half a character"),
        ("/detokenize", {"tokens": [1, 9999]}, "9999 is no token id; ids go from 0 to"),
        ("/v1/completions", {"model": "tiny", "prompt": [9999]}, "9999 is no token id"),
    ],
)
def test_what_no_text_or_token_can_be_is_refused(server, path, body, message):
    response = server.post(path, body)
    assert (response.status_code, response.json()["error"]["type"]) == (
        400,
        "invalid_request_error",
    )
    assert message in response.json()["error"]["message"]


def test_a_schema_nested_a_thousand_times_is_refused(server):
    for depth in (300, 900, 2000):
        schema = '{"items":' * depth + "{}" + "}" * depth
        body = json.dumps(chat(response_format={
            "type": "json_schema", "json_schema": {"name": "a", "schema": "HERE"}
        }))  # fmt: skip
        response = server.post(CHAT, None, content=body.replace('"HERE"', schema))
        assert response.status_code == 400


def test_all_faults_of_a_body_are_told_at_once(server):
    message = server.post(CHAT, {"n": 0, "topp": 1}).json()["error"]["message"]
    for part in ("'model' is missing", "'messages' is missing", "'n'", "did you mean 'top_p'"):
        assert part in message


def test_null_means_absent(server):
    assert server.post(CHAT, chat(stop=None, temperature=None, seed=None)).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"{oops", "application/json", "not JSON"),
        (b"[]", "application/json", "the body is no JSON object"),
        (b'{"model": "tiny"}', "text/plain", "Content-Type: application/json"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(server, content, kind, message):
    response = httpx.post(
        f"{server.url}{CHAT}", content=content, trust_env=False, headers={"Content-Type": kind}
    )
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, None)
    assert message in error["message"]


def test_a_schema_that_nothing_meets_is_refused_in_one_line(server):
    schema = {"name": "a", "schema": {"$ref": "#"}}
    response = server.post(
        CHAT, chat(response_format={"type": "json_schema", "json_schema": schema})
    )
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "response_format")
    assert "no answer fits it" in error["message"]
    assert "\n" not in error["message"]


@pytest.mark.parametrize(
    ("content", "kind"), [("{}", "application/x-www-form-urlencoded"), ("[]", "application/json")]
)
def test_a_body_that_is_no_json_object_is_told_what_to_send(server, content, kind):
    response = httpx.post(
        f"{server.url}{CHAT}", content=content, headers={"Content-Type": kind}, trust_env=False
    )
    assert response.status_code == 400
    assert "no JSON object" in response.json()["error"]["message"]
    assert "Content-Type: application/json" in response.json()["error"]["message"]


def test_a_huge_body_is_refused(server):
    response = server.post(CHAT, chat(user="x" * MAX_BODY_BYTES))
    assert response.status_code == 413
    assert f"{MAX_BODY_BYTES:,} bytes" in response.json()["error"]["message"]


def test_a_prompt_of_a_megabyte_is_refused_and_the_next_one_answered(server):
    long = server.post("/v1/completions", {"model": "tiny", "prompt": "word " * 200_000})
    assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "prompt has 1000000" in long.json()["error"]["message"]
    assert server.post(CHAT, chat()).status_code == 200


def test_a_prompt_longer_than_the_model_says_both_lengths(server):
    response = server.post(
        CHAT, {"model": "tiny", "messages": [{"role": "user", "content": "x" * 300}]}
    )
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert "takes 256 tokens" in error["message"]
    assert "prompt has 3" in error["message"]


def test_unknown_paths_and_methods_answer_in_the_same_shape(server):
    assert server.get("/v1/nothing").json()["error"]["message"] == "GET /v1/nothing: Not Found"
    assert server.get(CHAT).status_code == 405


def test_tokenize_and_detokenize_are_inverse(server, loaded):
    ids = server.post("/tokenize", {"prompt": "Straße 路"}).json()
    assert ids["tokens"] == loaded.tokenizer.encode("Straße 路")
    assert ids["count"] == len(ids["tokens"])
    assert ids["max_model_len"] == 256
    assert server.post("/detokenize", {"tokens": ids["tokens"]}).json() == {"prompt": "Straße 路"}
    chat_ids = server.post("/tokenize", {"messages": MESSAGES}).json()["tokens"]
    assert chat_ids == list(loaded.encode_prompt(MESSAGES))
    assert server.post("/tokenize", {}).status_code == 400


def test_metrics_count_tokens_and_finish_reasons(start_server):
    server = start_server()
    server.post(CHAT, chat(temperature=0))
    page = server.get("/metrics").text
    assert 'vllm:generation_tokens_total{model_name="tiny"} 4' in page
    assert 'vllm:request_success_total{model_name="tiny",finished_reason="length"} 1' in page
    assert 'vllm:time_to_first_token_seconds_count{model_name="tiny"} 1' in page
    assert 'vllm:e2e_request_latency_seconds_bucket{model_name="tiny",le="+Inf"} 1' in page
    assert 'vllm:num_requests_running{model_name="tiny"} 0' in page


def test_a_full_queue_answers_429_with_retry_after_and_others_are_unhurt(start_server):
    server = start_server(max_num_seqs=1, max_num_queued_seqs=1, step_seconds=0.05)
    statuses = []

    def ask():
        statuses.append(server.post(CHAT, chat(max_tokens=60, logit_bias={"97": 100})).status_code)

    first = threading.Thread(target=ask)
    first.start()
    server.wait_for(lambda stats: stats.num_running == 1)
    second = threading.Thread(target=ask)
    second.start()
    server.wait_for(lambda stats: stats.num_waiting == 1)
    refused = server.post(CHAT, chat())
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["error"]["type"] == "rate_limit_error"
    first.join()
    second.join()
    assert statuses == [200, 200]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_its_place(start_server, stream):
    server = start_server(max_num_seqs=1, step_seconds=0.1)
    body = chat(max_tokens=200, stream=stream, logit_bias={"97": 100})
    with httpx.Client(trust_env=False) as client:
        if stream:
            with client.stream("POST", f"{server.url}{CHAT}", json=body) as response:
                next(response.iter_bytes())
                server.wait_for(lambda stats: stats.num_running == 1)
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post(f"{server.url}{CHAT}", json=body, timeout=0.5)
    server.wait_for(lambda stats: stats.num_running == 0, seconds=10.0)  # whole, it takes 20 s
    assert server.post(CHAT, chat()).status_code == 200


def test_a_client_that_goes_away_while_it_waits_leaves_the_queue(start_server):
    server = start_server(max_num_seqs=1, step_seconds=0.1)
    running = threading.Thread(
        target=server.post, args=(CHAT, chat(max_tokens=60, logit_bias={"97": 100}))
    )
    running.start()
    server.wait_for(lambda stats: stats.num_running == 1)
    for stream in (True, False):
        with pytest.raises(httpx.TimeoutException):
            server.post(CHAT, chat(stream=stream), timeout=0.3)
    server.wait_for(lambda stats: stats.num_waiting == 0, seconds=4.0)
    assert server.engine.stats().num_running == 1
    running.join()


def test_a_failed_engine_answers_500_then_503_and_health_tells(start_server):
    server = start_server()
    server.engine._step = lambda: (_ for _ in ()).throw(RuntimeError("broken"))
    assert server.post(CHAT, chat()).status_code == 500
    assert server.post(CHAT, chat()).status_code == 503
    health = server.get("/health")
    assert health.status_code == 503
    assert "RuntimeError" in health.json()["status"]


def test_only_known_keys_may_ask(start_server, keys):
    server = start_server(keys=keys.loaded)
    assert server.get("/health").status_code == 200
    for headers in (
        {},
        {"Authorization": "Bearer wrong-key-wrong"},
        {"Authorization": "another-long-key"},
    ):
        response = server.get("/v1/models", headers=headers)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_api_key"
    for key in ("correct-horse-battery", "another-long-key"):
        headers = {"Authorization": f"Bearer {key}"}
        assert server.get("/v1/models", headers=headers).status_code == 200
        assert server.post(CHAT, chat(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no API key"),
        ("short\n", "keys:1: a key is 8 to 512"),
        ("a:good-long-key\nb:good-long-key\n", "keys:2: this key stands twice"),
        ("two words here\n", "keys:1: a key is"),
    ],
)
def test_faults_of_the_key_file_are_named_without_showing_keys(tmp_path, text, message):
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        ApiKeys.load(path)
    assert "good-long-key" not in str(caught.value)


def test_listening_beyond_this_machine_needs_keys(keys):
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_binding(host, None)
    for host in ("0.0.0.0", "::", "192.168.1.4", "somewhere.example"):
        with pytest.raises(UserError, match="--api-keys"):
            check_binding(host, None)
        check_binding(host, keys.loaded)
