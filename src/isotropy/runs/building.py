"""A recipe's method and views, with weights drawn from its seed or begun with those of a file."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from isotropy import encoders
from isotropy.data import ArrayDataset, Preprocess
from isotropy.errors import UserError, counted
from isotropy.methods import find_method
from isotropy.methods.method import Method
from isotropy.modalities import MODALITIES
from isotropy.nn.bounded import bounded
from isotropy.runs.initial import begin_with, freeze
from isotropy.runs.recipe import Recipe
from isotropy.views import Plain
from isotropy.views.multiview import ViewMaker


def build(
    recipe: Recipe, preprocess: Preprocess, dataset: ArrayDataset, encoder: nn.Module | None = None
) -> tuple[Method, ViewMaker]:
    """Return the recipe's method, with weights drawn from the recipe's seed, and its view maker.

    Args:
        recipe: what to build. preprocess: learnt on the training rows, `dataset`.
        encoder: a network of the user's own instead of the recipe's.

    Raises:
        UserError: options that do not fit each other, named.
    """
    method = find_method(recipe.method)
    modality = MODALITIES[recipe.modality]
    named = inspect.signature(method).parameters
    options = _tuples(recipe.method_options)
    given: dict[str, Any] = {
        "make_projector": modality.random_projector and partial(modality.random_projector, preprocess.shape),
        "make_decoder": modality.decoder and partial(modality.decoder, preprocess.shape),
        "n_samples": len(dataset),
        "numeric": preprocess.shape.get("numeric"),
    }
    for name in ("make_projector", "make_decoder"):
        if name in named and given[name] is None:
            raise UserError(f"method {recipe.method!r} needs what {modality.name} data has not ({name})")
    with bounded(), torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the GPUs' generators too.
        torch.default_generator.manual_seed(recipe.train.seed)
        if encoder is None:
            encoder = encoders.build(recipe.encoder, modality.name, preprocess.shape, **recipe.encoder_options)
        if weights := recipe.init.get("weights"):
            begin_with(encoder, weights, preprocess)
        if count := recipe.init.get("freeze"):
            freeze(encoder, count)
        built = method(encoder, **{k: v for k, v in given.items() if k in named}, **options)
    return built, _view_maker(recipe, preprocess, dataset, built)


def _view_maker(recipe: Recipe, preprocess: Preprocess, dataset: ArrayDataset, method: Method) -> ViewMaker:
    if method.min_views == 1 and not recipe.views:
        return Plain()
    num_views = recipe.views.get("num_views", method.min_views)
    got = f"of a sample: views.num_views = {num_views}"
    if num_views < method.min_views:
        raise UserError(f"{recipe.method} compares at least {method.min_views} views {got}")
    if method.max_views is not None and num_views > method.max_views:
        raise UserError(f"{recipe.method} uses at most {counted(method.max_views, 'view')} {got}")
    options = {key: value for key, value in recipe.views.items() if key != "name"}
    if method.max_views is not None:
        options["num_views"] = num_views
    modality = MODALITIES[recipe.modality]
    kind = modality.view_maker(recipe.views.get("name", ""))
    if "base" in inspect.signature(kind).parameters:
        return _structured(kind, recipe, method, options)
    arguments = modality.view_arguments(preprocess, dataset)
    if "size" in arguments and isinstance(method.encoder, encoders.Encoder):
        arguments["size"] = method.encoder.view_size(arguments["size"])
    views: ViewMaker = kind(**(arguments | _tuples(options)))
    return views


def _structured(kind: Any, recipe: Recipe, method: Method, options: dict[str, Any]) -> ViewMaker:
    """Return the views of the encoder's own group; what a view reads is what the encoder's `read` says."""
    name, encoder = recipe.views["name"], method.encoder
    if method.min_views == 1:
        raise UserError(f"views.name = {name!r}: {recipe.method} compares no views; take a method that does, as simclr")
    if not isinstance(encoder, encoders.Equivariant):
        suited = [n for n, k in encoders.ENCODERS.items() if issubclass(k, encoders.Equivariant)]
        valid = [n for n in suited if encoders.ENCODERS[n].modality == recipe.modality]
        raise UserError(
            f"views.name = {name!r} needs an equivariant encoder, not {recipe.encoder!r}: "
            + (f"set encoder to one of {', '.join(valid)}" if valid else f"there is none for {recipe.modality} data")
        )
    read = encoder.read or 1
    if (size := options.pop("base_size", read)) != read:
        raise UserError(f"views.base_size = {size} and the encoder reads {read} place(s): set encoder.read = {size}")
    views: ViewMaker = kind(base=encoder.base, base_size=read, **_tuples(options))
    return views


def _tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
