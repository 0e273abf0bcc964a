"""The embedded engine: continuous batching on one thread, on the CPU or one GPU.

Each step (`_step`) drops what was cancelled, asks the scheduler whose tokens are computed now,
sends them through the model in one pass, and chooses a token for every sequence that has been read
to its end. A sequence joins and leaves between two steps; nobody waits for a batch to fill or to
finish.

Shapes: O rows whose states are wanted, D hidden.
"""

# ruff: noqa: N806 shape suffixes are the house's names for tensors

import itertools
import threading
from collections.abc import Sequence as List
from dataclasses import replace
from pathlib import Path

import torch

from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.log import warn
from lodesmith.core.process import count_free_cores
from lodesmith.infer.build import build_parts
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.interface import (
    Deliver,
    EngineLimits,
    EngineStats,
    FinishReason,
    GenerationRequest,
    QueueFullError,
    Ticket,
    Wake,
    check_adapter,
    check_request,
)
from lodesmith.infer.native_runner import NativeRunner
from lodesmith.infer.outcome import read_pass
from lodesmith.infer.runner import lay_out_pass
from lodesmith.infer.sampling import Sampler
from lodesmith.infer.scheduler import Chunk
from lodesmith.infer.sequence import Listener, Sequence
from lodesmith.infer.weights import Weights, named_weights
from lodesmith.model.kinship import check_kinship
from lodesmith.model.lora import load_adapter


