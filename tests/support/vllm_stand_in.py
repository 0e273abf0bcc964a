"""What vLLM 0.32 answers, over our own engine: for machines on which there is none.

    python vllm_stand_in.py serve FOLDER --uds FILE ...

It differs from our server as vLLM does: it ignores fields that it does not know, takes a grammar
as `structured_outputs`, writes errors in a form of its own, shows folders in /v1/models, counts
usage in every chunk in its own order, makes no embeddings, and leaves a process behind when it is
killed. What it answers was compared with a real one by `test_vllm_backend.py`.
"""

import argparse
import contextvars
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import uvicorn

from lodesmith.infer.config import EngineConfig
from lodesmith.infer.load import open_folder
from lodesmith.serve.access.catalogue import ServedModels
from lodesmith.serve.answers import requests
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.protocol import ChatBody, CompletionBody, DetokenizeBody, TokenizeBody
from lodesmith.serve.keeper import KeptEngine
from lodesmith.serve.web.adapters import shelf_of
from lodesmith.serve.web.app import create_app

BODIES = {
    "/v1/chat/completions": ChatBody, "/v1/completions": CompletionBody,
    "/tokenize": TokenizeBody, "/detokenize": DetokenizeBody,
}  # fmt: skip
GRAMMAR = contextvars.ContextVar("grammar", default=None)


def read_options():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("verb", choices=["serve"]), parser.add_argument("folder", type=Path)
    parser.add_argument("--uds", required=True), parser.add_argument("--served-model-name")
    (
        parser.add_argument("--max-num-seqs", type=int),
        parser.add_argument("--max-model-len", type=int),
    )
    parser.add_argument("--generation-config", choices=["vllm"], required=True)
    parser.add_argument("--structured-outputs-config", type=json.loads, required=True)
    parser.add_argument("--no-enable-log-requests", action="store_true", required=True)
    parser.add_argument("--disable-uvicorn-access-log", action="store_true", required=True)
    parser.add_argument("--enable-auto-tool-choice", action="store_true")
    parser.add_argument("--tool-call-parser", choices=["hermes"])
    parser.add_argument("--gpu-memory-utilization", type=float)
    parser.add_argument("--enforce-eager", action="store_true"), parser.add_argument("--dtype")
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--max-loras", type=int), parser.add_argument("--max-lora-rank", type=int)
    return parser.parse_args()


class LikeVllm:
    """An ASGI application that makes ours speak as vLLM does."""

    def __init__(self, app, folder):
        self.app, self.folder = app, folder

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == "/v1/embeddings":
            await answer(send, 404, {"detail": "Not Found"})
        else:
            body = self.read(scope["path"], await whole_body(receive))
            length = (b"content-length", str(len(body)).encode())
            others = [(name, value) for name, value in scope["headers"] if name != length[0]]
            scope["headers"] = [*others, length]
            await self.app(scope, replay(body, receive), self.change(scope["path"], send))

    def change(self, path, send):
        parts, head = [], []

        async def send_changed(message):
            if message["type"] == "http.response.start":
                head.append(message)
                if is_stream(message):
                    await send(message)
            elif is_stream(head[0]):
                await send({**message, "body": reorder(message.get("body", b""))})
            else:
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    await self.write(path, head[0], b"".join(parts), send)

        return send_changed

    def read(self, path, body):
        if path not in BODIES:
            return body
        data = json.loads(body)
        GRAMMAR.set(data.get("structured_outputs", {}).get("grammar"))
        known = BODIES[path].model_fields
        return json.dumps({name: value for name, value in data.items() if name in known}).encode()

    async def write(self, path, head, data, send):
        status = head["status"]
        if path == "/health":
            await answer(send, status, None)
        elif path == "/v1/models":
            cards = json.loads(data)
            for card in cards["data"]:
                card.update(owned_by="vllm", root=str(self.folder), permission=[])
            await answer(send, status, cards)
        elif status >= 400:
            error = json.loads(data)["error"]
            if error["code"] == "context_length_exceeded":
                error["message"] = f"This model's maximum context length: {error['message']}"
            kind = {404: "NotFoundError", 400: "BadRequestError"}.get(status, "InternalServerError")
            await answer(send, status, {"error": {**error, "type": kind, "code": status}})
        else:
            await send(head)
            await send({"type": "http.response.body", "body": data})


async def whole_body(receive):
    body, goes_on = b"", True
    while goes_on:
        message = await receive()
        body, goes_on = body + message.get("body", b""), message.get("more_body")
    return body


def replay(body, receive):
    left = [{"type": "http.request", "body": body}]

    async def receive_again():
        return left.pop() if left else await receive()

    return receive_again


def is_stream(head):
    return dict(head["headers"]).get(b"content-type", b"").startswith(b"text/event-stream")


def reorder(body):
    """vLLM says what was used after the choices and before its own name."""
    return body.replace(b"}}\n\n", b'},"system_fingerprint":"vllm-0.32.0"}\n\n')


async def answer(send, status, data):
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = b"" if data is None else json.dumps(data, separators=(",", ":")).encode()
    await send({"type": "http.response.body", "body": body})


def main():
    options = read_options()
    assert os.environ["VLLM_NO_USAGE_STATS"] == os.environ["HF_HUB_OFFLINE"] == "1"
    assert int(os.environ["VLLM_CPU_KVCACHE_SPACE"]) >= 1
    assert options.structured_outputs_config == {"backend": "guidance"}
    subprocess.Popen(["sleep", "600"])  # as its workers, which outlive it
    requests._has_form = lambda body: GRAMMAR.get() is not None
    requests._form_of = use_grammar
    engine = EngineConfig(max_num_seqs=options.max_num_seqs, max_model_len=options.max_model_len)
    loaded = open_folder(options.folder, name=options.served_model_name)
    with KeptEngine(lambda: loaded.start_engine(engine)) as kept:
        service = Service(
            name=options.served_model_name, tokenizer=loaded.tokenizer, engine=kept,
            created=int(time.time()),
        )  # fmt: skip
        shelf = shelf_of(service, Path("/")) if options.enable_lora else None
        app = LikeVllm(create_app(ServedModels([service]), shelf=shelf), options.folder)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(options.uds)
            listener.listen()
            uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def use_grammar(body, chat_template, check):
    del body, chat_template
    return check(GRAMMAR.get())


if __name__ == "__main__":
    sys.exit(main())
