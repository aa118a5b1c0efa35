"""A run as data: what is trained on what and how; read from TOML, checked against the constructors."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tomli_w

from isotropy import encoders
from isotropy.data import read
from isotropy.errors import UserError, nearest
from isotropy.io.json_file import check_arguments
from isotropy.methods import METHODS, find_method, method_name
from isotropy.methods.method import Method
from isotropy.modalities import MODALITIES, VIEWS_OF_THE_DATA
from isotropy.registry import refuse_unimported
from isotropy.representation.embeddings import check_embedding
from isotropy.runs.auto import AUTO, method_for
from isotropy.runs.defaults import DEFAULTS
from isotropy.runs.settings import check_options, check_type, current_name
from isotropy.training import Optim
from isotropy.training.plan import MOST_EPOCHS
from isotropy.training.precision import PRECISIONS


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long and in which steps a run trains; the arguments of `isotropy.training.fit`.

    Raises:
        UserError: a number outside its range, or an unknown precision.
    """

    epochs: float = 10.0
    batch_size: int = 256
    seed: int = 0
    precision: str = "auto"
    keep_last: bool = False
    micro_batch: int = 0
    compile: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.epochs <= MOST_EPOCHS:
            most = f" and at most {MOST_EPOCHS:,}" if self.epochs > MOST_EPOCHS else ""
            raise UserError(f"train.epochs = {self.epochs:g} must be a number above 0{most}")
        for key, least in (("batch_size", 2), ("seed", 0), ("micro_batch", 0)):
            if not least <= (value := getattr(self, key)) < 1 << 32:
                raise UserError(f"train.{key} = {value} must be a whole number of at least {least} and below 2^32")
        if self.precision not in PRECISIONS:
            raise UserError(f"train.precision = {self.precision!r} is unknown{nearest(self.precision, PRECISIONS)}")

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `fit`; a `micro_batch` of 0 means none."""
        return asdict(self) | {"micro_batch": self.micro_batch or None}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A run as data.

    Args:
        modality: a name of `MODALITIES`.
        method: a name of `METHODS`, or a class (kept as "module:Class"), and `method_options`, its arguments.
        encoder: a name of `ENCODERS`, "timm:MODEL" or a class, and `encoder_options`.
        views: arguments of the modality's view maker; with "name" "structured" or "moved", of those of the encoder's
            own group.
        optim: the optimiser. train: length, batches, seed, precision.
        data: where the data came from, as `isotropy.data.read` takes it.
        init: {"weights": a run, a .safetensors file or a .pt state dictionary to begin with (`runs.initial`), "freeze":
            how many of the encoder's first layers stay as they are}; {} for random weights.
        embedding: what the run gives of a row, a name of `representation.EMBEDDINGS`: "learned" or "joined". A file
            that does not say it means the encoder's vectors alone, "learned"; `default` takes the modality's.

    Raises:
        UserError: an unknown name or option, with the nearest valid one, a value of another type, or a method
            that does not take the modality.

    Example:
        >>> recipe = Recipe.default("simclr", "table").changed({"method.temperature": 0.2})
        >>> recipe.method_options
        {'temperature': 0.2}
    """

    modality: str
    method: str
    method_options: dict[str, Any] = field(default_factory=dict)
    encoder: str = ""
    encoder_options: dict[str, Any] = field(default_factory=dict)
    views: dict[str, Any] = field(default_factory=dict)
    optim: Optim = field(default_factory=Optim)
    train: Train = field(default_factory=Train)
    data: dict[str, Any] = field(default_factory=dict)
    embedding: str = "learned"
    init: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("modality", "method", "encoder", "embedding"):
            _refuse_no_name(name, getattr(self, name))
        if self.modality not in MODALITIES:
            raise UserError(f"modality = {self.modality!r} is unknown{nearest(self.modality, MODALITIES)}")
        modality = MODALITIES[self.modality]
        check_embedding(self.embedding, self.modality)
        # By name from here on: a recipe is text in the end.
        if isinstance(self.method, type):
            object.__setattr__(self, "method", method_name(self.method))
        if isinstance(self.encoder, type):
            object.__setattr__(self, "encoder", encoders.encoder_name(self.encoder))
        method = find_method(self.method)
        if not method.takes(self.modality):
            raise UserError(_takes_no(self.method, method, self.modality))
        if not self.encoder:
            object.__setattr__(self, "encoder", modality.default_encoder)
        check_options(method, self.method_options, _GIVEN_METHODS, "method")
        views = {key: value for key, value in self.views.items() if key != "name"}
        check_options(modality.view_maker(self.views.get("name", "")), views, VIEWS_OF_THE_DATA, "views")

    @classmethod
    def default(cls, method: str | type[Method], modality: str) -> "Recipe":
        """Return the recipe that suits `method` (or "auto") on `modality` on one small machine."""
        _refuse_no_name("method", method)
        _refuse_no_name("modality", modality)
        method = method_name(method) if isinstance(method, type) else method
        method = method_for(modality) if method == AUTO else method
        settings = DEFAULTS.get((method, modality), {}) or DEFAULTS.get((method, ""), {})
        embedding = MODALITIES[modality].default_embedding if modality in MODALITIES else "learned"
        return cls(modality=modality, method=method, embedding=embedding).changed(settings)

    @classmethod
    def chosen(cls, recipe: "Recipe | Path | str | None", modality: str, settings: Mapping[str, Any]) -> "Recipe":
        """Return a recipe or the one in a file, or the default of the method in `settings`, with the settings.

        Where no method is named or it is "auto", `runs.auto` says which suits the modality.

        Raises:
            UserError: a recipe for another modality, or a setting that does not fit.
        """
        if recipe is None:
            found = cls.default(settings.get("method") or AUTO, modality)
        else:
            found = recipe if isinstance(recipe, Recipe) else cls.from_toml(Path(recipe), modality)
        if found.modality != modality:
            where = "the recipe" if isinstance(recipe, Recipe) else recipe
            raise UserError(f"{where}: is for {found.modality} data, and this is {modality} data")
        if settings.get("method") == AUTO:
            settings = {**settings, "method": method_for(modality)}
        return found.changed(settings)

    def changed(self, settings: Mapping[str, Any]) -> "Recipe":
        """Return this recipe with settings replaced: "section.key", "method", "encoder", "views" or "embedding"."""
        recipe = self
        for name, value in settings.items():
            recipe = recipe._with(name, value)
        return recipe

    def _with(self, name: str, value: Any) -> "Recipe":
        name = current_name(name, self.method)
        if isinstance(value, int) and abs(value) >= 1 << 53:
            raise UserError(f"{name} = {value} must be a number below 2^53")
        if name in ("views", "views.name"):
            _refuse_no_name(name, value)
        if name == "encoder":
            return replace(self, encoder=value, encoder_options={})
        if name == "method":
            return self if value == self.method else self._by(value)
        if name == "embedding":
            return replace(self, embedding=value)
        if name in ("views", "views.name"):
            return self if value == self.views.get("name", "") else replace(self, views={"name": value})
        section, dot, key = name.partition(".")
        if section not in _SECTIONS or not dot:
            if not dot:
                raise UserError(
                    f"setting {name!r} has no known section: write it as method.{name} or optim.{name} (sections: "
                    f"{', '.join(sorted(_SECTIONS))})"
                )
            raise UserError(f"setting {name!r} has no known section{nearest(name, [f'{s}.{key}' for s in _SECTIONS])}")
        if key == "name" and section in ("method", "encoder"):
            return self._with(section, value)
        if section in ("optim", "train"):
            old = getattr(self, section)
            known = {f.name: f.type for f in fields(old)}
            if key not in known:
                raise UserError(f"{section} has no setting {key!r}{nearest(key, known)}")
            check_type(f"{section}.{key}", value, known[key])
            return replace(self, **{section: replace(old, **{key: value})})
        if section == "init":
            if key not in _INIT:
                raise UserError(f"init has no setting {key!r}{nearest(key, _INIT)}")
            check_type(f"init.{key}", value, _INIT[key])
            return replace(self, init=self.init | {key: value})
        attribute = "views" if section == "views" else f"{section}_options"
        return replace(self, **{attribute: getattr(self, attribute) | {key: value}})

    def _by(self, method: str) -> "Recipe":
        """Return this recipe with another method and what suits it: its optimiser and batches, not the old one's."""
        other = Recipe.default(method, self.modality)
        kept = {name: getattr(self.train, name) for name in ("epochs", "seed", "precision", "compile")}
        same = {
            name: getattr(self, name) for name in ("encoder", "encoder_options", "views", "data", "embedding", "init")
        }
        return replace(other, train=replace(other.train, **kept), **same)

    def to_toml(self) -> str:
        """Return the recipe as TOML, which `from_toml` reads back to an equal recipe."""
        return tomli_w.dumps(
            {
                "modality": self.modality,
                "embedding": self.embedding,
                "method": {"name": self.method, **self.method_options},
                "encoder": {"name": self.encoder, **self.encoder_options},
                "views": self.views,
                "optim": asdict(self.optim) | {"betas": list(self.optim.betas)},
                "train": asdict(self.train),
                "data": {k: v for k, v in self.data.items() if v is not None},
                **({"init": self.init} if self.init else {}),
            }
        )

    @classmethod
    def from_toml(cls, path: Path, modality: str | None = None) -> "Recipe":
        """Return the recipe in a TOML file; what it leaves out is the method's default, a method the modality's.

        Raises:
            UserError: no such file, not TOML, names and values that do not fit, or a class of a module that this
                process has not imported.
        """
        if not path.is_file():
            raise UserError(f"{path}: no such recipe")
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        # Errors of its syntax and of its letters, numbers with thousands of digits, and lists in lists in lists.
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: not a TOML file: {error}") from error
        # What a record says of its own result ([record]) is for readers.
        content.pop("record", None)
        modality = content.pop("modality", None) or modality
        if modality is None:
            raise UserError(f"{path}: names no modality (valid: {', '.join(MODALITIES)})")
        embedding = content.pop("embedding", "learned")
        stray = next((name for name, values in content.items() if not isinstance(values, dict)), None)
        if stray is not None:
            raise UserError(f"{path}: {stray}: every setting stands in a section ([method], [train], ...)")
        method = dict(content.pop("method", {}))
        encoder = dict(content.pop("encoder", {}))
        try:
            refuse_unimported(str(method.get("name")), "method")
            encoders.refuse_unimported_encoder(str(encoder.get("name")))
            recipe = cls.default(method.pop("name", AUTO), modality)
            if name := encoder.pop("name", None):
                recipe = recipe.changed({"encoder": name})
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        data = dict(content.pop("data", {}))
        sections = {"method": method, "encoder": encoder, **content}
        try:
            check_arguments(read, {"dataset": None} | {name: one for name, one in data.items() if name != "path"})
            settings = {f"{s}.{k}": v for s, values in sections.items() for k, v in values.items()}
            return replace(recipe.changed(settings), data=data, embedding=embedding)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


LONGER = 3  # times as long is what may pay, where a run still learns


def longer(epochs: float) -> str:
    """Return the option that trains a finished run of so many epochs three times as long.

    Example:
        >>> longer(7.0)
        '--epochs 21'
    """
    return f"--epochs {LONGER * epochs:g}"


_SECTIONS = ("method", "encoder", "views", "optim", "train", "init")
_INIT: dict[str, Any] = {"weights": str, "freeze": int}
# Arguments that come from the data and not from the recipe.
_GIVEN_METHODS = ("encoder", "make_projector", "make_decoder", "n_samples", "numeric")


def _takes_no(method: str, kind: type[Method], modality: str) -> str:
    taken = " and ".join(kind.modalities or MODALITIES)
    others = ", ".join([name for name, other in METHODS.items() if other.takes(modality)][:3])
    return f"method {method!r} takes {taken} data, and this is {modality} data: use another ({others}, ...)"


def _refuse_no_name(setting: str, value: Any) -> None:
    if not isinstance(value, str | type):
        raise UserError(f"{setting} = {value!r} must be a name")
