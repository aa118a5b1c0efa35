"""`python -m isotropy`, as `torchrun -m isotropy` needs it."""

from isotropy.cli import main

main()
