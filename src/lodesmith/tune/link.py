"""One link of a chain: a domain learnt on top of a model, and what that gained and cost.

model/                 the tuned model, a Hugging Face folder
adapter/               with an adapter: what was learnt, as PEFT stores it, and over which weights
chat.jsonl.zst         what was learnt of this domain, one sample a line
replayed.jsonl.zst     what was learnt again of earlier domains, if anything was
held_out.jsonl.zst     what was held out
matrix.json            bits per byte of base, parent and this model on every domain
preferences.json       how many held-out answers it compares rightly, with dpo, kto and reward
answers.json           what parent and child answer to a few held-out questions (an observation)
training.json          facts of the run
audit.json             what the model gives away, where the domain is audited
metrics.jsonl          one line a step (an observation)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.log import say
from lodesmith.core.seal import granted_key
from lodesmith.core.shards import Markers
from lodesmith.core.storage import JSON, read_json, write_bytes, write_json, write_text
from lodesmith.core.units import format_counted
from lodesmith.data.chat import CHAT_TEMPLATE
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.lineage.artifact import Draft
from lodesmith.model.checkpoint import TOKENIZER_FILES, read_config, read_weights
from lodesmith.model.kinship import BASE_FILE, describe_base, write_base
from lodesmith.model.lora import load_adapter, save_adapter, stack_adapters
from lodesmith.model.vocabulary import load_tokenizer
from lodesmith.train.job import PackedData, TrainingJob
from lodesmith.train.ranks.launch import observations_of, run_training
from lodesmith.train.samples.packed import write_packed
from lodesmith.tune.domains import TEXT_METHODS, LinkConfig
from lodesmith.tune.measures.matrix import MATRIX_FILE, compare, matrix_lines
from lodesmith.tune.measures.preference_accuracy import (
    COMPARING,
    PREFERENCES_FILE,
    measure_preferences,
)
from lodesmith.tune.measures.score import score_models
from lodesmith.tune.methods.answers import likeliest_answers
from lodesmith.tune.methods.lesson import (
    Lesson,
    check_forms,
    plan_preference_lesson,
    plan_questions,
    plan_text_lesson,
)
from lodesmith.tune.methods.rounds import train_on_rewards
from lodesmith.tune.private.learn import learn_privately, plant, write_audit
from lodesmith.tune.samples.encode import Encoder, choose_encoder
from lodesmith.tune.samples.files import list_files
from lodesmith.tune.samples.samples import Sample, read_samples
from lodesmith.tune.samples.split import (
    HELD_OUT_FILE,
    REPLAYED_FILE,
    ROWS_FILE,
    EarlierDomain,
    split_samples,
    write_rows,
)

ADAPTER_FOLDER = "adapter"
ANSWERS_FILE = "answers.json"
_METRICS_FILE = "metrics.jsonl"
_NUM_ANSWERS, _ANSWER_TOKENS = 3, 64
_TEMPLATE_FILE = "chat_template.jinja"


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What a link is built on."""

    start: Path  # model folder of the parent
    base: Path  # model folder that the chain began with
    earlier: Sequence[EarlierDomain]
    parent_matrix: JSON | None  # of the parent link; None for the first
    stack: Path | None = None  # the parent's adapter, if it is kept beside the weights
    reward_model: Path | None = None  # folder, where the domain names one
    name: str = ""  # of the parent: an artifact's id, or a foreign model's hash


def make_link(draft: Draft, *, tune: LinkConfig, foundation: Foundation) -> None:
    """Write a link's model and what it was made of.

    Args:
        draft: the artifact in the making.
        tune: the domain.
        foundation: the models and domains before it.

    Raises:
        UserError: a file cannot be understood, nothing is left to learn, or the sequences are
            longer than the model may read.
    """
    tokenizer = _check_model(foundation, tune)
    encoder = choose_encoder(tokenizer, tune.template)
    samples = check_forms(read_samples(list_files(tune.files)), tune)
    learnt, held_out, num_twice = split_samples(
        samples, held_out_fraction=tune.held_out_fraction, max_held_out=tune.max_held_out
    )
    draft.dropped.update({"duplicate": num_twice} if num_twice else {})
    write_rows(draft.path / HELD_OUT_FILE, held_out)
    draft.counts["num_held_out"] = len(held_out)
    if tune.differential_privacy is not None:
        facts = learn_privately(
            draft, tune=tune, start=foundation.start, encoder=encoder, learnt=learnt,
            adapter_folder=draft.scratch / ADAPTER_FOLDER,
        )  # fmt: skip
    else:
        facts = _learn(draft, tune, foundation, encoder, learnt)
    if tune.adapter is not None:
        _keep_adapter(draft.scratch / ADAPTER_FOLDER, draft.path / ADAPTER_FOLDER, foundation)
    _write_tokenizer(foundation.start, draft.path / "model", encoder)
    write_json(draft.path / "training.json", facts)
    _write_matrix(draft, tune, foundation, encoder, held_out)
    if tune.method in COMPARING:
        _write_preferences(draft, tune, foundation, encoder, held_out)
    if tune.method == "sft" and granted_key() is None:  # a sealed question stands in no page
        _write_answers(draft, foundation, encoder, held_out)
    write_audit(draft, tune=tune, encoder=encoder, learnt=learnt, held_out=held_out)


