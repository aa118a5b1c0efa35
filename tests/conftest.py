import os

import torch

# What else the machine does must not decide with how many threads a test trains.
os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
