"""The serve stage: asks the finished model real questions over its real API.

The server is the one that `lodesmith serve` starts, in a process of its own, asked through
OpenAI's client with streaming. Nothing is chosen or mended: what comes back is printed and kept.
The questions come one after the other to an engine on one thread, so that no number is rounded
differently from run to run and `answers.json` has the same bytes each time.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lodesmith.core.log import say
from lodesmith.core.storage import write_json
from lodesmith.infer.config import EngineConfig
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.serve.background import background_server
from lodesmith.serve.config import Question, ServeConfig

if TYPE_CHECKING:
    import openai

ANSWERS_FILE = "answers.json"


def make(draft: Draft, *, parents: Mapping[str, Artifact], serve: ServeConfig) -> None:
    """Write answers.json: each question, and what the served model said.

    Args:
        draft: where it goes.
        parents: the tuned model, or the pretrained one if the recipe tunes none.
        serve: questions and limits.
    """
    model = model_to_ask(parents)
    engine = EngineConfig(
        max_num_seqs=serve.max_num_seqs,
        max_model_len=serve.max_model_len,
        max_num_queued_seqs=serve.max_num_queued_seqs,
        num_threads=1,
    )
    with background_server(
        model.file("model"),
        name=model.id,
        port=serve.port,
        engine=engine,
        start_seconds=serve.start_seconds,
    ) as url:
        say(f"  {model.id} listens on {url}/v1")
        answers = _ask_all(url, model.id, serve)
    write_json(draft.path / ANSWERS_FILE, answers)
    draft.counts["num_questions"] = len(answers)
    draft.counts["num_tokens"] = sum(answer["num_tokens"] for answer in answers)


def model_to_ask(parents: Mapping[str, Artifact]) -> Artifact:
    """Return the tuned model, or the pretrained one of a recipe that tunes none."""
    return parents["tune"] if "tune" in parents else parents["pretrain"]


def _ask_all(url: str, name: str, serve: ServeConfig) -> list[dict[str, Any]]:
    import openai

    with (
        openai.DefaultHttpxClient(trust_env=False) as http_client,
        openai.OpenAI(
            base_url=f"{url}/v1", api_key="none", http_client=http_client, max_retries=0
        ) as client,
    ):
        return [_ask(client, name, question, serve) for question in serve.questions]


def _ask(
    client: "openai.OpenAI", name: str, question: Question, serve: ServeConfig
) -> dict[str, Any]:
    stream = client.chat.completions.create(
        model=name,
        messages=[{"role": "user", "content": question.question}],
        max_tokens=serve.max_tokens,
        temperature=serve.temperature,
        seed=serve.seed,
        stream=True,
        stream_options={"include_usage": True},
    )
    answer, finish_reason, num_tokens = "", None, 0
    for chunk in stream:
        for choice in chunk.choices:
            answer += choice.delta.content or ""
            finish_reason = choice.finish_reason or finish_reason
        if chunk.usage is not None:
            num_tokens = chunk.usage.completion_tokens
    say(f"  {question.question}")
    say("\n".join(f"    {line}" for line in answer.splitlines()) or "    (an empty answer)")
    return {
        "language": question.language,
        "question": question.question,
        "answer": answer,
        "finish_reason": finish_reason,
        "num_tokens": num_tokens,
    }