def _learn(
    draft: Draft,
    tune: LinkConfig,
    foundation: Foundation,
    encoder: Encoder,
    learnt: list[Sample],
) -> JSON:
    """Train on packed rows by the one loop; return the run's facts."""
    lesson = _plan(draft, tune, foundation, encoder, learnt)
    job = TrainingJob(
        config=tune.training,
        start=foundation.start,
        data=PackedData(draft.scratch / "packed"),
        scratch=draft.scratch / "training",
        model_folder=draft.path / "model",
        metrics_file=draft.path / _METRICS_FILE,
        eos_ids=encoder.answer_ends,
        vocabulary=encoder.tokenizer.vocabulary,
        title=f"tune {tune.domain}",
        objective=lesson.objective,
        objective_settings=lesson.settings,
        adapter=None if tune.adapter is None else tune.adapter.shape,
        quantize_base=None if tune.adapter is None else tune.adapter.quantize_base,
        adapter_folder=None if tune.adapter is None else draft.scratch / ADAPTER_FOLDER,
    )
    facts = _train(draft, job, tune, foundation, encoder, lesson)
    draft.observations |= observations_of(job)
    return facts


def _train(
    draft: Draft,
    job: TrainingJob,
    tune: LinkConfig,
    foundation: Foundation,
    encoder: Encoder,
    lesson: Lesson,
) -> JSON:
    """Run the job; return its facts, with what was measured on held-out answers."""
    if tune.rewards is not None:
        return train_on_rewards(
            job, questions=lesson.kept, domain=tune, encoder=encoder,
            reward_model=foundation.reward_model, scratch=draft.scratch / "rounds",
        )  # fmt: skip
    write_packed(draft.scratch / "packed", lesson.packed)
    return run_training(job)


def _keep_adapter(trained: Path, folder: Path, foundation: Foundation) -> None:
    """Write the adapter with the stack that it was trained over, and over which weights it is."""
    adapter = load_adapter(trained)
    if foundation.stack is None:
        base = describe_base(foundation.name, read_weights(foundation.start))
    else:
        adapter = stack_adapters([load_adapter(foundation.stack), adapter])
        base = read_json(foundation.stack / BASE_FILE)
    save_adapter(folder, adapter)
    write_base(folder, base)


def _check_model(foundation: Foundation, tune: LinkConfig) -> Tokenizer:
    """Return the tokenizer of the model that a domain is learnt on top of."""
    limit = read_config(foundation.start).max_position_embeddings
    if tune.sequence_length > limit:
        raise UserError(
            f"{tune.domain}: sequence_length ({tune.sequence_length}) is above the model's "
            f"max_position_embeddings ({limit}); lower it"
        )
    tokenizer, judge = load_tokenizer(foundation.start), foundation.reward_model
    if judge is not None and load_tokenizer(judge).vocabulary != tokenizer.vocabulary:
        raise UserError(
            f"{tune.domain}: rewards.model has another tokenizer than the model that it judges, "
            f"{foundation.start}; train a reward model on top of that one or of its base"
        )
    for _ in read_weights(foundation.start):
        pass  # a torn file or a weight that is not finite is found before anything is written
    return tokenizer


