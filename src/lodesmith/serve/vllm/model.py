"""A model that a vLLM answers for, behind the routes."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.data.tokenizer_settings import read_tokenizer_settings
from lodesmith.model.adapter_shape import CONFIG_FILE
from lodesmith.model.checkpoint import read_weights
from lodesmith.model.kinship import check_kinship
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.vllm.bodies import explain_error
from lodesmith.serve.vllm.command import MAX_ADAPTER_RANK
from lodesmith.serve.vllm.process import URL, VllmProcess
from lodesmith.serve.web.adapters import AdapterShelf

_TIMEOUT = httpx.Timeout(None, connect=10.0)  # how long an answer may take is bounded outside


@dataclass
class VllmClient:
    """The way to a vLLM from the event loop, and how many answers are on it."""

    process: VllmProcess
    num_asked: int = 0  # answers that are being waited for
    _http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        # A connection for each request: one that is kept may be closed there as it is used here.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(self.process.socket), limits=limits)
        self._http = httpx.AsyncClient(transport=transport, base_url=URL, timeout=_TIMEOUT)

    async def send(self, method: str, path: str, data: Any = None) -> httpx.Response:
        """Return an answer of which the body is still to be read; close it.

        Raises:
            ApiError: what vLLM says is wrong, or that there is none just now.
        """
        if self.process.trouble is not None:
            raise ApiError(503, self.process.trouble)
        try:
            request = self._http.build_request(method, path, json=data)
            answer = await self._http.send(request, stream=True)
            if answer.status_code >= 400:
                body = _as_object(await answer.aread())
                wait = answer.headers.get("retry-after")
                raise explain_error(answer.status_code, body, retry_after=wait)
        except httpx.TransportError:
            raise ApiError(503, "vllm ended while it answered; ask again") from None
        return answer

    async def fetch(self, method: str, path: str, data: Any = None) -> bytes:
        """Return the body of an answer.

        Raises:
            ApiError: as `send`.
        """
        answer = await self.send(method, path, data)
        try:
            return await answer.aread()
        except httpx.TransportError:
            raise ApiError(503, "vllm ended while it answered; ask again") from None
        finally:
            await answer.aclose()

    @contextlib.contextmanager
    def place_for(self, num_answers: int) -> Iterator[None]:
        """Hold places for answers that are asked for.

        Raises:
            ApiError: 429, too many are waited for already.
        """
        engine = self.process.command.engine
        most = engine.max_num_seqs + engine.max_num_queued_seqs
        if num_answers > most:
            raise ApiError(
                400, f"{num_answers} answers in one request; this server takes {most} at most"
            )
        if self.num_asked + num_answers > most:
            raise ApiError(
                429,
                f"{self.num_asked} answers are waited for and at most {most} may; try again later",
                code="queue_full",
            )
        self.num_asked += num_answers
        try:
            yield
        finally:
            self.num_asked -= num_answers

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


@dataclass(frozen=True)
class VllmModel:
    """One model by its name."""

    name: str
    client: VllmClient
    created: int  # seconds since 1970, shown by /v1/models
    max_model_len: int  # tokens of prompt and answer together
    vocab_size: int | None
    chat_template: str | None

    @property
    def owned_by(self) -> str:
        """What computes its answers."""
        return "vllm"

    @property
    def trouble(self) -> str | None:
        """Why it cannot answer now; None if it can."""
        return self.client.process.trouble

    @classmethod
    def of(cls, process: VllmProcess, *, created: int) -> "VllmModel":
        """Return the model of a vLLM that answers."""
        folder = process.command.folder
        with process.connect() as client:
            [card, *_] = client.get("/v1/models").json()["data"]
        return cls(
            name=process.command.name,
            client=VllmClient(process),
            created=created,
            max_model_len=card["max_model_len"],
            vocab_size=read_json(folder / "config.json").get("vocab_size"),
            chat_template=read_tokenizer_settings(folder).chat_template,
        )


def vllm_shelf(base: VllmModel, folder: Path) -> AdapterShelf[VllmModel]:
    """Return the shelf of adapters of a model."""
    process = base.client.process

    def put_on(name: str, adapter: Path) -> VllmModel:
        _check_adapter(adapter, process.command.folder)
        _change(process, "load", {"lora_name": name, "lora_path": str(adapter)})
        process.adapters[name] = adapter
        return replace(base, name=name)

    def take_off(name: str) -> None:
        process.adapters.pop(name, None)
        with contextlib.suppress(ApiError):  # it is down: one that is started again has it no more
            _change(process, "unload", {"lora_name": name})

    return AdapterShelf(folder, put_on, take_off)


def _check_adapter(adapter: Path, base: Path) -> None:
    """Refuse what vLLM would fail on, or put on weights that it was not made for."""
    try:
        rank = read_json(adapter / CONFIG_FILE)["r"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{adapter} holds no adapter, or its {CONFIG_FILE} is torn") from None
    if not isinstance(rank, int) or rank > MAX_ADAPTER_RANK:
        raise UserError(
            f"the adapter has rank {rank}; with vllm at most {MAX_ADAPTER_RANK} is served"
        )
    check_kinship(adapter, read_weights(base))


def _change(process: VllmProcess, verb: str, body: dict[str, str]) -> None:
    if process.trouble is not None:
        raise ApiError(503, process.trouble)
    try:
        with process.connect() as client:
            answer = client.post(f"/v1/{verb}_lora_adapter", json=body)
    except httpx.TransportError:
        raise ApiError(503, "vllm ended while it answered; ask again") from None
    if answer.status_code != 200:
        message = explain_error(answer.status_code, _as_object(answer.content), retry_after=None)
        raise UserError(f"vllm does not take it: {message}")


def _as_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
