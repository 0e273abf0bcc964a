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
    """Keeps what shall be called instead of calling it."""

    def __init__(self):
        self.called, self.timed = [], []

    def call_soon_threadsafe(self, callback):
        self.called.append(callback)

    def call_later(self, pause, callback):
        timer = SimpleNamespace(pause=pause, callback=callback, cancel=lambda: cancel(timer))
        cancel = self.timed.remove
        self.timed.append(timer)
        return timer

    def fire(self):
        [timer] = self.timed
        timer.callback()


class Told:
    """An inbox, and what its reader has been shown."""

    def __init__(self, mailbox):
        self.mailbox, self.inbox, self.shown = mailbox, mailbox.inbox(), []
        self.inbox.open = self.open
        self.say(-1)  # whatever is first is urgent

    def open(self):
        type(self.inbox).open(self.inbox)
        self.shown += [index for index, _ in asyncio.run(self.inbox.take())]

    def say(self, *numbers):
        for number in numbers:
            self.inbox.put(number, NewToken(number, None))
        self.mailbox.wake()


@pytest.fixture
def loop():
    return PatientLoop()


def test_the_first_of_an_answer_waits_for_nobody(loop):
    mailbox = Mailbox(loop)
    one = Told(mailbox)
    loop.called.pop()()
    assert one.shown == [-1]
    one.say(0)
    assert loop.called == []  # the loop looks by its own clock
    other = Told(mailbox)
    loop.called.pop()()
    assert (one.shown, other.shown) == ([-1, 0], [-1])
    assert len(loop.timed) == 1  # one clock, however often it was set


def test_what_short_steps_say_is_handed_out_together_and_in_its_order(loop):
    told = Told(Mailbox(loop, clock=lambda: 5.0))
    loop.called.pop()()
    assert loop.timed[0].pause == GATHER_SECONDS
    told.say(0, 1, 2)
    told.say(3, 4)
    assert (told.shown, loop.called) == ([-1], [])
    loop.fire()
    assert told.shown == [-1, 0, 1, 2, 3, 4]


def test_a_loop_whose_clock_found_nothing_is_woken_once_by_the_next_step(loop):
    told = Told(Mailbox(loop))
    loop.called.pop()()
    loop.fire()
    assert loop.timed == []  # it sleeps
    told.say(0)
    told.say(1)
    assert len(loop.called) == 1
    loop.called.pop()()
    assert told.shown == [-1, 0, 1]


@pytest.mark.parametrize(
    ("used_seconds", "pause"),
    [
        (0.0001, GATHER_SECONDS),
        (0.0003, 0.024),  # eighty times as long
        (0.1, MOST_GATHER_SECONDS),
    ],
)
def test_a_loop_that_has_much_to_do_is_woken_less_often(loop, used_seconds, pause):
    clock = iter([5.0, 5.0, 5.0 + used_seconds])
    told = Told(Mailbox(loop, clock=lambda: next(clock)))
    loop.called.pop()()
    told.say(0)
    loop.fire()  # by now the loop knows what it has used since the first time
    assert loop.timed[0].pause == pytest.approx(pause)


def test_the_last_of_an_answer_does_not_wait_and_nothing_before_it_is_lost(loop):
    told = Told(Mailbox(loop))
    loop.called.pop()()
    told.say(0, 1)
    told.inbox.put(2, Finished(FinishReason.LENGTH))
    told.mailbox.wake()
    loop.called.pop()()
    assert told.shown == [-1, 0, 1, 2]


def test_nothing_that_several_threads_say_is_lost():
    async def collect():
        mailbox = Mailbox(asyncio.get_running_loop())
        inboxes = [mailbox.inbox() for _ in range(3)]

        def speak(inbox):
            for number in range(2000):
                inbox.put(number, NewToken(number, None))
                mailbox.wake()

        async def listen(inbox):
            said = []
            while len(said) < 2000:
                said += [index for index, _ in await asyncio.wait_for(inbox.take(), timeout=60)]
            return said

        threads = [threading.Thread(target=speak, args=(inbox,)) for inbox in inboxes]
        for thread in threads:
            thread.start()
        said = await asyncio.gather(*[listen(inbox) for inbox in inboxes])
        for thread in threads:
            thread.join()
        return said

    assert asyncio.run(collect()) == [list(range(2000))] * 3


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
    mailbox = Mailbox(loop)
    mailbox.inbox().put(0, NewToken(0, None))
    mailbox.wake()
