"""What a decoding process does: it answers questions from its standard input until that ends."""

import signal
import sys
import warnings

from PIL import Image

from isotropy.decoding.answers import receive, reply, send


def main(most_pixels: int | None) -> None:
    """Answer what is asked, with Pillow's limit of pixels as it is where the question comes from.

    Whoever asks may be killed: then the pipe ends, and so does this process.
    """
    # Ctrl-C is for the process that asks, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Pillow warns about odd metadata; an image that it can decode is good enough.
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = most_pixels
    try:
        while True:
            send(sys.stdout.buffer, *reply(*receive(sys.stdin.buffer)))
    except (EOFError, BrokenPipeError):
        pass
