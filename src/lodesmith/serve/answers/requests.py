"""Bodies turned into requests for an engine: prompt, sampling, and the form of the answer."""

import asyncio
from collections.abc import Callable, Sequence

from lodesmith.core.errors import UserError
from lodesmith.infer.interface import GenerationRequest, Sampling, TokenGuide
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.chat_messages import SchemaFormat, TextFormat, ToolBody
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.guides import ANY_OBJECT, schema_grammar
from lodesmith.serve.api.protocol import ChatBody, CompletionBody, GenerationBody
from lodesmith.serve.api.tools import OPEN, tool_grammar

_SEED_STEP = 0x1E3779B97F4A7C15  # between choices: clients count seeds by ones


async def chat_requests(service: Service, body: ChatBody) -> list[GenerationRequest]:
    """Return one request for each choice of a conversation.

    Raises:
        ApiError: the model cannot be asked so.
    """
    guides: Sequence[TokenGuide | None] = [None] * body.n
    if _has_form(body):  # a large schema takes seconds
        guides = await asyncio.to_thread(_make_guides, service, body)
    input_ids = await service.encode_messages(body.messages, usable_tools(body))
    room = max(1, service.engine.limits.max_model_len - len(input_ids))
    return [
        GenerationRequest(
            input_ids=input_ids,
            max_tokens=body.max_completion_tokens or body.max_tokens or room,
            sampling=sampling_of(body, choice=choice),
            stop_ids=_stop_ids(service, body),
            num_top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
            guide=guide,
            adapter=service.adapter,
        )
        for choice, guide in enumerate(guides)
    ]


async def completion_requests(service: Service, body: CompletionBody) -> list[GenerationRequest]:
    """Return one request for each choice of each prompt."""
    prompts = [await service.encode(prompt) for prompt in body.prompts]
    return [
        GenerationRequest(
            input_ids=input_ids,
            max_tokens=body.max_tokens,
            sampling=sampling_of(body, choice=choice),
            stop_ids=_stop_ids(service, body),
            num_top_logprobs=body.logprobs,
            score_prompt=body.echo and body.logprobs is not None,
            adapter=service.adapter,
        )
        for input_ids in prompts
        for choice in range(body.n)
    ]


def sampling_of(body: GenerationBody, *, choice: int) -> Sampling:
    """Return how the tokens of one choice are chosen; each choice has a seed of its own."""
    seed = None if body.seed is None else (body.seed + choice * _SEED_STEP) % 2**63
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        repetition_penalty=body.repetition_penalty,
        logit_bias={int(token): bias for token, bias in (body.logit_bias or {}).items()},
        seed=seed,
    )


def usable_tools(body: ChatBody) -> list[ToolBody]:
    """Return the tools that the model is told of: none if it may call none."""
    return [] if body.tool_choice == "none" else (body.tools or [])


def _make_guides(service: Service, body: ChatBody) -> Sequence[TokenGuide]:
    """Return what holds each choice to its form."""
    template, grammars = service.tokenizer.chat_template, service.grammars
    return grammars.guides(_form_of(body, template, grammars.checked), body.n)


def _has_form(body: ChatBody) -> bool:
    """Tell whether an answer is held to a form at all."""
    answer_format = body.response_format
    return bool(usable_tools(body)) or not isinstance(answer_format, TextFormat | None)


def _stop_ids(service: Service, body: GenerationBody) -> frozenset[int]:
    return frozenset() if body.ignore_eos else frozenset(service.tokenizer.eos_ids)


def grammar_of(body: ChatBody, *, chat_template: str | None) -> str | None:
    """Return the Lark grammar that an answer is held to, if it has a form.

    Args:
        body: what is asked.
        chat_template: of the model, which must tell it of tools if there are any.

    Raises:
        ApiError: 400, the form cannot be enforced.
    """
    return _form_of(body, chat_template, str) if _has_form(body) else None


def _form_of(body: ChatBody, chat_template: str | None, check: Callable[[str], str]) -> str:
    """Return the grammar of a body that has one, as `check` returns what a model can follow."""
    tools, answer_format = usable_tools(body), body.response_format
    param = "tools" if tools else "response_format"
    try:
        _check_end(body)
        if tools:
            _check_template(chat_template or "")
            choice = body.tool_choice or "auto"
            return check(tool_grammar(tools, choice, parallel=body.parallel_tool_calls))
        schema = ANY_OBJECT
        if isinstance(answer_format, SchemaFormat):
            schema = answer_format.json_schema.json_schema
        return check(schema_grammar(schema))
    except UserError as error:
        raise ApiError(400, f"'{param}': {error}", param=param) from None


def _check_end(body: ChatBody) -> None:
    if body.ignore_eos:
        raise UserError(
            "an answer that is held to a form ends when it is whole; leave ignore_eos out"
        )


def _check_template(template: str) -> None:
    if "tools" not in template or OPEN not in template:
        raise UserError(
            f"the chat template of this model does not tell it of tools in the form {OPEN}; leave "
            "tools out, or serve a model that was tuned for them"
        )
