"""Embeddings of texts: the mean of a language model's last hidden states, of length one.

The models here were trained to go on with a text, not to compare texts; their mean says something
about a text's matter, less than a model made for it would. The answer's `model` is the one asked.

Source: OpenAI API reference, "Create embeddings".
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.infer.interface import (
    Finished,
    GenerationRequest,
    PromptPooled,
)
from lodesmith.serve.answers.answers import raise_failure
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.protocol import EmbeddingsBody

Vector = NDArray[np.float32]


async def embed(service: Service, body: EmbeddingsBody) -> dict[str, Any]:
    """Return the body of the answer.

    Raises:
        ApiError: a text is empty or too long, or the engine is full or down.
    """
    requests = [
        GenerationRequest(
            input_ids=await service.encode(text), max_tokens=0, pool_prompt=True,
            adapter=service.adapter,
        )
        for text in body.inputs
    ]  # fmt: skip
    vectors = await _pool(service, requests)
    num_tokens = sum(len(request.input_ids) for request in requests)
    service.metrics.num_prompt_tokens += num_tokens
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _write(vector, body)}
            for index, vector in enumerate(vectors)
        ],
        "model": body.model,
        "usage": {"prompt_tokens": num_tokens, "total_tokens": num_tokens},
    }


async def _pool(service: Service, requests: Sequence[GenerationRequest]) -> list[Vector]:
    """Return a vector for each request; whoever stops waiting cancels them."""
    inbox = service.mailbox.inbox()
    tickets = await service.submit(requests, inbox.put)
    vectors: dict[int, Vector] = {}
    left = len(requests)
    try:
        while left:
            for index, event in await inbox.take():
                if isinstance(event, PromptPooled):
                    vectors[index] = event.vector
                elif isinstance(event, Finished):
                    left -= 1
                    raise_failure(event)
    finally:
        for ticket in tickets:
            service.engine.cancel(ticket)
    return [vectors[index] for index in range(len(requests))]


def _write(vector: Vector, body: EmbeddingsBody) -> list[float] | str:
    """Return a vector of length one, as numbers or as base64 of little-endian fp32."""
    length = float(np.linalg.norm(vector))
    unit = (vector / length if length else vector).astype("<f4")
    if body.encoding_format == "base64":
        return base64.b64encode(unit.tobytes()).decode()
    return [float(number) for number in unit]
