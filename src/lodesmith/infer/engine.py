"""The embedded engine: continuous batching on one thread, on the CPU or one GPU.

Each step (`_step`) drops what was cancelled, reads one piece of one waiting prompt, and makes one
token for every running sequence. A sequence joins when its prompt has been read and leaves when
it ends; nobody waits for a batch to fill or to finish.
"""

# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

import itertools
import threading
from collections.abc import Sequence as List

import torch
from torch import Tensor

from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.log import warn
from lodesmith.core.process import count_free_cores
from lodesmith.infer.cache import KeyValueCache
from lodesmith.infer.config import MAX_DEFAULT_MODEL_LEN, EngineConfig
from lodesmith.infer.interface import (
    Deliver,
    EngineLimits,
    EngineStats,
    FinishReason,
    GenerationRequest,
    PromptPooled,
    PromptScored,
    QueueFullError,
    Ticket,
    TokenLogprobs,
    check_request,
)
from lodesmith.infer.runner import Runner
from lodesmith.infer.sampling import Sampler, measure_logprobs
from lodesmith.infer.scheduler import Scheduler
from lodesmith.infer.sequence import Sequence
from lodesmith.model.decoder import Decoder

_SCORED_AT_ONCE = 64  # positions whose logits exist together when a prompt is scored


