"""POST /v1/embeddings: the mean of the last hidden states, of length one."""

import numpy as np
import pytest
import torch
from tiny_server import openai_client

PATH = "/v1/embeddings"


@pytest.fixture
def client(server):
    with openai_client(server) as client:
        yield client


@torch.no_grad()
def expected(loaded, ids):
    mean = loaded.decoder.hidden(torch.tensor([ids]))[0].mean(0)
    return (mean / mean.norm()).numpy()


def test_an_embedding_is_the_mean_of_the_last_hidden_states(server, loaded):
    texts = ["hello", "路 and a longer text"]
    answer = server.post(PATH, {"model": "tiny", "input": texts}).json()
    assert [entry["index"] for entry in answer["data"]] == [0, 1]
    for text, entry in zip(texts, answer["data"], strict=True):
        ids = loaded.tokenizer.encode(text)
        np.testing.assert_allclose(entry["embedding"], expected(loaded, ids), atol=1e-5)
    num_tokens = sum(len(loaded.tokenizer.encode(text)) for text in texts)
    assert answer["usage"] == {"prompt_tokens": num_tokens, "total_tokens": num_tokens}


def test_openais_client_reads_base64_and_numbers_alike(client, loaded):
    by_base64 = client.embeddings.create(model="tiny", input="abc").data[0].embedding
    by_number = client.embeddings.create(model="tiny", input="abc", encoding_format="float")
    ids = client.embeddings.create(model="tiny", input=[loaded.tokenizer.encode("abc")])
    np.testing.assert_allclose(by_base64, by_number.data[0].embedding, atol=1e-7)
    np.testing.assert_allclose(by_base64, ids.data[0].embedding, atol=1e-7)
    assert np.linalg.norm(by_base64) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input": ""}, "at least 1"),
        ({"input": []}, "at least 1"),
        ({"input": ["a", ""]}, "at least 1"),
        ({"input": [[999]]}, "999 is no token id"),
        ({"input": "x" * 300}, "takes 256 tokens"),
        ({"input": "a", "dimensions": 5}, "not supported by this server"),
        ({"input": "a", "encoding_format": "hex"}, "'float' or 'base64'"),
        ({"input": ["a"] * 65}, "takes 64 at most"),
    ],
)
def test_what_cannot_be_embedded_is_refused(server, fields, message):
    response = server.post(PATH, {"model": "tiny", **fields})
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
