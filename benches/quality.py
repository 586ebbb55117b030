"""The distances of benches/quality.rs by SciPy, on the same numbers; times itself.

Arguments: two files of little-endian float64 [fields, positions, traces] (NaN: no value), the number of
fields, of positions, and the indices of the numeric fields separated by commas. Prints one line
`field position value` each, then `seconds S`.
"""
import sys
import time

import numpy
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

fields, positions = int(sys.argv[3]), int(sys.argv[4])
numeric = {int(index) for index in sys.argv[5].split(",")}
real, other = (numpy.fromfile(path).reshape(fields, positions, -1) for path in sys.argv[1:3])
start = time.perf_counter()
lines = []
for field in range(fields):
    for position in range(positions):
        a, b = (side[field, position][~numpy.isnan(side[field, position])] for side in (real, other))
        if len(a) == 0 or len(b) == 0:
            continue
        if field in numeric:
            value = wasserstein_distance(a, b)
        else:
            values, inverse = numpy.unique(numpy.concatenate([a, b]), return_inverse=True)
            counts = [numpy.bincount(part, minlength=len(values)) for part in (inverse[: len(a)], inverse[len(a) :])]
            value = jensenshannon(*counts, base=2)
        lines.append(f"{field} {position} {float(value)!r}")
seconds = time.perf_counter() - start
print("\n".join(lines))
print(f"seconds {seconds}")