class LocalEngine:
    """An `Engine` in this process; use it in a `with` block or call `close`."""

    def __init__(self, weights: Weights, *, config: EngineConfig | None = None) -> None:
        """Lay out the cache and start the thread.

        Raises:
            UserError: max_model_len is more than the model was made for, the cache has no room
                for one sequence of that length, the weights cannot be rounded there, or stored
                ones are not as they were.
            DamagedArtifactError: stored weights are torn.
        """
        self.config = config = config or EngineConfig()
        self._weights = weights  # read again only to see whether an adapter belongs to them
        parts = build_parts(weights, config)
        self._runner, self._scheduler = parts.runner, parts.scheduler
        self._adapters: dict[str, tuple[str, object]] = {}  # its key, and as the runner takes it
        self.limits = EngineLimits(  # a new one where adapters change
            max_model_len=parts.max_model_len,
            vocab_size=weights.config.vocab_size,
            max_num_seqs=config.max_num_seqs,
            max_num_queued_seqs=config.max_num_queued_seqs,
        )
        self._changed = threading.Condition()  # guards what follows and the scheduler
        self._tickets = itertools.count()
        self._alive: dict[Ticket, Sequence] = {}
        self._cancelled: set[Ticket] = set()
        self._num_steps = self._num_computed_tokens = 0
        self._failure: str | None = None
        self._closing = False
        self._to_wake: dict[Wake, None] = {}  # of those who were told something since
        self._thread = threading.Thread(target=self._run, name="lodesmith-engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def submit(
        self,
        requests: List[GenerationRequest],
        deliver: Deliver,
        *,
        wake: Wake | None = None,
    ) -> list[Ticket]:
        """Queue requests, all or none, and return a ticket for each.

        Args:
            requests: what is asked.
            deliver: told of each event, on the engine's thread.
            wake: called after the events of a step; None: nobody sleeps.

        Raises:
            UserError: a request is impossible for this model.
            QueueFullError: too many wait already.
            EngineError: the engine has failed or is closed.
        """
        limits = self.limits
        for request in requests:
            check_request(request, limits)
        with self._changed:
            if self._failure is not None or self._closing:
                raise EngineError(self._failure or "the engine is closed")
            for request in requests:
                check_adapter(request, self.limits)  # again: one may have been unloaded just now
            num_waiting = self._count_waiting()
            if num_waiting + len(requests) > limits.max_num_queued_seqs:
                raise QueueFullError(
                    f"{num_waiting} requests wait already and at most "
                    f"{limits.max_num_queued_seqs} may; try again later"
                )
            tickets = []
            for place, request in enumerate(requests):
                tickets.append(self._add(request, Listener(place, deliver, wake, self._to_wake)))
            self._changed.notify()
        return tickets

    def _count_waiting(self) -> int:
        """Return how many wait that nobody has cancelled: a cancelled one makes room at once."""
        waiting = self._scheduler.waiting
        if not self._cancelled:
            return len(waiting)
        return sum(sequence.ticket not in self._cancelled for sequence in waiting)

    def _add(self, request: GenerationRequest, listener: Listener) -> Ticket:
        sampler = Sampler(request.sampling, prompt_ids=request.input_ids, guide=request.guide)
        ticket = next(self._tickets)
        sequence = Sequence(ticket, request, listener, sampler, list(request.input_ids))
        if request.adapter is not None:
            sequence.adapter_key, sequence.adapter = self._adapters[request.adapter]
        self._alive[ticket] = sequence
        self._scheduler.add(sequence)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Stop a request by the next step; one that has finished is left alone."""
        with self._changed:
            if ticket in self._alive:
                self._cancelled.add(ticket)
                self._changed.notify()

    def load_adapter(self, name: str, folder: Path) -> None:
        """Make a LoRA adapter known under a name, while requests run.

        Raises:
            UserError: the name is taken, the folder is no adapter, or it does not fit the model.
            DamagedArtifactError: a file is torn.
        """
        taken = self._runner.take_adapter(load_adapter(folder))
        check_kinship(folder, named_weights(self._weights))
        with self._changed:
            if name in self._adapters:
                raise UserError(f"an adapter '{name}' is loaded already; unload it first")
            # Blocks of an earlier adapter of this name must not be found again.
            self._adapters[name] = (f"{next(self._tickets)}", taken)
            self._name_adapters()

    def unload_adapter(self, name: str) -> None:
        """Forget an adapter; requests that use it already go on to their end.

        Raises:
            UserError: there is none of that name.
        """
        with self._changed:
            if self._adapters.pop(name, None) is None:
                raise UserError(f"no adapter '{name}' is loaded")
            self._name_adapters()

    def _name_adapters(self) -> None:
        self.limits = replace(self.limits, adapters=frozenset(self._adapters))

    def stats(self) -> EngineStats:
        """Return what it is doing now and has done so far."""
        scheduler = self._scheduler
        with self._changed:
            return EngineStats(
                num_running=len(scheduler.running),
                num_waiting=len(scheduler.waiting),
                cache_used_fraction=scheduler.pool.used_fraction,
                failure=self._failure,
                num_preemptions=scheduler.num_preemptions,
                num_queried_tokens=scheduler.num_queried_tokens,
                num_reused_tokens=scheduler.num_reused_tokens,
                num_computed_tokens=self._num_computed_tokens,
                num_steps=self._num_steps,
            )

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        num_threads = self.config.num_threads or count_free_cores()
        if isinstance(self._runner, NativeRunner):  # PyTorch only chooses tokens
            num_threads = min(num_threads, torch.get_num_threads())
        torch.set_num_threads(num_threads)
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
        reason = FinishReason.CANCELLED if self._failure is None else FinishReason.ERROR
        for sequence in left:
            self._end(sequence, reason, self._failure)
        self._wake_listeners()

    def _step(self) -> None:
        with self._changed:
            dropped = [self._alive[ticket] for ticket in sorted(self._cancelled)]
        for sequence in dropped:
            self._end(sequence, FinishReason.CANCELLED)
        with self._changed:
            chunks = self._scheduler.plan()
        if chunks:
            self._compute(chunks)
        if not self._scheduler.has_work:  # else it is done with the next pass
            self._wake_listeners()

    def _wake_listeners(self) -> None:
        """Wake whoever was told something: once a step, however many answers it went into."""
        for wake in self._to_wake:
            wake()
        self._to_wake.clear()

    def _end(self, sequence: Sequence, reason: FinishReason, error: str | None = None) -> None:
        with self._changed:
            self._alive.pop(sequence.ticket)
            self._cancelled.discard(sequence.ticket)
            self._scheduler.remove(sequence)
        sequence.finish(reason, error)

    def _compute(self, chunks: List[Chunk]) -> None:
        now = lay_out_pass(chunks, block_size=self._runner.block_size)
        self._wake_listeners()  # now, so that they work while this thread needs no interpreter
        states_OD = self._runner.run(now)
        with self._changed:
            self._num_steps += 1
            self._num_computed_tokens += len(now.ids_R)
            for chunk in chunks:
                self._scheduler.advance(chunk)
        for sequence, reason in read_pass(self._runner, chunks, states_OD):
            self._end(sequence, reason)
