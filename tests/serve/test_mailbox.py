"""The way of events from engines' threads to the event loop."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from lodesmith.infer.interface import Finished, FinishReason, GenerationRequest, NewToken
from lodesmith.serve.answers import Answers
from lodesmith.serve.faults import ApiError
from lodesmith.serve.mailbox import Mailbox
from lodesmith.serve.service import Service


class CountingLoop:
    """Keeps what shall be called instead of calling it."""

    def __init__(self):
        self.called = []

    def call_soon_threadsafe(self, callback):
        self.called.append(callback)


def test_what_a_step_says_wakes_the_loop_once_and_keeps_its_order():
    loop, got = CountingLoop(), []
    mailbox = Mailbox(loop)
    for number in range(5):
        mailbox.put(got.append, number, NewToken(number, None))
    assert len(loop.called) == 1
    loop.called.pop()()
    assert [index for index, _ in got] == list(range(5))
    mailbox.put(got.append, 5, NewToken(5, None))
    assert len(loop.called) == 1


def test_nothing_that_several_threads_say_is_lost():
    async def collect():
        mailbox = Mailbox(asyncio.get_running_loop())
        events = asyncio.Queue()

        def speak(speaker):
            for number in range(2000):
                mailbox.put(events.put_nowait, speaker, NewToken(number, None))

        threads = [threading.Thread(target=speak, args=(speaker,)) for speaker in range(3)]
        for thread in threads:
            thread.start()
        said = {speaker: [] for speaker in range(3)}
        for _ in range(3 * 2000):
            speaker, event = await asyncio.wait_for(events.get(), timeout=60)
            said[speaker].append(event.token_id)
        for thread in threads:
            thread.join()
        return said

    said = asyncio.run(collect())
    assert all(numbers == list(range(2000)) for numbers in said.values())


def test_text_that_came_together_with_a_failure_is_still_shown(loaded):
    class FailingEngine:
        def submit(self, requests, deliver):
            deliver(0, NewToken(ord("a"), None))
            deliver(0, NewToken(ord("b"), None))
            deliver(0, Finished(FinishReason.ERROR, "broken"))
            return [0]

        def cancel(self, ticket):
            pass

        limits = SimpleNamespace(max_num_queued_seqs=1)

    async def collect():
        service = Service(
            name="tiny", tokenizer=loaded.tokenizer, engine=FailingEngine(), created=1
        )
        request = GenerationRequest(input_ids=(1,), max_tokens=9)
        async for pieces in Answers(service, [request]).pieces():
            shown.extend(piece.text for piece in pieces)

    shown = []
    with pytest.raises(ApiError, match="broken"):
        asyncio.run(collect())
    assert shown == ["a", "b"]


def test_a_loop_that_has_closed_hurts_no_engine():
    loop = asyncio.new_event_loop()
    loop.close()
    Mailbox(loop).put(lambda _: None, 0, NewToken(1, None))
