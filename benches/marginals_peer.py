"""AIM and MST of `dpmm` (PyPI) beside the generators of a study, on one table, by one classifier.

    syntrace run quality-real.redb studies/quality-real.toml
    pip install dpmm "scipy<1.16" scikit-learn pandas
    python benches/marginals_peer.py quality-real.redb --syntrace target/debug/syntrace --dataset os --epsilon 4

A row is a trace: number of packets, protocol and version, service port, and of its first packets (one by default, `--places`;
each takes `dpmm` minutes more) length, TTL, type of service, flags, TCP flags and direction in public bins; what is absent has a
bin of its own. AIM and MST learn the
members of one class at a time, as the generators of the study do, with the domain given beforehand. A random forest learns
from as many synthetic rows of each class as there are members, and is tested on the held-out traces. Prints the accuracy,
absolute and relative to learning from the members, and the mean Jensen-Shannon distance of the columns. `--peers MST` leaves
out the others; private evolution needs a public dataset `wide` in the study.
"""
import argparse
import subprocess
import time

import numpy
import pandas
from scipy.stats import norm
from sklearn.ensemble import RandomForestClassifier

LENGTHS = [0, 40, 41, 53, 61, 77, 101, 141, 201, 301, 501, 801, 1201, 1400]
TTLS = [0, 2, 5, 33, 64, 65, 100, 128, 129, 200, 255]
SERVICES = [443, 80, 53, 5353, 1900, 137, 138, 123, 67, 68, 5355, 3478, 22, 8080, 5222, 993]
# SYN, SYN ACK, ACK, PSH ACK, FIN ACK, RST, RST ACK, FIN PSH ACK
TCP = {flags: place for place, flags in enumerate([2, 18, 16, 24, 17, 4, 20, 25])}
PEERS = ["private-evolution", "MST", "AIM"]
PORTS = [0, 1024, 5000, 10000, 32768, 49152, 57344]

def query(arguments, sql):
    command = [arguments.syntrace, "sql", arguments.study, "--format", "csv", "-o", arguments.scratch, "-c", sql]
    subprocess.run(command, check=True)
    return pandas.read_csv(arguments.scratch)


def packets_of_split(arguments, fields):
    """Packets of each class of the dataset: those of the target's members, and those of held-out traces."""
    where = f"dataset = '{arguments.dataset}'"
    split = query(
        arguments,
        f"SELECT DISTINCT class, trace_id, part = 'member' AS member FROM splits WHERE {where} AND role = 'target'",
    )
    real = query(arguments, f"SELECT {fields} FROM packets WHERE {where} AND NOT synthetic")
    members, held_out = {}, {}
    for name, own in split.groupby("class"):
        packets = real[real["class"] == name]
        members[name] = packets[packets.trace_id.isin(own[own.member].trace_id)]
        held_out[name] = packets[packets.trace_id.isin(own[~own.member].trace_id)]
    return members, held_out


def binned(values, edges):
    return numpy.searchsorted(edges, values, side="right") - 1


def table(packets, places):
    """One row a trace, all columns small integers; absent values are the last code of a column."""
    packets = packets[packets.position < 10].copy()
    low = packets[["src_port", "dst_port"]].min(axis=1)
    packets["length"] = binned(packets.ip_length, LENGTHS)
    packets["hops"] = binned(packets.ttl, TTLS)
    packets["marked"] = (packets.tos > 0).astype(int)
    packets["fragment"] = packets["flags"].fillna(8).astype(int).clip(0, 8)
    packets["tcp"] = [TCP.get(int(flags) & 63, len(TCP)) if flags == flags else len(TCP) + 1 for flags in packets["tcp_flags"]]
    packets["way"] = (packets.direction > 0).astype(int)
    first = packets[packets.position == 0].set_index("trace_id")
    service = low[packets.position == 0].to_numpy()
    known = {port: place for place, port in enumerate(SERVICES)}
    rows = pandas.DataFrame(index=first.index)
    rows["packets"] = packets.groupby("trace_id").size()
    rows["protocol"] = (first.protocol == 6).astype(int) + 2 * (first.ip_version == 6).astype(int)
    rows["service"] = [known.get(port, len(SERVICES) + binned(port, PORTS)) for port in service]
    for place in range(places):
        at = packets[packets.position == place].set_index("trace_id")
        for name, absent in COLUMNS.items():
            rows[f"{name}{place}"] = at[name].reindex(rows.index).fillna(absent).astype(int)
    return rows


FIELDS = "class, trace_id, position, direction, src_port, dst_port, protocol, ip_length, ip_version, tos, flags, ttl, tcp_flags"
COLUMNS = {"length": len(LENGTHS), "hops": len(TTLS), "marked": 2, "fragment": 9, "tcp": len(TCP) + 2, "way": 2}


def domain(places):
    sizes = {"packets": 11, "protocol": 4, "service": len(SERVICES) + len(PORTS)}
    sizes.update({f"{name}{place}": absent + 1 for place in range(places) for name, absent in COLUMNS.items()})
    return sizes


def distance(a, b, size):
    p, q = (numpy.bincount(side, minlength=size)[:size] / max(len(side), 1) for side in (a, b))
    m = (p + q) / 2

    def kl(x):
        keep = x > 0
        return float((x[keep] * numpy.log2(x[keep] / m[keep])).sum())

    return max((kl(p) + kl(q)) / 2, 0.0) ** 0.5


def accuracy(train, test, seeds=5):
    found = []
    for seed in range(seeds):
        parts = [rows.sample(n=min(len(rows), train["size"]), random_state=seed) for rows in train["rows"].values()]
        x = pandas.concat(parts)
        y = numpy.concatenate([[name] * len(part) for name, part in zip(train["rows"], parts)])
        forest = RandomForestClassifier(n_estimators=100, random_state=seed, n_jobs=-1).fit(x, y)
        tx = pandas.concat(test.values())
        ty = numpy.concatenate([[name] * len(part) for name, part in test.items()])
        found.append(forest.score(tx[x.columns], ty))
    return float(numpy.mean(found))


