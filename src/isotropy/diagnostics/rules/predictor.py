"""Does a predictor (BYOL, SimSiam) keep its method from collapse? It does by pulling the common centre back."""

from isotropy.diagnostics.rules.records import Evidence, Records, Series, all_of

# eta, the predictor's pull on the centre (about a half in SimSiam). Healthy: .06 late in BYOL, which is why it says
# nothing alone, and .20 while the centre is high; faults: .10, .2 in runs of 200 steps.
NO_PULL = 0.15
# Collapse ratio over its maximum, above which the centre has not been pulled back.
# Healthy: .53 at eta .22, .28 where eta is below .15 (BYOL); faults: .56 (near noise), .85 else.
NOT_PULLED_BACK = 0.5
# Collapse ratio that never reached this: there was no centre to pull back. Faults: .04.
SOME_CENTRE = 0.1


def has_predictor(records: Records) -> bool:
    """Return whether the method has one."""
    return bool(records.series("eta"))


def idle_predictor(records: Records) -> Evidence:
    """Return the evidence that the predictor has stopped to pull: eta alone where there never was a centre."""
    idle = records.series("eta").running_median().at_most(NO_PULL)
    ratios = records.collapse_ratio().running_median()
    if not ratios:
        return ()
    peak = max(ratios.values)
    if peak < SOME_CENTRE:
        return all_of(idle)
    last = Series("collapse ratio / its maximum", ((ratios.points[-1][0], ratios.last / peak),))
    return all_of(idle, last.at_least(NOT_PULLED_BACK))
