"""Engines that fail: clients are told, a new engine answers, and endless failing ends."""

import os
import queue
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tiny_server import write_model_folder

from lodesmith.core.errors import EngineError
from lodesmith.infer.interface import Finished, FinishReason, GenerationRequest
from lodesmith.infer.load import open_folder
from lodesmith.serve.keeper import KeptEngine

CHAT = "/v1/chat/completions"
REQUEST = GenerationRequest(input_ids=(1, 2), max_tokens=2)


def chat():
    return {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}


def break_engine(engine):
    engine._step = lambda: (_ for _ in ()).throw(RuntimeError("broken"))


def ask(engine):
    """Return why a request ended."""
    events = queue.SimpleQueue()
    engine.submit([REQUEST], lambda _, event: events.put(event))
    while not isinstance(event := events.get(timeout=60), Finished):
        pass
    return event.reason


def test_whoever_is_being_answered_is_told_and_the_next_one_is_answered(start_server):
    server = start_server(kept=True)
    before = server.post(CHAT, {**chat(), "temperature": 0}).json()["choices"]
    break_engine(server.engine._engine)
    failed = server.post(CHAT, chat())
    assert failed.status_code == 500
    assert "RuntimeError" in failed.json()["error"]["message"]
    assert server.post(CHAT, {**chat(), "temperature": 0}).json()["choices"] == before
    assert server.get("/health").status_code == 200


def test_others_are_answered_while_an_engine_starts_again(start_server):
    server = start_server(kept=True)
    kept = server.engine
    start, is_starting, may_start = kept._start, threading.Event(), threading.Event()

    def start_late():
        is_starting.set()
        assert may_start.wait(60)
        return start()

    kept._start = start_late
    break_engine(kept._engine)
    assert server.post(CHAT, chat()).status_code == 500
    with ThreadPoolExecutor(3) as pool:
        try:
            waiting = [pool.submit(server.post, CHAT, chat()) for _ in range(3)]
            assert is_starting.wait(60)
            kept.cancel(0)  # as the end of a request of the failed engine does, on the event loop
            assert server.get("/v1/models").status_code == 200
        finally:
            may_start.set()
        assert [answer.result(60).status_code for answer in waiting] == [200] * 3


def test_an_engine_that_fails_again_and_again_is_left_alone(loaded):
    now = [0.0]

    def start():
        engine = loaded.start_engine()
        break_engine(engine)
        return engine

    with KeptEngine(start, clock=lambda: now[0]) as kept:
        for _ in range(4):  # the first engine, and three more
            assert ask(kept) is FinishReason.ERROR
        with pytest.raises(EngineError, match="has failed"):
            kept.submit([REQUEST], lambda *_: None)
        now[0] = 601.0
        assert ask(kept) is FinishReason.ERROR


def test_a_late_cancel_of_a_failed_engines_request_hurts_nobody_elses(start_server):
    server = start_server(kept=True, step_seconds=0.0)
    kept = server.engine
    break_engine(kept._engine)
    [old] = kept.submit([REQUEST], lambda *_: None)
    server.wait_for(lambda stats: stats.failure is not None)
    finished = []
    [new] = kept.submit([REQUEST], lambda _, event: finished.append(event))
    assert new != old
    kept.cancel(old)
    server.wait_for(lambda stats: stats.num_running == stats.num_waiting == 0)
    assert finished[-1].reason is FinishReason.LENGTH


def test_a_model_folder_that_is_torn_or_swapped_does_not_touch_what_is_served(
    start_server, tmp_path
):
    from lodesmith.infer.load import load_folder

    folder = write_model_folder(tmp_path / "model")
    server = start_server(loaded=load_folder(folder, name="tiny"))
    body = {**chat(), "temperature": 0, "max_tokens": 20}
    before = server.post(CHAT, body).json()["choices"]
    weights = next(folder.glob("*.safetensors"))
    weights.write_bytes(b"\0" * weights.stat().st_size)
    assert server.post(CHAT, body).json()["choices"] == before
    shutil.rmtree(folder)
    assert server.post(CHAT, body).json()["choices"] == before


def test_an_engine_starts_again_from_the_folder_only_while_that_is_as_it_was(tmp_path):
    folder = write_model_folder(tmp_path / "model")
    model = open_folder(folder, name="tiny")
    settings = folder / "config.json"
    before, seconds = settings.read_bytes(), settings.stat().st_mtime_ns
    with KeptEngine(model.start_engine) as kept:
        assert ask(kept) is FinishReason.LENGTH
        break_engine(kept._engine)
        assert ask(kept) is FinishReason.ERROR
        settings.write_bytes(before.replace(b"}", b" }", 1))
        with pytest.raises(EngineError, match="could not be started again"):
            ask(kept)
        assert kept.stats().failure is not None
        settings.write_bytes(before)
        os.utime(settings, ns=(seconds, seconds))
        assert ask(kept) is FinishReason.LENGTH
