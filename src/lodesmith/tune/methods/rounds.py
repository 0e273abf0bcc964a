"""GRPO and RLOO: rounds of answering, rewarding and learning, on the one training loop.

A round lets the model answer some questions several times (with the inference engine), rewards the
answers, and runs the training job for a few steps over them; the job's checkpoint carries weights
and moments to the next round. What a round has made is on disk before it is learnt, so a killed
run repeats one round at most.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lodesmith.core.log import say
from lodesmith.core.shards import Markers, map_shards
from lodesmith.core.storage import JSON, write_bytes
from lodesmith.data.chat import Message
from lodesmith.data.order import SampleOrder
from lodesmith.train.job import PackedData, TrainingJob
from lodesmith.train.ranks.launch import run_training
from lodesmith.train.samples.packed import Group, PackedSamples, fill_rows, write_packed
from lodesmith.tune.domains import DomainConfig
from lodesmith.tune.methods.answers import Answer, answer_questions
from lodesmith.tune.methods.lesson import with_verdict
from lodesmith.tune.methods.reference import score_rows
from lodesmith.tune.methods.rewards import Floats, advantages, reward_exactly
from lodesmith.tune.samples.encode import Encoder
from lodesmith.tune.samples.samples import Sample


def train_on_rewards(
    job: TrainingJob,
    *,
    questions: Sequence[Sample],
    domain: DomainConfig,
    encoder: Encoder,
    reward_model: Path | None,
    scratch: Path,
) -> JSON:
    """Run all rounds of a job; return its facts, with the mean reward of the first and last rounds.

    Args:
        job: its data is that of the round.
        questions: with the right answers, or any where a reward model judges.
        domain: the method and its settings.
        encoder: how questions are asked.
        reward_model: folder of a model that method reward made; None compares numbers.
        scratch: kept through a kill.
    """
    assert domain.rewards is not None  # noqa: S101 the config demands it
    per_round = domain.rewards.steps_per_round
    order = SampleOrder(len(questions), domain.seed)
    num_asked = per_round * domain.global_batch_size // domain.rewards.group_size
    model, means = job.start, []
    for number in range(domain.max_steps // per_round):
        folder = scratch / f"round-{number:05d}"
        places = order.windows(np.arange(number * num_asked, (number + 1) * num_asked))
        asked = [questions[int(place)] for place in places]
        assert isinstance(model, Path)  # noqa: S101 a link starts from a model
        work = (str(model), [sample.to_json() for sample in asked], domain, encoder.template,
                str(reward_model) if reward_model else None, number, str(folder))  # fmt: skip
        [mean] = map_shards(_make_round, {"round": work}, markers=Markers(folder / "done"),
                            num_workers=1)  # fmt: skip
        means.append(mean)
        round_job = replace(job, data=PackedData(folder), until_step=(number + 1) * per_round)
        facts = run_training(round_job)
        model = job.model_folder
        _copy_tokenizer(job.start, model)
        say(f"  {job.title}: round {number + 1}, mean reward {mean:.3f}")
    few = max(1, len(means) // 5)
    facts["first_reward"] = sum(means[:few]) / few
    facts["final_reward"] = sum(means[-few:]) / few
    facts["rewards"] = means
    return facts


def _copy_tokenizer(start: object, model: Path) -> None:
    from lodesmith.model.checkpoint import TOKENIZER_FILES

    assert isinstance(start, Path)  # noqa: S101 a link starts from a model
    for name in TOKENIZER_FILES:
        if (start / name).is_file() and not (model / name).exists():
            write_bytes(model / name, (start / name).read_bytes())


def _make_round(
    model: str,
    lines: list[str],
    domain: DomainConfig,
    template: str,
    reward_model: str | None,
    number: int,
    folder: str,
) -> float:
    """Write the rows of a round; return the mean reward."""
    from lodesmith.data.tokenizer import Tokenizer

    assert domain.rewards is not None  # noqa: S101 the config demands it
    encoder = Encoder(Tokenizer.load(Path(model)), "own" if template == "own" else "checkpoint")
    questions = [Sample.from_json(line) for line in lines]
    answers = answer_questions(
        Path(model), questions, encoder=encoder, rewards=domain.rewards, seed=domain.seed + number
    )
    size = domain.rewards.group_size
    if reward_model is None:
        wanted = [sample.reference or "" for sample in questions for _ in range(size)]
        rewards = reward_exactly([answer.text for answer in answers], wanted)
    else:
        rewards = _judge(Path(reward_model), answers, encoder=encoder, folder=Path(folder))
    gains = advantages(rewards, group_size=size, method=domain.method)
    write_packed(Path(folder), make_rows(answers, gains, domain=domain, encoder=encoder))
    return float(rewards.mean())


def make_rows(
    answers: Sequence[Answer], gains: Floats, *, domain: DomainConfig, encoder: Encoder
) -> PackedSamples:
    """Return one row for each answer: its tokens are learnt, by its advantage."""
    rows: list[Group] = [
        [([*answer.asked, *answer.ids], [False] * len(answer.asked) + [True] * len(answer.ids))]
        for answer in answers
    ]
    packed = fill_rows(
        rows, sequence_length=domain.sequence_length, padding_id=encoder.tokenizer.end_of_text_id
    )
    old = np.zeros((len(rows), domain.sequence_length), np.float32)
    for row, answer in zip(old, answers, strict=True):
        first = len(answer.asked) - 1  # the label at the last place of the question is token 1
        row[first : first + len(answer.ids)] = answer.logprobs
    extra = {
        "old": old,
        "advantage": gains[:, None],
        "is_answer": np.ones((len(rows), 1), np.float32),
    }
    return PackedSamples(packed.input_ids, packed.loss_mask, packed.segment_ids, extra)


def _judge(model: Path, answers: Sequence[Answer], *, encoder: Encoder, folder: Path) -> Floats:
    """Return a reward model's scores: the log-probability of its verdict behind each answer."""
    rows: list[Group] = []
    for answer in answers:
        said: Message = {"role": "assistant", "content": answer.text}
        rows.append([with_verdict(encoder.chat((*answer.messages, said)), encoder)])
    width = max(len(row[0][0]) for row in rows)
    padding = encoder.tokenizer.end_of_text_id
    write_packed(folder / "judged", fill_rows(rows, sequence_length=width, padding_id=padding))
    scores = score_rows(model, folder / "judged", num_segments=1,
                        markers=Markers(folder / "judged" / "done"))  # fmt: skip
    return scores[:, 0]