class LocalEngine:
    """An `Engine` in this process; use it in a `with` block or call `close`."""

    def __init__(self, decoder: Decoder, *, config: EngineConfig | None = None) -> None:
        """Lay out the cache and start the thread.

        Raises:
            UserError: max_model_len is more than the model was made for.
        """
        config = config or EngineConfig()
        weight = decoder.output_weight
        longest = _longest_sequence(decoder, config)
        self.config = config
        self._limits = EngineLimits(
            max_model_len=longest,
            vocab_size=decoder.config.vocab_size,
            max_num_seqs=config.max_num_seqs,
            max_num_queued_seqs=config.max_num_queued_seqs,
        )
        self._cache = KeyValueCache(
            decoder.config,
            num_rows=config.max_num_seqs,
            max_model_len=longest,
            dtype=weight.dtype,
            device=weight.device,
        )
        self._runner = Runner(decoder, self._cache)
        self._scheduler: Scheduler[Sequence] = Scheduler(
            max_num_seqs=config.max_num_seqs, max_num_queued_seqs=config.max_num_queued_seqs
        )
        self._changed = threading.Condition()  # guards what follows and the scheduler
        self._tickets = itertools.count()
        self._alive: dict[Ticket, Sequence] = {}
        self._cancelled: set[Ticket] = set()
        self._failure: str | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="lodesmith-engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def limits(self) -> EngineLimits:
        """What it can take."""
        return self._limits

    def submit(self, requests: List[GenerationRequest], deliver: Deliver) -> list[Ticket]:
        """Queue requests, all or none, and return a ticket for each.

        Raises:
            UserError: a request is impossible for this model.
            QueueFullError: too many wait already.
            EngineError: the engine has failed or is closed.
        """
        for request in requests:
            check_request(request, self._limits)
        with self._changed:
            if self._failure is not None or self._closing:
                raise EngineError(self._failure or "the engine is closed")
            if not self._scheduler.has_room_for(len(requests)):
                raise QueueFullError(
                    f"{len(self._scheduler.waiting)} requests wait already and at most "
                    f"{self._limits.max_num_queued_seqs} may; try again later"
                )
            tickets = []
            for place, request in enumerate(requests):
                sampler = Sampler(
                    request.sampling, prompt_ids=request.input_ids, guide=request.guide
                )
                sequence = Sequence(next(self._tickets), request, place, deliver, sampler)
                self._alive[sequence.ticket] = sequence
                self._scheduler.add(sequence)
                tickets.append(sequence.ticket)
            self._changed.notify()
        return tickets

    def cancel(self, ticket: Ticket) -> None:
        """Stop a request by the next step; one that has finished is left alone."""
        with self._changed:
            if ticket in self._alive:
                self._cancelled.add(ticket)
                self._changed.notify()

    def stats(self) -> EngineStats:
        """Return what it is doing now."""
        with self._changed:
            num_rows, num_waiting = self._scheduler.num_rows, len(self._scheduler.waiting)
            num_cached = sum(sequence.num_cached for sequence in self._alive.values())
            failure = self._failure
        capacity = self._cache.num_rows * self._cache.max_model_len
        return EngineStats(
            num_running=num_rows,
            num_waiting=num_waiting,
            cache_used_fraction=num_cached / capacity,
            failure=failure,
        )

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        torch.set_num_threads(self.config.num_threads or count_free_cores())
        try:
            with torch.inference_mode():
                while self._wait_for_work():
                    self._step()
        except Exception as error:  # noqa: BLE001 whoever waits must be told, whatever it is
            warn(f"the engine has failed: {type(error).__name__}: {error}")
            with self._changed:
                self._failure = f"the engine has failed ({type(error).__name__}); start it again"
        self._end_all()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._scheduler.has_work)
            return not self._closing

    def _end_all(self) -> None:
        with self._changed:
            left = list(self._alive.values())
            self._alive.clear()
        reason = FinishReason.CANCELLED if self._failure is None else FinishReason.ERROR
        for sequence in left:
            sequence.finish(reason, self._failure)

    def _step(self) -> None:
        self._drop_cancelled()
        with self._changed:
            reading = self._scheduler.next_to_read()
        if reading is not None:
            self._read_piece(reading)
        if self._scheduler.running:
            self._decode()

    def _drop_cancelled(self) -> None:
        with self._changed:
            dropped = [self._alive[ticket] for ticket in sorted(self._cancelled)]
        for sequence in dropped:
            self._end(sequence, FinishReason.CANCELLED)

    def _end(self, sequence: Sequence, reason: FinishReason) -> None:
        with self._changed:
            self._alive.pop(sequence.ticket)
            self._cancelled.discard(sequence.ticket)
            moves = self._scheduler.remove(sequence)
            left = [*self._scheduler.running, self._scheduler.reading]
        longest = max((member.num_cached for member in left if member is not None), default=0)
        self._cache.move(moves, length=longest)
        sequence.finish(reason)

    def _read_piece(self, sequence: Sequence) -> None:
        request, start = sequence.request, sequence.num_cached
        piece = request.input_ids[start : start + self.config.max_num_batched_tokens]
        x_TD = self._runner.read_prompt(piece, row=len(self._scheduler.running), start=start)
        sequence.num_cached += len(piece)
        if request.score_prompt:
            self._score(sequence, x_TD, start=start)
        if request.pool_prompt:
            before_D = 0 if sequence.prompt_sum_D is None else sequence.prompt_sum_D
            sequence.prompt_sum_D = before_D + x_TD.float().sum(0)
        if sequence.num_cached < len(request.input_ids):
            return
        if request.score_prompt:
            sequence.send(PromptScored(tuple(sequence.prompt_logprobs)))
        if sequence.prompt_sum_D is not None:
            mean_D = sequence.prompt_sum_D / len(request.input_ids)
            sequence.send(PromptPooled(mean_D.cpu().numpy()))
        if request.max_tokens == 0:
            self._end(sequence, FinishReason.LENGTH)
            return
        with self._changed:
            self._scheduler.start_running(sequence)
        self._choose([sequence], self._runner.logits(x_TD[-1:]))

    def _score(self, sequence: Sequence, x_TD: Tensor, *, start: int) -> None:
        """Note how probable each token was that follows a position of this piece."""
        request = sequence.request
        targets = request.input_ids[start + 1 : start + 1 + len(x_TD)]
        for first in range(0, len(targets), _SCORED_AT_ONCE):
            some = targets[first : first + _SCORED_AT_ONCE]
            logits_TV = self._runner.logits(x_TD[first : first + len(some)])
            scored = measure_logprobs(logits_TV, some, num_top=request.num_top_logprobs or 0)
            sequence.prompt_logprobs.extend(scored)

    def _decode(self) -> None:
        running = list(self._scheduler.running)
        logits_BV = self._runner.step(
            [sequence.newest for sequence in running], [sequence.num_cached for sequence in running]
        )
        for sequence in running:
            sequence.num_cached += 1
        self._choose(running, logits_BV)

    def _choose(self, sequences: List[Sequence], logits_BV: Tensor) -> None:
        """Choose each sequence's next token, and end those that it ends."""
        best_ids = logits_BV.argmax(-1).tolist()
        for sequence, logits_V, best_id in zip(sequences, logits_BV, best_ids, strict=True):
            plain = sequence.sampler.is_plain_greedy
            token_id = best_id if plain else sequence.sampler.choose(logits_V)
            reason = sequence.take(token_id, self._logprobs(sequence, logits_V, token_id))
            if reason is not None:
                self._end(sequence, reason)

    def _logprobs(
        self, sequence: Sequence, logits_V: Tensor, token_id: int
    ) -> TokenLogprobs | None:
        num_top = sequence.request.num_top_logprobs
        if num_top is None:
            return None
        return measure_logprobs(logits_V[None], [token_id], num_top=num_top)[0]


def _longest_sequence(decoder: Decoder, config: EngineConfig) -> int:
    most = decoder.config.max_position_embeddings
    if config.max_model_len is None:
        return min(most, MAX_DEFAULT_MODEL_LEN)
    if config.max_model_len > most:
        raise UserError(
            f"max_model_len is {config.max_model_len}, but the model was made for sequences of "
            f"{most} tokens; ask for at most that"
        )
    return config.max_model_len