def _plan(
    draft: Draft,
    tune: LinkConfig,
    foundation: Foundation,
    encoder: Encoder,
    learnt: list[Sample],
) -> Lesson:
    """Return what is to be learnt, and write what it was made of."""
    if tune.method in TEXT_METHODS:
        lesson = plan_text_lesson(
            learnt, foundation.earlier, domain=tune, encoder=encoder, dropped=draft.dropped,
            planted=plant(tune),
        )  # fmt: skip
    elif tune.rewards is not None:
        lesson = plan_questions(learnt, domain=tune, encoder=encoder, dropped=draft.dropped)
    else:
        lesson = plan_preference_lesson(
            learnt, domain=tune, encoder=encoder, start=foundation.start, scratch=draft.scratch,
            dropped=draft.dropped,
        )  # fmt: skip
    write_rows(draft.path / ROWS_FILE, lesson.kept)
    if lesson.replayed:
        write_rows(draft.path / REPLAYED_FILE, lesson.replayed)
    draft.counts.update(
        num_rows=len(lesson.kept), num_replayed=len(lesson.replayed),
        num_samples=len(lesson.packed.input_ids), row_fill=round(lesson.row_fill, 4),
    )  # fmt: skip
    say(
        f"  {tune.domain}: {format_counted(len(lesson.kept), 'record')} and "
        f"{len(lesson.replayed):,} of earlier domains in "
        f"{format_counted(len(lesson.packed.input_ids), 'row')} of {tune.sequence_length}, "
        f"{lesson.row_fill:.1%} full"
    )
    return lesson


def _write_tokenizer(start: Path, folder: Path, encoder: Encoder) -> None:
    for name in TOKENIZER_FILES:
        if (start / name).is_file():
            write_bytes(folder / name, (start / name).read_bytes())
    if encoder.template == "own" and encoder.tokenizer.chat_template != CHAT_TEMPLATE:
        write_text(folder / _TEMPLATE_FILE, CHAT_TEMPLATE)


def _write_matrix(
    draft: Draft,
    tune: LinkConfig,
    foundation: Foundation,
    encoder: Encoder,
    held_out: list[Sample],
) -> None:
    own = {tune.domain: held_out}
    earlier = {domain.name: domain.held_out for domain in foundation.earlier}
    known = foundation.parent_matrix
    wanted = {"child": (draft.path / "model", {**earlier, **own})}
    if known is None:
        wanted["parent"] = (foundation.start, {**earlier, **own})
    else:
        wanted |= {"parent": (foundation.start, own), "base": (foundation.base, own)}
    found = score_models(wanted, encoder=encoder, markers=Markers(draft.scratch / "scores"))
    parent = {**(known["child"] if known else {}), **found["parent"]}
    base = {**known["base"], **found["base"]} if known else parent
    child = found["child"]
    matrix = compare(base, parent, child)
    write_json(draft.path / MATRIX_FILE, matrix)
    for line in matrix_lines(matrix):
        say(f"  {line}")


def _write_preferences(
    draft: Draft,
    tune: LinkConfig,
    foundation: Foundation,
    encoder: Encoder,
    held_out: list[Sample],
) -> None:
    found = measure_preferences(
        held_out, domain=tune, encoder=encoder, parent=foundation.start,
        child=draft.path / "model", scratch=draft.scratch / "preferences",
    )  # fmt: skip
    if found is None:
        draft.notes.append("no held-out answers fit to be compared")
        return
    write_json(draft.path / PREFERENCES_FILE, found)
    draft.counts["held_out_accuracy"] = found["accuracy"]
    say(
        f"  preferred rightly: {found['accuracy']:.1%} of {found['num_comparisons']:,} held-out "
        "comparisons"
    )


def _write_answers(
    draft: Draft, foundation: Foundation, encoder: Encoder, held_out: list[Sample]
) -> None:
    """Write what parent and child answer to a few questions that neither has learnt."""
    room = read_config(foundation.start).max_position_embeddings - _ANSWER_TOKENS
    asked = [sample for sample in held_out if len(encoder.prompt(sample.messages[:-1])) <= room][
        :_NUM_ANSWERS
    ]
    if not asked:
        return
    models = {"parent": foundation.start, "child": draft.path / "model"}
    answers = {
        name: likeliest_answers(folder, asked, encoder=encoder, max_tokens=_ANSWER_TOKENS)
        for name, folder in models.items()
    }
    rows = [
        {
            "asked": sample.messages[-2]["content"],
            "wanted": sample.messages[-1]["content"],
            **{name: texts[number] for name, texts in answers.items()},
        }
        for number, sample in enumerate(asked)
    ]
    write_json(draft.path / ANSWERS_FILE, {"answers": rows})
    draft.observations.add(ANSWERS_FILE)


def read_matrix(folder: Path) -> JSON:
    """Return a link's matrix."""
    return read_json(folder / MATRIX_FILE)
