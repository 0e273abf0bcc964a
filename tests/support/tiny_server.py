"""A tiny random model with a byte-level tokenizer, and a server of it in this process."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import openai
import torch
import uvicorn

from lodesmith.core.storage import write_json
from lodesmith.data.byte_level import byte_letters, pre_tokenizer
from lodesmith.data.chat import CHAT_TEMPLATE
from lodesmith.data.tokenizer import SPECIAL_TOKENS
from lodesmith.infer.config import EngineConfig
from lodesmith.model.checkpoint import save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.serve.access.catalogue import ServedModels
from lodesmith.serve.answers.service import Service
from lodesmith.serve.keeper import KeptEngine
from lodesmith.serve.web.adapters import shelf_of
from lodesmith.serve.web.app import create_app

LONGEST = 256
END_ID = 256 + SPECIAL_TOKENS.index("<|im_end|>")


TOOL_TEMPLATE = (
    "{%- if tools %}<|im_start|>system\n"
    "{% for tool in tools %}{{ tool | tojson }}{% endfor %}\n"
    "Call as <tool_call>\n{...}\n</tool_call><|im_end|>\n{% endif %}"
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def write_model_folder(folder, *, max_length=LONGEST, head_dim=8, chat_template=CHAT_TEMPLATE):
    torch.set_num_threads(1)
    config = DecoderConfig(
        kind="qwen3", vocab_size=256 + len(SPECIAL_TOKENS), hidden_size=32, intermediate_size=48,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=head_dim,
        max_position_embeddings=max_length,
    )  # fmt: skip
    decoder = Decoder(config)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    save_decoder(folder, decoder, eos_ids=[END_ID])
    added = [
        {"id": 256 + place, "content": token, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False, "special": True}
        for place, token in enumerate(SPECIAL_TOKENS)
    ]  # fmt: skip
    letters = {letter: byte for byte, letter in enumerate(byte_letters())}
    write_json(
        folder / "tokenizer.json",
        {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None, "pre_tokenizer": pre_tokenizer(), "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                        "use_regex": False},
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": letters, "merges": []},
        },
    )  # fmt: skip
    write_json(
        folder / "tokenizer_config.json",
        {"eos_token": "<|im_end|>", "chat_template": chat_template},
    )
    return folder


class LocalServer:
    """A server on a thread of this process, with its engine in reach."""

    def __init__(
        self, loaded, *, keys=None, step_seconds=0.0, request_seconds=60.0, names=("tiny",),
        kept=False, adapters=None,
        **settings,
    ):  # fmt: skip
        limits = EngineConfig(num_threads=1, **settings)

        def start():
            return loaded.start_engine(limits)

        self.engine = KeptEngine(start) if kept else start()
        if step_seconds:
            self._slow_down(step_seconds)
        services = [
            Service(name=name, tokenizer=loaded.tokenizer, engine=self.engine, created=1)
            for name in names
        ]
        shelf = adapters and shelf_of(services[0], adapters)
        app = create_app(
            ServedModels(services), keys=keys, request_seconds=request_seconds, shelf=shelf
        )
        config = uvicorn.Config(app, log_level="warning")
        self._server = uvicorn.Server(config)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, args=([listener],))

    def __enter__(self):
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *error):
        self._server.should_exit = True
        self._thread.join()
        self.engine.close()

    def _slow_down(self, seconds):
        step = self.engine._step

        def slow_step():
            time.sleep(seconds)
            step()

        self.engine._step = slow_step

    def post(self, path, body, **options):
        options = {"timeout": 60, **options}  # a loaded machine is slow
        data = options.pop("content", json.dumps(body))  # httpx's cannot spell half a character
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return httpx.post(
            f"{self.url}{path}", content=data, headers=headers, trust_env=False, **options
        )

    def get(self, path, **options):
        return httpx.get(f"{self.url}{path}", trust_env=False, **{"timeout": 60, **options})

    def wait_for(self, condition, *, seconds=30.0):
        deadline = time.monotonic() + seconds
        while not condition(self.engine.stats()):
            assert time.monotonic() < deadline, self.engine.stats()
            time.sleep(0.01)


@contextmanager
def openai_client(server):
    """Yield OpenAI's own client of a server."""
    with (
        openai.DefaultHttpxClient(trust_env=False) as http_client,
        openai.OpenAI(
            base_url=f"{server.url}/v1", api_key="none", http_client=http_client, max_retries=0
        ) as client,
    ):
        yield client
