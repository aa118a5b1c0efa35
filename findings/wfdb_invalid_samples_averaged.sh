#!/usr/bin/env bash
# wfdb 4.3.1: rdrecord, with its default smooth_frames=True, turns an invalid sample of a signal with several samples a
# frame into a number, such as -163.34 mV where all other samples are 1 mV.
#
# -32768 is the invalid sample of format 16 (WFDB Programmer's Guide), and rdrecord documents that invalid samples are NaN in
# physical units. But the samples of a frame are averaged as digital values, before invalid ones are looked for, so that the
# mean of 100 and -32768 is taken for a measurement. With smooth_frames=False the sample is NaN.
# Expected: NaN, or the mean of the valid samples of the frame.
#
# Ends with 0 where it fails as written above, else with 1: then the work-around can go.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet wfdb==4.3.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import numpy as np
import wfdb

samples = np.full(8, 100)
samples[3] = -32768
wfdb.wrsamp(
    "record", fs=2, units=["mV"], sig_name=["I"], e_d_signal=[samples], fmt=["16"], adc_gain=[100.0], baseline=[0],
    samps_per_frame=[2],
)
smooth = wfdb.rdrecord("record").p_signal[:, 0]
apart = wfdb.rdrecord("record", smooth_frames=False).e_p_signal[0]
print("wfdb", wfdb.__version__, "default", smooth, "smooth_frames=False", apart)
sys.exit(0 if np.isnan(apart[3]) and abs(smooth[1] + 163.34) < 1e-6 else 1)
PYTHON
