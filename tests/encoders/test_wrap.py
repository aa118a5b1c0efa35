"""`wrap`: any module becomes an encoder, and what cannot be one is refused in one line."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isotropy import SelfSupervisedEncoder, encoders
from isotropy.encoders import Encoder, wrap
from isotropy.encoders.outputs import as_vectors
from isotropy.errors import UserError


class Mixes(nn.Module):
    """A network whose rows see each other."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.cumsum(0)


class Centred(nn.Module):
    """A network that does not notice the order of the rows."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Counted(nn.Module):
    """A network that sees how many rows there are."""

    def forward(self, x: Tensor) -> Tensor:
        return x / len(x)


class Mean(nn.Module):
    """The mean over tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


class Returns(nn.Module):
    """A network that returns what a function makes of the input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor):
        return self.function(x)


TOKENS = torch.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("module", "example", "width"),
    [
        (nn.Sequential(nn.Linear(4, 7), nn.BatchNorm1d(7)), torch.randn(3, 4), 7),
        (nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1)), torch.randn(2, 2, 9, 9), 4),
        (nn.Flatten(0), torch.randn(2, 1), 1),
    ],
)
def test_width_is_measured_whatever_the_network(module, example, width):
    encoder = wrap(module, example=example)
    assert encoder.width == width
    assert encoder(example).shape == (len(example), width)


def test_measuring_leaves_the_network_as_it_was():
    module = nn.Sequential(nn.Linear(4, 7), nn.BatchNorm1d(7), nn.Dropout(0.5))
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    wrap(module, example=torch.randn(5, 4))
    assert [part.training for part in module] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_given_width_is_checked():
    assert wrap(nn.Linear(4, 7), width=7)(torch.zeros(2, 4)).shape == (2, 7)
    with pytest.raises(UserError, match=r"Linear says width 8 and gives \(2, 7\) for rows \(2, 4\): set its width"):
        wrap(nn.Linear(4, 7), width=8)(torch.zeros(2, 4))
    with pytest.raises(UserError, match="has width 7 for the example, not 8"):
        wrap(nn.Linear(4, 7), width=8, example=torch.zeros(2, 4))
    with pytest.raises(UserError, match="width"):
        wrap(nn.Linear(4, 7))


def test_a_network_that_mixes_rows_is_refused():
    with pytest.raises(UserError, match="batch_first"):
        wrap(nn.GRU(3, 5), example=torch.randn(4, 6, 3))
    for mixing in (Mixes(), Centred(), Counted(), nn.Softmax(0)):
        with pytest.raises(UserError, match="other rows of its batch .an attention"):
            wrap(mixing, example=torch.randn(4, 3))
    with pytest.raises(UserError, match="0.self_attn needs batch_first=True"):
        wrap(nn.Sequential(nn.TransformerEncoderLayer(4, 2), Mean()), example=torch.randn(4, 5, 4))
    norm = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(UserError, match="1 keeps no running statistics"):
        wrap(nn.Sequential(nn.Linear(3, 4), norm), example=torch.randn(4, 3))


def test_outputs_that_are_no_rows_are_refused():
    class Says(nn.Module):
        def __init__(self, what):
            super().__init__()
            self.what = what

        def forward(self, x: Tensor):
            return self.what

    for what in (torch.zeros(()), torch.zeros(3, 2)):
        with pytest.raises(UserError, match="one row per input"):
            wrap(Says(what), example=torch.zeros(2, 4))
    for what in ((), None, "h", [[torch.zeros(2, 2)]]):
        with pytest.raises(UserError, match="must return a tensor"):
            wrap(Says(what), example=torch.zeros(2, 4))
    with pytest.raises(UserError, match="real numbers, not torch.int64"):
        wrap(Says(torch.zeros(2, 3, dtype=torch.int64)), example=torch.zeros(2, 4))


def test_a_wrapped_network_is_marked_as_custom():
    encoder = wrap(nn.Linear(4, 7), width=7)
    assert encoders.spec(encoder) == {"name": "custom", "arguments": {}}
    with pytest.raises(UserError, match="network of your own"):
        encoders.from_spec(encoders.spec(encoder))
    assert not encoder.convolutional
    assert wrap(nn.Conv1d(2, 4, 3), width=4).convolutional
    assert wrap(encoder) is encoder


def test_the_last_state_of_a_recurrent_network_is_taken_and_said():
    x = torch.randn(3, 6, 2)
    for net in (nn.GRU(2, 5, batch_first=True), nn.LSTM(2, 5, num_layers=2, batch_first=True)):
        with pytest.warns(UserWarning, match="the last state is taken, 5 numbers"):
            encoder = wrap(net, example=x)
        torch.testing.assert_close(encoder(x), net(x)[0][:, -1])
    both = nn.GRU(2, 5, batch_first=True, bidirectional=True, num_layers=2)
    with pytest.warns(UserWarning, match="10 numbers"):
        encoder = wrap(both, example=x)
    steps = both(x)[0]
    torch.testing.assert_close(encoder(x), torch.cat([steps[:, -1, :5], steps[:, 0, 5:]], dim=1))
    assert wrap(both, example=x, take=0, pool="max").width == 10


@pytest.mark.parametrize(
    ("given", "options", "words", "wanted"),
    [
        ({"last_hidden_state": TOKENS}, {}, "last_hidden_state is taken, the mean of its tokens", TOKENS.mean(1)),
        ({"last_hidden_state": TOKENS}, {"pool": "first"}, "last_hidden_state is taken", TOKENS[:, 0]),
        ({"last_hidden_state": TOKENS, "pooler_output": TOKENS[:, 1]}, {}, "pooler_output", TOKENS[:, 1]),
        ({"last_hidden_state": TOKENS, "pooler_output": None}, {}, "the mean of its tokens", TOKENS.mean(1)),
        ({"a": TOKENS[:, 0]}, {}, "a is taken", TOKENS[:, 0]),
        ({"a": TOKENS[:, 0], "b": TOKENS}, {"take": "b", "pool": "last"}, "", TOKENS[:, -1]),
        ((TOKENS[:, 1], TOKENS[:, 0]), {}, "of a tuple the first part", TOKENS[:, 1]),
        ((TOKENS[:, 1], TOKENS[:, 0]), {"take": 1}, "", TOKENS[:, 0]),
        (TOKENS, {}, "flattened to 12 numbers", TOKENS.reshape(2, 12)),
        (TOKENS, {"pool": "flatten"}, "", TOKENS.reshape(2, 12)),
        (TOKENS[..., None], {"pool": "max"}, "", TOKENS.amax(2)),
    ],
)
def test_what_is_taken_of_an_output(given, options, words, wanted):
    vectors, said = as_vectors(given, 2, **options)
    torch.testing.assert_close(vectors, wanted)
    assert words in said and bool(words) == bool(said)


def test_an_output_of_several_parts_is_asked_about():
    def net(x):
        return {"a": x, "b": x}

    with pytest.raises(UserError, match="returns a, b: say which with wrap.network, take=NAME"):
        wrap(Returns(net), example=torch.zeros(2, 3))
    with pytest.raises(UserError, match="returns no 'c'"):
        wrap(Returns(net), example=torch.zeros(2, 3), take="c")
    with pytest.raises(UserError, match="pool = 'meen' is unknown.*'mean'"):
        wrap(Returns(net), example=torch.zeros(2, 3), take="a", pool="meen")
    with pytest.raises(UserError, match="take = 5: the network returns 2 parts"):
        wrap(nn.GRU(3, 2, batch_first=True), example=torch.zeros(2, 4, 3), take=5)


@pytest.mark.parametrize(
    ("net", "line"),
    [
        (nn.Linear(3, 2).double(), "weights are torch.float64 .weight.*give network.float"),
        (nn.Linear(3, 2).half(), "weights are torch.float16"),
        (Returns(lambda x: x / 0), "NaN or infinity"),
        (Returns(lambda x: nn.functional.dropout(x)), "other numbers for the same rows every time"),
        (
            nn.Linear(5, 2),
            r"cannot take a batch \(4, 3\), 4 rows as the data or its views .*: build .* \(torch says: .*mat1 and mat2",
        ),
        (nn.Linear(3, 2, device="meta"), "device 'meta' .weight., without values"),
        (Returns(lambda x: x.add_(1)), "changes its input in place"),
        (lambda x: x, "a torch module .nn.Module., not function"),
    ],
)
def test_a_network_that_cannot_be_an_encoder_is_told_why(net, line):
    with pytest.raises(UserError, match=line):
        wrap(net, example=torch.randn(4, 3))


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_scripted_network_is_refused():
    for net in (torch.jit.script(nn.Linear(3, 2)), torch.jit.trace(nn.Linear(3, 2), torch.zeros(2, 3))):
        with pytest.raises(UserError, match="scripted or traced"):
            wrap(nn.Sequential(net), width=2)


class Own(Encoder):
    """An encoder of rows of 3 columns, which may say a wrong width."""

    def __init__(self, columns: int = 3, width: int = 8) -> None:
        super().__init__(columns=columns, width=width)
        self.width, self.layer = width, nn.Linear(columns, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Framed(nn.Module):
    """A network with frames of another width than it says."""

    frame_width = 8

    def frames(self, x: Tensor) -> Tensor:
        return x[:, :2]

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2].mean(2)


TABLE = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
SERIES = TABLE.repeat(16, axis=1).reshape(40, 2, 24)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
FLAT = nn.Sequential(nn.Flatten(), nn.Linear(256, 8))


@pytest.mark.parametrize(
    ("rows", "network", "settings", "what"),
    [
        (TABLE, wrap(nn.Linear(5, 2), width=2), {}, r"Linear cannot take a batch \(40, 3\), 40 rows as .*: build its"),
        (
            TABLE,
            Own(5),
            {},
            r"Own cannot take a batch \(40, 3\), 40 rows as the data or its views have them: build its",
        ),
        (TABLE, Own(3, 4), {}, r"Own says width 4 and gives \(40, 8\) for rows \(40, 3\): set its width"),
        (IMAGES, FLAT, {"view_options": {"size": 12}}, r"Sequential cannot take a batch \(80, 1, 12, 12\)"),
        (SERIES, Framed(), {"method": "ts_tcc"}, r"Framed says frame_width 8, and its frames are \(80, 2, 24\)"),
    ],
)
def test_a_network_that_does_not_fit_is_named_wherever_that_shows(rows, network, settings, what):
    with pytest.raises(UserError, match=what) as said:
        SelfSupervisedEncoder(encoder=network, epochs=1, **settings).fit(rows)
    assert "\n" not in str(said.value)


def test_other_errors_of_a_network_stay_what_they_are():
    class Full(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory: max_split_size_mb")

    with pytest.raises(torch.OutOfMemoryError):
        wrap(Full(), width=2)(torch.zeros(2, 4))
    with pytest.raises(RuntimeError, match="same dtype"):
        wrap(nn.Linear(4, 2), width=2)(torch.zeros(2, 4, dtype=torch.float64))
