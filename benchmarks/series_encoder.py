"""Series a second in training: the default encoder for series beside one of TS2Vec's size, at equal length.

    python benchmarks/series_encoder.py [--busy] [--pairs 3]

Forward and backward in bf16 where the processor has it (as `isotropy fit` chooses), channels-last, on batches of 64
ready series: `multiscale_cnn` as it is by default, `dilated_resnet` with ten blocks of 64 channels and 320 outputs
(Yue et al. 2022, section 3: its last layer there is a whole block, here one linear map, which is less work), and
`series_cnn`, of which nothing is asked. No head, no loss, no optimiser, no data.
"""

import sys
from collections.abc import Callable

import measure
import torch

from isotropy.encoders import DilatedResNet, Encoder, MultiScaleCNN, SeriesCNN
from isotropy.encoders.encoder import to_channels_last
from isotropy.training.precision import choose_precision

ROWS = 64
SHAPES = ((9, 128), (1, 256), (1, 1000))


def step(encoder: Encoder, x: torch.Tensor) -> Callable[[], None]:
    """Return a call of forward and backward, as the loop runs them."""
    to_channels_last(encoder.train())
    low = choose_precision("auto", x.device, encoder) == "bf16"
    gradient = torch.randn(ROWS, encoder.width)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            output = encoder(x)
        output.float().backward(gradient)
        encoder.zero_grad(set_to_none=True)

    return run


def main() -> int:
    parser = measure.parser("series_encoder", __doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    arguments = measure.start(parser)
    rows = []
    for channels, length in SHAPES:
        torch.manual_seed(0)
        x = torch.randn(ROWS, channels, length)
        sides: dict[str, Callable[[], object]] = {
            "theirs": step(DilatedResNet(channels=channels, width=320, hidden=64, depth=10), x),
            "ours": step(MultiScaleCNN(channels=channels, length=length), x),
            "papers": step(SeriesCNN(channels=channels, length=length), x),
        }
        times = measure.in_turns(sides, arguments.pairs)
        shape = f"{channels} x {length}"
        rows.append(measure.row(f"TS2Vec's network / multiscale_cnn, {shape}", times["theirs"], times["ours"], 3.0))
        rows.append(measure.row(f"series_cnn / multiscale_cnn, {shape}", times["papers"], times["ours"]))
    return measure.finish("series_encoder", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
