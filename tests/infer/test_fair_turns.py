"""Blocks and turns under any order of events: nothing leaks, nothing is shared by mistake, and
whoever waits is served."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lodesmith.infer.blocks import ROOT, BlockPool, key_of
from lodesmith.infer.interface import GenerationRequest, Sampling
from lodesmith.infer.sampling import Sampler
from lodesmith.infer.scheduler import Scheduler
from lodesmith.infer.sequence import Listener, Sequence

BLOCK, LONGEST = 4, 24


def make_sequence(number, input_ids, max_tokens, **fields):
    request = GenerationRequest(input_ids=tuple(input_ids), max_tokens=max_tokens, **fields)
    sampler = Sampler(Sampling(temperature=0))
    listener = Listener(0, lambda *_: None, None, {})
    return Sequence(number, request, listener, sampler, list(input_ids))


class Serving(RuleBasedStateMachine):
    """Requests come, steps are taken, requests are cancelled; a cache of 7 blocks is modelled."""

    def __init__(self):
        super().__init__()
        self.pool = BlockPool(num_blocks=7, block_size=BLOCK)
        self.scheduler = Scheduler(self.pool, max_num_seqs=3, max_num_batched_tokens=5, reuse=True)
        self.cache = {}  # (block, lane) -> the tokens up to there: what keys and values depend on
        self.alive, self.number, self.finished = [], 0, []

    @rule(
        start=st.integers(0, 2),
        length=st.integers(1, 14),
        tail=st.integers(0, 3),
        max_tokens=st.integers(1, 8),
        scored=st.booleans(),
    )
    def come(self, start, length, tail, max_tokens, scored):
        input_ids = [start] * length + list(range(tail))
        self.number += 1
        sequence = make_sequence(self.number, input_ids, max_tokens, score_prompt=scored)
        self.alive.append(sequence)
        self.scheduler.add(sequence)

    @precondition(lambda self: self.alive)
    @rule(which=st.integers(0, 99))
    def cancel(self, which):
        sequence = self.alive.pop(which % len(self.alive))
        self.scheduler.remove(sequence)
        assert sequence.blocks == []

    @precondition(lambda self: self.alive)
    @rule()
    def step(self):
        oldest = min(self.alive, key=lambda sequence: sequence.ticket)
        chunks = self.scheduler.plan()
        assert oldest in [chunk.sequence for chunk in chunks], "the oldest goes on in every step"
        prompt_tokens = [chunk.count for chunk in chunks if chunk.sequence.num_left > 1]
        assert sum(prompt_tokens) <= 5
        for chunk in chunks:
            self.compute(chunk)
        for chunk in chunks:
            self.scheduler.advance(chunk)
            if chunk.is_last:
                self.answer(chunk.sequence)

    def compute(self, chunk):
        tokens = chunk.sequence.tokens
        for position in range(chunk.start + chunk.count):
            place = (chunk.sequence.blocks[position // BLOCK], position % BLOCK)
            if position >= chunk.start:
                self.cache[place] = tuple(tokens[: position + 1])
            assert self.cache[place] == tuple(tokens[: position + 1]), "what it reads is its own"

    def answer(self, sequence):
        sequence.is_prompt_told = True
        sequence.tokens.append(sequence.num_answered % 3)
        if sequence.num_answered >= sequence.request.max_tokens:
            self.scheduler.remove(sequence)
            self.alive.remove(sequence)

    @invariant()
    def no_block_is_lost_and_none_is_used_by_the_dead(self):
        used = {block for sequence in self.alive for block in sequence.blocks}
        assert self.pool.num_unused == self.pool.num_blocks - len(used)
        for block in range(self.pool.num_blocks):
            users = sum(block in sequence.blocks for sequence in self.alive)
            assert self.pool._num_users[block] == users

    @invariant()
    def limits_hold(self):
        assert len(self.scheduler.running) <= 3
        assert all(not sequence.blocks for sequence in self.scheduler.waiting)
        served = [*self.scheduler.running, *self.scheduler.waiting]
        assert served == sorted(self.alive, key=lambda sequence: sequence.ticket)

    def teardown(self):
        steps = 0
        while self.alive:
            self.step()
            steps += 1
            assert steps < 10_000, "a request is never finished"
        assert self.pool.num_unused == self.pool.num_blocks
        assert not self.scheduler.has_work


Serving.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestServing = Serving.TestCase


def test_blocks_of_a_common_beginning_are_shared_and_others_are_not():
    pool = BlockPool(num_blocks=4, block_size=2)
    [first, second] = pool.take(2)
    keys = [key_of(ROOT, [1, 2], adapter=None)]
    keys.append(key_of(keys[0], [3, 4], adapter=None))
    pool.name(first, keys[0])
    pool.name(second, keys[1])
    assert pool.reuse([keys[0], key_of(keys[0], [3, 5], adapter=None)]) == [first]
    assert pool.reuse([key_of(ROOT, [3, 4], adapter=None)]) == []
    assert pool.reuse([key_of(ROOT, [1, 2], adapter="law")]) == []


def test_the_block_unused_for_longest_is_the_first_to_go():
    pool = BlockPool(num_blocks=3, block_size=1)
    blocks = pool.take(3)
    keys = [key_of(ROOT, [token], adapter=None) for token in range(3)]
    for block, key in zip(blocks, keys, strict=True):
        pool.name(block, key)
    pool.give_back([blocks[1]])
    pool.give_back([blocks[0]])
    pool.give_back([blocks[2]])
    pool.give_back(pool.reuse([keys[1]]))  # used again: now the youngest
    assert pool.take(2) == [blocks[0], blocks[2]]
    assert pool.reuse([keys[1]]) == [blocks[1]]
    assert pool.take(1) is None
