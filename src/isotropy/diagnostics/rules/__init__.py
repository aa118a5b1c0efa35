"""The known failures, one file each, in the order in which they are asked: a verdict is the first that holds.

A low rank, a high centre or even codes are the ordinary state of some healthy method in its first steps, so no such
number is evidence alone: as a rule two have to agree. The margins beside each threshold are those of the collapse
bench (docs/diagnostics.md): the nearest of 112 healthy runs, and the injected faults that the number is for.
"""

from isotropy.diagnostics.rules import (
    dimensional_collapse,
    divergence,
    no_gain,
    not_learning,
    one_code,
    point_collapse,
    shortcut,
    uniform_codes,
)
from isotropy.diagnostics.rules.rule import Rule

RULES: dict[str, Rule] = {
    module.RULE.name: module.RULE
    for module in (
        divergence,
        point_collapse,
        uniform_codes,
        one_code,
        no_gain,
        dimensional_collapse,
        shortcut,
        not_learning,
    )
}
