"""What an audit lists: a line for each row."""

import numpy as np

from isotropy.audit import Audit, Issue


def test_a_reason_is_one_line():
    issue = Issue(np.array([True]), np.array([0.1]), lambda row: "label a\nb\tc", "made up")
    assert Audit({"label": issue}, {}).listed("label")["reason"].tolist() == [r"label a\nb\tc"]
