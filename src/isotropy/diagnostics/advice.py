"""What to try, by verdict and mechanism: a table of texts that name settings which the method has."""

from types import MappingProxyType

# What keeps a method from collapse, or what it learns from.
MECHANISMS = MappingProxyType(
    {
        **dict.fromkeys(("byol", "simsiam", "stab"), "predictor"),
        **dict.fromkeys(("simclr", "dacl", "scarf", "moco_v3", "nnclr", "cissl", "ts_tcc", "ts2vec"), "contrast"),
        **dict.fromkeys(("swav", "dino", "dissl", "music"), "codes"),
        **dict.fromkeys(("lfr", "autoencoder", "masked", "diet"), "targets"),
    }
)

_RATE = "lower optim.lr tenfold, and raise optim.warmup to 0.1"
_VIEWS = "look at the views: views of different samples must differ, and a view must keep what its sample is"
_LONGER = "train longer (raise train.epochs), or raise optim.lr threefold"
_RANK = "weaken the strongest change between views (the views' settings), so that views share more than one thing"

# (verdict, method, mechanism or "" for any) -> texts; the most special entry is taken.
ADVICE: dict[tuple[str, str], tuple[str, ...]] = {
    ("divergence", ""): (_RATE,),
    ("divergence", "vicreg"): (_RATE, "lower method.invariance, method.variance and method.covariance together"),
    ("divergence", "barlow_twins"): (_RATE, "lower method.scale"),
    ("point collapse", ""): (_VIEWS, _RATE),
    ("point collapse", "predictor"): (
        "let the predictor keep up: raise method.predictor_hidden, and lower optim.lr (the predictor must be near its "
        "best for the projections of the moment)",
        _VIEWS,
    ),
    ("point collapse", "byol"): (
        "raise method.momentum towards 1 (a slower teacher), or raise method.predictor_hidden",
        _VIEWS,
    ),
    ("point collapse", "contrast"): ("lower optim.lr, or raise train.batch_size: more samples to tell apart", _VIEWS),
    ("point collapse", "vicreg"): ("raise method.variance until it is at least method.invariance", _VIEWS),
    ("point collapse", "lejepa"): ("raise method.lambda_, the weight of the spread", _VIEWS),
    ("point collapse", "center"): ("raise method.lambd towards 1, the weight of the centre", _VIEWS),
    ("point collapse", "center_subtraction"): (
        "raise method.lambd towards 1, or lower method.momentum, so that the centre keeps up",
        _VIEWS,
    ),
    ("dimensional collapse", ""): (_RANK, "raise train.batch_size, or lower optim.lr"),
    ("dimensional collapse", "barlow_twins"): ("raise method.lambda_, the weight of what dimensions share", _RANK),
    ("dimensional collapse", "vicreg"): ("raise method.covariance, or method.variance", _RANK),
    ("dimensional collapse", "simclr"): ("lower method.temperature, or raise train.batch_size", _RANK),
    ("dimensional collapse", "predictor"): ("raise method.predictor_hidden, or raise optim.weight_decay", _RANK),
    ("dimensional collapse", "center"): ("a short centre asks for no more than two points: take vicreg or simclr",),
    ("dimensional collapse", "targets"): ("lower optim.weight_decay, or lower optim.lr",),
    ("uniform codes", ""): (_RATE, _VIEWS),
    ("uniform codes", "dino"): (
        "lower method.teacher_temperature and method.warmup_temperature: the teacher must be sharper than "
        "method.student_temperature",
        "raise method.frozen_passes, or lower optim.lr",
    ),
    ("uniform codes", "swav"): (
        "lower method.epsilon and method.temperature: the codes must be sharp",
        "raise method.frozen_passes, or lower method.prototypes towards the batch's rows",
    ),
    ("uniform codes", "dissl"): ("raise method.beta (sureness), with method.lambd above 1 + beta", _VIEWS),
    ("uniform codes", "music"): ("raise method.diagonal, or lower method.temperature", _VIEWS),
    ("one code", ""): (_VIEWS, _RATE),
    ("one code", "dino"): ("lower method.centre_momentum, so that the centre keeps up with the teacher", _VIEWS),
    ("one code", "swav"): ("raise method.iterations, or raise method.epsilon: clusters must be equally full", _VIEWS),
    ("one code", "dissl"): ("raise method.lambd above 1 + method.beta: balance must outweigh sureness", _VIEWS),
    ("one code", "music"): ("raise method.diagonal and method.off_diagonal against method.transform", _VIEWS),
    ("shortcut", ""): (
        "strengthen the views where they agree by little else (colour, a border, a time stamp in the views' settings)",
        "raise train.batch_size, or train shorter (lower train.epochs)",
    ),
    ("no better than the random encoder", ""): (_LONGER, _VIEWS),
    ("no better than the random encoder", "byol"): (
        "lower method.momentum: at 1 the teacher stays random, and nothing better is predicted",
        _LONGER,
    ),
    ("no better than the random encoder", "moco_v3"): ("lower method.momentum, below 1", _LONGER),
    ("no better than the random encoder", "lfr"): ("raise train.epochs, or lower method.predictor_passes",),
    ("not yet learning", ""): (_LONGER, "weaken the views (the views' settings): they may have nothing in common"),
    ("not yet learning", "dino"): ("lower method.frozen_passes, or raise optim.lr", _VIEWS),
    ("not yet learning", "swav"): ("lower method.frozen_passes, or raise optim.lr", _VIEWS),
    ("unknown", ""): ("without a verdict, probe a label: isotropy probe RUN PATH --label NAME",),
}


def advice_on(verdict: str, method: str) -> tuple[str, ...]:
    """Return one or two things to try, of the method, of its mechanism, or of any; none where all is well.

    Args:
        verdict: a name of `VERDICTS`. method: a name of `METHODS`.

    Example:
        >>> advice_on("one code", "dissl")[0]
        'raise method.lambd above 1 + method.beta: balance must outweigh sureness'
    """
    for kind in (method, MECHANISMS.get(method, ""), ""):
        if texts := ADVICE.get((verdict, kind)):
            return texts
    return ()
