"""A recipe: one YAML that describes the life of a model, its sections named after the rooms."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, Tag, model_validator

from lodesmith.acquire.config import AcquireConfig
from lodesmith.core.config import Config, validate
from lodesmith.core.errors import UserError
from lodesmith.core.seal.config import PrivacyConfig
from lodesmith.core.yaml_text import parse_yaml
from lodesmith.evaluate.config import EvaluateConfig
from lodesmith.model.config import ModelConfig
from lodesmith.plan.config import PlanConfig
from lodesmith.prepare.config import PrepareConfig
from lodesmith.pretrain.config import PretrainConfig
from lodesmith.serve.config import ServeConfig
from lodesmith.tokenize.config import TokenizeConfig
from lodesmith.tune.config import TuneConfig
from lodesmith.tune.domains import DomainConfig, tune_kind

# A section, and those that it cannot do without.
_NEEDS = {
    "prepare": ("acquire",),
    "tokenize": ("prepare",),
    "pretrain": ("tokenize", "model"),
    "evaluate": ("pretrain",),
    "serve": ("pretrain",),
}

_MODEL_SIGNS = ("config.json", "adapter_config.json", "*.gguf", "step-*/committed.json")


TuneSection = Annotated[
    Annotated[TuneConfig, Tag("<TuneConfig>")]
    | Annotated[list[DomainConfig], Field(min_length=1), Tag("<domains>")],
    Discriminator(tune_kind),
]


class Recipe(Config):
    """The life of a model. A section that is left out is a stage that is not run."""

    acquire: AcquireConfig | None = None
    """Where raw pages come from."""

    prepare: PrepareConfig | None = None
    """How pages become clean documents."""

    tokenize: TokenizeConfig | None = None
    """The tokenizer, and which documents are held out."""

    model: ModelConfig | None = None
    """The shape of the network."""

    pretrain: PretrainConfig | None = None
    """How the base model is trained."""

    tune: TuneSection | None = None
    """How the base model learns to chat; or a list of domains, learnt one after the other."""

    evaluate: EvaluateConfig | None = None
    """What is measured, against which baselines."""

    serve: ServeConfig | None = None
    """What the finished model is asked, and the server's settings."""

    privacy: PrivacyConfig | None = None
    """Whose data the recipe's domains are learnt from, sealed for everybody else."""

    plan: PlanConfig | None = None
    """The cluster that `lodesmith plan` lays the recipe out on."""

    @model_validator(mode="after")
    def _check_sections(self) -> "Recipe":
        for section, needs in _NEEDS.items():
            for need in needs:
                if getattr(self, section) is not None and getattr(self, need) is None:
                    raise ValueError(f"the section {section} needs a section {need}; add one")
        if isinstance(self.tune, TuneConfig) and self.pretrain is None:
            raise ValueError("the section tune needs a section pretrain; add one")
        if self.privacy is not None and not self.domains:
            raise ValueError(
                "the section privacy is for a tune that is a list of domains, which alone open "
                "sealed files (method: pretraining learns plain texts); add one"
            )
        names = [domain.domain for domain in self.domains]
        if len(set(names)) != len(names):
            raise ValueError(f"tune names a domain twice: {', '.join(names)}")
        return self

    @property
    def domains(self) -> list[DomainConfig]:
        """The domains of a chain; none where `tune` is not a list."""
        return self.tune if isinstance(self.tune, list) else []


class _Cleaning(Config):
    """A recipe of one section, for `lodesmith clean`."""

    prepare: PrepareConfig | None = None


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe, and what it is called."""

    name: str  # shipped name, or the file's name without its ending
    origin: str  # for messages: the file's path, or "recipe NAME"
    recipe: Recipe


def shipped_recipes() -> list[str]:
    """Return the names of the recipes inside the package."""
    folder = resources.files("lodesmith") / "recipes"
    return sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".yaml"))


def is_recipe_name(name: str) -> bool:
    """Tell whether a word of the command line means a recipe rather than a model.

    Raises:
        UserError: it is the name of a shipped recipe, and of a folder here that holds a model.
    """
    if name in shipped_recipes() and _holds_model(Path(name)):
        raise UserError(
            f"{name} is a recipe that ships with lodesmith, and here a folder with a model too; "
            f"write ./{name} for the folder, or give the command from elsewhere for the recipe"
        )
    return name.endswith((".yaml", ".yml")) or name in shipped_recipes()


def nearest_recipe(name: str) -> str | None:
    """Return the recipe, shipped or in this folder, that a name is nearly the name of."""
    here = {path.stem: path.name for path in Path().glob("*.y*ml")}
    known = {recipe: recipe for recipe in shipped_recipes()} | here
    close = difflib.get_close_matches(name, known, n=1)
    return known[close[0]] if close else None


def _holds_model(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in _MODEL_SIGNS)


def read_recipe(name: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Return a recipe by path or by shipped name, with command-line settings laid over it.

    Raises:
        UserError: there is no such recipe, or it has faults (all of them are named).
    """
    label, origin, text = _read_text(name)
    recipe = validate(Recipe, parse_yaml(text, origin=origin), origin=origin, overrides=overrides)
    return LoadedRecipe(name=label, origin=origin, recipe=recipe)


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Return the settings of a recipe; see `read_recipe`."""
    return read_recipe(name, overrides).recipe


def read_cleaning(name: str) -> PrepareConfig:
    """Return the settings of a recipe's section prepare, which may be all that it has.

    Raises:
        UserError: as `read_recipe`; or the recipe has no such section.
    """
    _, origin, text = _read_text(name)
    found = parse_yaml(text, origin=origin)
    if isinstance(found.data, dict) and set(found.data) == {"prepare"}:
        config = validate(_Cleaning, found, origin=origin).prepare
    else:
        config = validate(Recipe, found, origin=origin).prepare
    if config is None:
        raise UserError(f"the recipe {name} has no section prepare; leave --recipe away")
    return config


def _read_text(name: str) -> tuple[str, str, str]:
    path = Path(name)
    if name in shipped_recipes():
        text = (resources.files("lodesmith") / "recipes" / f"{name}.yaml").read_text("utf-8")
        return name, f"recipe {name}", text
    if path.suffix not in (".yaml", ".yml"):
        close = difflib.get_close_matches(name, shipped_recipes(), n=1)
        hint = f"; did you mean {close[0]}? Give" if close else "; give"
        raise UserError(
            f"there is no recipe {name}{hint} a path ending in .yaml, or one of: "
            f"{', '.join(shipped_recipes())}"
        )
    try:
        return path.stem, str(path), path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
