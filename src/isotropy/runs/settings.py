"""Settings as a user writes them, and whether they fit the constructor that takes them."""

import inspect
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any, get_args, get_origin

from isotropy.errors import UserError, nearest
from isotropy.io.json_file import MOST_NUMBER

# Settings that had another name in version 0.1: recipes and run directories of that time are read, with one line.
RENAMED = {
    "views.looks": "views.num_views",
    "train.chunk": "train.micro_batch",
    "lfr/method.offdiagonal": "method.off_diagonal_weight",
    "lfr/method.sparse_init": "method.sparse_fraction",
    "vicreg/method.expander": "method.projector",
    "vicreg/method.invariance": "method.invariance_weight",
    "vicreg/method.variance": "method.variance_weight",
    "vicreg/method.covariance": "method.covariance_weight",
    "barlow_twins/method.lambda_": "method.off_diagonal_weight",
    "barlow_twins/method.scale": "method.loss_scale",
    "w_mse/method.hidden": "method.projector_hidden",
    "w_mse/method.emb": "method.projector_width",
    "w_mse/method.w_size": "method.sub_batch_size",
    "w_mse/method.w_iter": "method.num_partitions",
    "swav/method.prototypes": "method.num_prototypes",
    "swav/method.epsilon": "method.sinkhorn_epsilon",
    "swav/method.iterations": "method.sinkhorn_iterations",
    "swav/method.assigned": "method.num_assigned",
    "swav/method.queue_length": "method.queue_size",
    "dino/method.prototypes": "method.num_prototypes",
    "dino/method.norm": "method.batch_norm",
    "dino/method.warmup": "method.warmup_fraction",
    "dino/method.centre_momentum": "method.center_momentum",
    "music/method.diagonal": "method.diagonal_weight",
    "music/method.off_diagonal": "method.off_diagonal_weight",
    "music/method.transform": "method.transform_weight",
    "lejepa/method.lambda_": "method.gaussian_weight",
    "lejepa/method.knots": "method.num_knots",
    "cissl/method.predictor_hidden": "method.student_hidden",
    "dissl/method.categories": "method.num_categories",
    "dissl/method.bottleneck": "method.bottleneck_width",
    "dissl/method.lambd": "method.balance_weight",
    "dissl/method.beta": "method.certainty_weight",
    "center/method.lambd": "method.center_weight",
    "center_subtraction/method.lambd": "method.center_fraction",
    "ts_tcc/method.hidden": "method.context_width",
    "ts_tcc/method.heads": "method.num_heads",
    "ts_tcc/method.lambda1": "method.temporal_weight",
    "ts_tcc/method.lambda2": "method.contextual_weight",
    "ts2vec/method.alpha": "method.instance_weight",
    "ts2vec/method.mask": "method.mask_ratio",
    "masked/method.share": "method.mask_ratio",
    "masked/method.patch": "method.patch_size",
    "stab/method.drop": "method.drop_rate",
}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def parse_setting(text: str, written: str = "section.key=value") -> tuple[str, Any]:
    """Return the name and value of "section.key=value"; the value is read as TOML, else as a string.

    Example:
        >>> parse_setting("method.temperature=0.2"), parse_setting("optim.name=lars")
        (('method.temperature', 0.2), ('optim.name', 'lars'))
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: a setting is written {written}")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def current_name(name: str, method: str = "") -> str:
    """Return the name that a setting "section.key" of a method has today; warn in one line where it had another.

    Example:
        >>> current_name("train.epochs")
        'train.epochs'
    """
    new = RENAMED.get(f"{method}/{name}") or RENAMED.get(name)
    if new is None:
        return name
    warnings.warn(f"{name} is called {new} now; the old name goes in the next minor version", stacklevel=2)
    return new


def check_options(kind: Callable[..., Any], options: Mapping[str, Any], given: Sequence[str], section: str) -> None:
    """Raise UserError for options of a `section` that the constructor `kind` does not name or whose types do not fit.

    Arguments that are `given` are not the user's to set.
    """
    named = {k: p for k, p in inspect.signature(kind, eval_str=True).parameters.items() if k not in given}
    for name, value in options.items():
        if name not in named:
            raise UserError(f"{section} has no option {name!r}{nearest(name, named)}")
        check_type(f"{section}.{name}", value, named[name].annotation)


def check_type(name: str, value: Any, wanted: Any) -> None:
    """Raise UserError for a value that an annotation of numbers, texts, truth values and lists of them does not allow.

    Example:
        >>> check_type("train.seed", 3, int)
        >>> check_type("views.blur", [1, 0.1], float | Sequence[float])
        >>> check_type("method.projector", [64, "x"], Sequence[int])
        Traceback (most recent call last):
        isotropy.errors.UserError: method.projector = [64, 'x'] must be a list of whole numbers
    """
    kinds = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    one = [kind for kind in kinds if kind in _NAMES]
    many = [get_args(kind)[0] for kind in kinds if get_origin(kind) in (Sequence, tuple)]
    if isinstance(value, list | tuple):
        fits = any(all(_is(item, kind) for item in value) for kind in many)
    else:
        fits = any(_is(value, kind) for kind in one)
    if not fits:
        names = [_NAMES[kind] for kind in one] + [f"a list of {_NAMES.get(k, 'a table')[2:]}s" for k in many]
        raise UserError(f"{name} = {value!r} must be {' or '.join(names)}")


def _is(value: Any, kind: Any) -> bool:
    if kind is float:
        return isinstance(value, float) or type(value) is int and abs(value) < MOST_NUMBER
    if kind is int:
        return type(value) is int and abs(value) < 1 << 53
    if kind in _NAMES:
        return type(value) is kind
    return isinstance(value, Mapping)


def label_names(origin: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the labels are called that keywords of `isotropy.read` name.

    Example:
        >>> label_names({"label": "kind"}), label_names({})
        (('kind',), ('label',))
    """
    given = origin.get("label") or origin.get("label_key") or "label"
    return (given,) if isinstance(given, str) else tuple(given)