def reporter(members, held_out, sizes):
    """Prints what the members give; returns a function that prints the same of the rows of a generator."""
    size = min(len(rows) for rows in members.values())
    best = accuracy({"rows": members, "size": size}, held_out)
    print(f"{size} members a class, {sum(map(len, held_out.values()))} held-out traces, {len(sizes)} columns")
    print(f"{'members':22} accuracy {best:.3f}", flush=True)

    def report(name, rows, seconds=None):
        far = numpy.mean([
            distance(rows[c][k].to_numpy(), members[c][k].to_numpy(), sizes[k]) for c in members for k in sizes
        ])
        near = accuracy({"rows": rows, "size": size}, held_out)
        took = f", {seconds:.0f} s" if seconds else ""
        print(f"{name:22} accuracy {near:.3f} relative {near / best:.3f} jsd {far:.3f}{took}", flush=True)

    return report


def gaussian(epsilon, delta):
    """Noise multiplier of one Gaussian release (Balle and Wang 2018)."""
    low, high = 0.01, 100.0
    for _ in range(100):
        sigma = (low + high) / 2
        spent = norm.cdf(0.5 / sigma - epsilon * sigma) - numpy.exp(epsilon) * norm.cdf(-0.5 / sigma - epsilon * sigma)
        low, high = (sigma, high) if spent > delta else (low, sigma)
    return high


def private_evolution(members, public, sigma, rounds=4, count=400, change=0.25, seed=0):
    """Private evolution on rows (after Lin et al. 2023, arXiv 2305.15560): members vote for the nearest of the drawn rows,
    votes get noise, rows are drawn by votes and changed column by column to values of public rows."""
    random = numpy.random.default_rng(seed)
    public, members = public.to_numpy(), members.to_numpy()
    rows = public[random.integers(len(public), size=count)]
    for _ in range(rounds):
        nearest = (members[:, None, :] != rows[None, :, :]).sum(axis=2)
        # Of equally near ones any.
        nearest = (nearest + random.random(nearest.shape) * 0.5).argmin(axis=1)
        votes = numpy.bincount(nearest, minlength=len(rows)) + random.normal(0, sigma * rounds**0.5, len(rows))
        votes = numpy.clip(votes - sigma * rounds**0.5, 0, None)
        if votes.sum() == 0:
            votes[:] = 1
        kept = rows[random.choice(len(rows), size=count, p=votes / votes.sum())]
        other = public[random.integers(len(public), size=count)]
        varied = numpy.where(random.random(kept.shape) < change, other, kept)
        rows = numpy.concatenate([kept[: count // 2], varied[count // 2 :]])
    return kept[random.integers(count, size=1000)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("study")
    parser.add_argument("--syntrace", default="syntrace")
    parser.add_argument("--dataset", default="os")
    parser.add_argument("--epsilon", type=float, default=4.0)
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--places", type=int, default=1)
    parser.add_argument("--scratch", default="/tmp/marginals_peer.csv")
    parser.add_argument("--without", nargs="+", default=[], help="columns that are left out, such as tcp0")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--size", type=int, default=80, help="largest model of AIM in MiB")
    arguments = parser.parse_args()
    members, held_out = (
        {name: table(packets, arguments.places).drop(columns=arguments.without) for name, packets in part.items()}
        for part in packets_of_split(arguments, FIELDS)
    )
    made = query(
        arguments,
        f"SELECT generator, {FIELDS} FROM packets WHERE dataset = '{arguments.dataset}' AND synthetic AND role = 'target' "
        f"AND epsilon = {arguments.epsilon}",
    )
    sizes = {name: size for name, size in domain(arguments.places).items() if name not in arguments.without}
    report = reporter(members, held_out, sizes)
    for generator, own in made.groupby("generator"):
        report(generator, {name: table(own[own["class"] == name], arguments.places)[list(sizes)] for name in members})
    if "private-evolution" in arguments.peers:
        # The public rows are those of a dataset `wide`, as in studies/quality-real.toml.
        public = query(arguments, f"SELECT {FIELDS} FROM packets WHERE dataset = 'wide' AND NOT synthetic")
        public, sigma = table(public, arguments.places)[list(sizes)], gaussian(arguments.epsilon, arguments.delta)
        for seed in range(3):
            drawn = {name: private_evolution(own, public, sigma, seed=seed) for name, own in members.items()}
            drawn = {name: pandas.DataFrame(rows, columns=members[name].columns) for name, rows in drawn.items()}
            report(f"private evolution {seed}", drawn)
    if arguments.seeds == 0 or not {"MST", "AIM"} & set(arguments.peers):
        return
    from dpmm.pipelines import AIMPipeline, MSTPipeline

    for name, pipeline in (("MST", MSTPipeline), ("AIM", AIMPipeline)):
        if name not in arguments.peers:
            continue
        for seed in range(arguments.seeds):
            start, rows = time.time(), {}
            for own, traces in members.items():
                options = {"max_model_size": arguments.size} if pipeline is AIMPipeline else {}
                fitted = pipeline(epsilon=arguments.epsilon, delta=arguments.delta, disable_processing=True, n_jobs=2, **options)
                frame = traces.reset_index(drop=True).astype(int)
                fitted.fit(frame, sizes, random_state=seed)
                rows[own] = fitted.generate(n_records=1000, random_state=seed).astype(int)
            report(f"{name} (dpmm) {seed}", rows, time.time() - start)


if __name__ == "__main__":
    main()
