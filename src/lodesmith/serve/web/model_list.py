"""The routes that tell which models there are and whether they answer, whatever computes them."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from lodesmith.serve.access.catalogue import T
from lodesmith.serve.access.front import Front


def add_model_list(app: FastAPI, front: Front[T]) -> None:
    """Add the routes that list models, describe one, and tell whether all work."""

    @app.get("/v1/models")
    async def list_models(request: Request) -> dict[str, Any]:
        """Return the models that the caller may use."""
        visible = front.models.visible_to(front.caller(request))
        return {"object": "list", "data": [_card(model) for model in visible]}

    @app.get("/v1/models/{name:path}")
    async def show_model(name: str, request: Request) -> dict[str, Any]:
        """Return the model of that name."""
        return _card(front.models.find(name, front.caller(request)))

    @app.get("/health")
    async def tell_health() -> Response:
        """Tell whether all models can answer."""
        trouble = next((each for each in (model.trouble for model in front.models) if each), None)
        if trouble is not None:
            return JSONResponse({"status": trouble}, status_code=503)
        return JSONResponse({"status": "ok"})


def _card(model: T) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "max_model_len": model.max_model_len,
    }
