"""Numbers of the data as a person writes them: with commas, and without powers of ten."""

import math

_COMMAS, _POWERS = 1e4, 1e15  # from here on; a year needs no comma, and larger ones nobody reads digit by digit


def written(value: float, digits: int = 4) -> str:
    """Return a number with so many significant digits; whole digits behind them are 0.

    Example:
        >>> written(35970.0), written(1234567.0), written(1234567.0, 10), written(1999.0), written(-0.51234)
        ('35,970', '1,235,000', '1,234,567', '1999', '-0.5123')
        >>> written(1e12 + 1.5, 14), written(3e20), written(-5e-7), written(float("nan"))
        ('1,000,000,000,001.5', '3e+20', '-5e-07', 'nan')
    """
    rounded = float(f"{value:.{digits}g}")
    size = abs(rounded)
    if not 1 <= size < _POWERS:  # NaN too
        return f"{value:.{digits}g}"
    places = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{rounded:,.{places}f}" if size >= _COMMAS else f"{rounded:.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text
