"""Shares: how sure is a share that was counted on so many rows?

Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
"""

import math

Z = 1.959964


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the share count / of; 0 to 1 where there are no rows."""
    if of == 0:
        return 0.0, 1.0
    share, spread = count / of, Z * Z / of
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
