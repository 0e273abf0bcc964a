"""The way of events from engines' threads to the event loop."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from lodesmith.infer.interface import Finished, FinishReason, GenerationRequest, NewToken
from lodesmith.serve.answers.answers import Answers
from lodesmith.serve.answers.mailbox import GATHER_SECONDS, MOST_GATHER_SECONDS, Mailbox
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.faults import ApiError


class PatientLoop:
    """Keeps what shall be called instead of calling it; its clock stands still."""

    def __init__(self):
        self.now, self.called, self.timed = 100.0, [], []

    def time(self):
        return self.now

    def call_soon_threadsafe(self, callback):
        self.called.append(callback)

    def call_at(self, when, callback):
        self.timed.append((when, callback))


def say(mailbox, take, *numbers):
    for number in numbers:
        mailbox.put(take, number, NewToken(number, None))
    mailbox.wake()


def test_what_a_step_says_wakes_the_loop_once_and_keeps_its_order():
    loop, got = PatientLoop(), []
    mailbox = Mailbox(loop)
    say(mailbox, got.append, 0, 1, 2)
    say(mailbox, got.append, 3, 4)  # a step later, the loop has not come to it
    assert len(loop.called) == 1
    loop.called.pop()()
    assert [index for index, _ in got] == list(range(5))
    assert loop.timed == []
    say(mailbox, got.append, 5)
    assert len(loop.called) == 1


def test_what_short_steps_say_is_handed_out_together():
    loop, got = PatientLoop(), []
    mailbox = Mailbox(loop)
    say(mailbox, got.append, 0)
    loop.called.pop()()
    loop.now += GATHER_SECONDS / 4
    say(mailbox, got.append, 1)
    loop.called.pop()()
    say(mailbox, got.append, 2)
    assert ([index for index, _ in got], loop.called) == ([0], [])
    [(when, hand_out)] = loop.timed
    assert when == 100.0 + GATHER_SECONDS
    hand_out()
    assert [index for index, _ in got] == [0, 1, 2]
    loop.now = when + GATHER_SECONDS
    say(mailbox, got.append, 3)
    loop.called.pop()()
    assert got[-1][0] == 3


@pytest.mark.parametrize(
    ("used_seconds", "pause"),
    [
        (0.0001, GATHER_SECONDS),
        (0.0005, 0.02),  # forty times as long
        (0.1, MOST_GATHER_SECONDS),
    ],
)
def test_a_loop_that_has_much_to_do_is_woken_less_often(used_seconds, pause):
    loop, clock = PatientLoop(), iter([5.0, 5.0, 5.0 + used_seconds])
    mailbox = Mailbox(loop, clock=lambda: next(clock))
    say(mailbox, lambda _: None, 0)
    loop.called.pop()()
    loop.now += 1
    say(mailbox, lambda _: None, 1)
    loop.called.pop()()  # by now the loop knows what it has used since the first time
    say(mailbox, lambda _: None, 2)
    loop.called.pop()()
    [(when, _)] = loop.timed
    assert when == pytest.approx(101.0 + pause)


def test_what_is_urgent_does_not_wait_for_the_rest_and_loses_nothing_of_it():
    loop, got = PatientLoop(), []
    mailbox = Mailbox(loop)
    say(mailbox, got.append, 0)
    loop.called.pop()()
    say(mailbox, got.append, 1)
    loop.called.pop()()
    mailbox.put(got.append, 2, Finished(FinishReason.LENGTH), is_urgent=True)
    mailbox.wake()
    loop.called.pop()()
    assert [index for index, _ in got] == [0, 1, 2]
    [(_, hand_out)] = loop.timed
    say(mailbox, got.append, 3)
    hand_out()  # the timer of before comes early, and takes what is there
    assert [index for index, _ in got] == [0, 1, 2, 3]


def test_nothing_that_several_threads_say_is_lost():
    async def collect():
        mailbox = Mailbox(asyncio.get_running_loop())
        events = asyncio.Queue()

        def speak(speaker):
            for number in range(2000):
                say(mailbox, lambda said: events.put_nowait((speaker, said[1])), number)

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
        def submit(self, requests, deliver, *, wake):
            deliver(0, NewToken(ord("a"), None))
            deliver(0, NewToken(ord("b"), None))
            deliver(0, Finished(FinishReason.ERROR, "broken"))
            wake()
            return [0]

        def cancel(self, ticket):
            pass

        def stats(self):
            return SimpleNamespace(failure=None)

        limits = SimpleNamespace(max_num_queued_seqs=1)

    async def collect():
        service = Service(
            name="tiny", tokenizer=loaded.tokenizer, engine=FailingEngine(), created=1
        )
        request = GenerationRequest(input_ids=(1,), max_tokens=9)
        answers = await Answers.ask(service, [request])
        async for pieces in answers.pieces():
            shown.extend(piece.text for piece in pieces)

    shown = []
    with pytest.raises(ApiError, match="broken"):
        asyncio.run(collect())
    assert shown == ["ab"]


def test_a_loop_that_has_closed_hurts_no_engine():
    loop = asyncio.new_event_loop()
    loop.close()
    say(Mailbox(loop), lambda _: None, 0)
