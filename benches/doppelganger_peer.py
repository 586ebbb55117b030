"""DoppelGANger in PyTorch (`gretel-synthetics`, PyPI) beside a generator of a study without DP, field by field.

    syntrace run study.redb spec.toml    # with `none = true` and `[generator.netshare]`
    pip install torch "scipy<1.12" "scikit-learn<1.6" "category-encoders<2.7" pandas
    pip install --no-deps gretel-synthetics
    python benches/doppelganger_peer.py study.redb --syntrace target/debug/syntrace --dataset os

NetShare is a DoppelGANger on header fields, so the peer says which faults of `netshare` are those of the method. It learns the
members of one class at a time. A sample has the service port (the lower one), the other port, which of both sends first, and
protocol with version; of each packet length, TTL and log1p of the gap as numbers scaled to the members' range, and type of
service, flags, TCP flags, direction and whether the trace goes on as choices. Zeros follow the last packet.

Prints for each class and field the standard deviation relative to that of the members, and how many of their standard
deviations the mean lies off, for held-out traces (what two samples of real traffic differ by), the generator and the peer; `*`
marks variances outside 0.5 to 1.5 of the members' one. Accuracy and distance are those of `marginals_peer.py`.
"""
import argparse
import logging
import time
import warnings

import numpy
import pandas
import torch
from gretel_synthetics.timeseries_dgan.config import DGANConfig, OutputType
from gretel_synthetics.timeseries_dgan.dgan import DGAN

from marginals_peer import FIELDS, domain, packets_of_split, query, reporter, table

LENGTH = 10
GAP_CAP_US = 60_000_000
NUMBERS = ["ip_length", "ttl", "log_gap"]
CHOICES = ["tos", "flags", "tcp_flags", "direction"]
ABSENT = -1
BOUNDS = (0.5, 1.5)


def prepared(packets):
    """The first packets of each trace in order, with the gap to the packet before; absent flags are a choice of their own."""
    packets = packets[packets.position < LENGTH].sort_values(["trace_id", "position"]).reset_index(drop=True)
    packets["gap"] = packets.groupby("trace_id").time_us.diff().fillna(0).clip(0, GAP_CAP_US)
    packets["log_gap"] = numpy.log1p(packets.gap)
    return packets.fillna({"flags": ABSENT, "tcp_flags": ABSENT})


def encoded(packets):
    """Attributes (traces, 4) and features (traces, packets, fields) of DoppelGANger; the last feature is 1 up to the end."""
    first = packets[packets.position == 0]
    ports = first[["src_port", "dst_port"]].to_numpy()
    kind = first.protocol * 10 + first.ip_version
    attributes = numpy.stack([ports.min(1), ports.max(1), ports[:, 0] >= ports[:, 1], kind], axis=1).astype(float)
    features = numpy.zeros((len(first), LENGTH, len(NUMBERS + CHOICES) + 1))
    values = packets[NUMBERS + CHOICES].assign(alive=1.0).to_numpy(dtype=float)
    features[packets.groupby("trace_id").ngroup(), packets.position] = values
    return attributes, features


def decoded(attributes, features):
    """The inverse of `encoded`; a trace ends where the peer first says so, and has one packet at least."""
    attributes, features = numpy.asarray(attributes, dtype=float), numpy.asarray(features, dtype=float)
    alive = features[:, :, -1] > 0.5
    alive[:, 0] = True
    trace, position = numpy.nonzero(numpy.cumprod(alive, axis=1))
    packets = pandas.DataFrame(features[trace, position, :-1], columns=NUMBERS + CHOICES)
    service, other, from_other, kind = attributes[trace].round().T
    packets["trace_id"], packets["position"] = trace, position
    packets["src_port"] = numpy.where(from_other > 0.5, other, service)
    packets["dst_port"] = numpy.where(from_other > 0.5, service, other)
    packets["protocol"], packets["ip_version"] = kind // 10, kind % 10
    packets["ip_length"], packets["ttl"] = packets.ip_length.round(), packets.ttl.round()
    packets["gap"] = numpy.where(position > 0, numpy.expm1(packets.log_gap).round(), 0)
    packets["log_gap"] = numpy.log1p(packets.gap)
    return packets


def as_stored(packets):
    """Absent flags as the study's tables have them."""
    return packets.assign(**{name: packets[name].where(packets[name] != ABSENT) for name in ["flags", "tcp_flags"]})


def peer(packets, arguments):
    attributes, features = encoded(packets)
    config = DGANConfig(
        max_sequence_len=LENGTH,
        sample_len=5,
        batch_size=arguments.batch,
        epochs=arguments.epochs,
        # Zeros after the end would be the least value of each trace.
        apply_example_scaling=False,
        cuda=False,
    )
    torch.manual_seed(arguments.seed)
    model = DGAN(config)
    number, choice = OutputType.CONTINUOUS, OutputType.DISCRETE
    model.train_numpy(
        features,
        feature_types=[number] * len(NUMBERS) + [choice] * (len(CHOICES) + 1),
        attributes=attributes,
        attribute_types=[choice, number, choice, choice],
    )
    return decoded(*model.generate_numpy(arguments.traces))


def fields(packets):
    """The values of each field whose moments are compared."""
    first, later = packets[packets.position == 0], packets[packets.position > 0]
    found = {"packets of a trace": packets.groupby("trace_id").size()}
    for name in ["ip_length", "ttl", "tos", "direction"]:
        found[name] = packets[name]
    found["gap, us"], found["gap, log1p"] = later.gap, later.log_gap
    found["source port"], found["destination port"] = first.src_port, first.dst_port
    ports = first[["src_port", "dst_port"]]
    found["service port"], found["other port"] = ports.min(axis=1), ports.max(axis=1)
    return {name: values.to_numpy(dtype=float) for name, values in found.items()}


def print_moments(name, members, others):
    """A line for each field; returns which fields of whom vary too much or too little."""
    real, others = fields(members), {who: fields(packets) for who, packets in others.items()}
    outside = []
    for field, values in real.items():
        mean, deviation = values.mean(), values.std()
        cells = []
        for who, own in others.items():
            if len(own[field]) == 0:
                # No trace of two packets, so no gap.
                outside.append((who, f"{name} {field}"))
                cells.append(f"{'no value':>16}*")
                continue
            if deviation == 0:
                cells.append(f"{'constant' if own[field].std() == 0 else 'varies':>8} {own[field].mean() - mean:+7.1f} ")
                continue
            ratio, offset = own[field].std() / deviation, (own[field].mean() - mean) / deviation
            marked = not BOUNDS[0] <= ratio**2 <= BOUNDS[1]
            outside += [(who, f"{name} {field}")] if marked else []
            cells.append(f"{ratio:8.2f} {offset:+7.2f}{'*' if marked else ' '}")
        print(f"{name:14} {field:18} " + "  ".join(cells))
    return outside


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("study")
    parser.add_argument("--syntrace", default="syntrace")
    parser.add_argument("--dataset", default="os")
    parser.add_argument("--generator", default="netshare")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--traces", type=int, default=1000, help="traces that the peer draws for each class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", default="/tmp/doppelganger_peer.csv")
    arguments = parser.parse_args()
    # The library logs each epoch, and warns of what it calls itself and of the absent GPU.
    warnings.simplefilter("ignore")
    logging.getLogger("gretel_synthetics").setLevel(logging.WARNING)
    selected = f"{FIELDS}, time_us"
    members, held_out = (
        {name: prepared(packets) for name, packets in part.items()} for part in packets_of_split(arguments, selected)
    )
    made = query(
        arguments,
        f"SELECT {selected} FROM packets WHERE dataset = '{arguments.dataset}' AND synthetic AND role = 'target' "
        f"AND epsilon IS NULL AND generator = '{arguments.generator}'",
    )
    start, drawn = time.time(), {arguments.generator: {}, "DoppelGANger": {}}
    for name, own in members.items():
        drawn[arguments.generator][name] = prepared(made[made["class"] == name])
        drawn["DoppelGANger"][name] = peer(own, arguments)
    seconds, outside = time.time() - start, []
    columns = ["held-out", *drawn]
    print(f"{'class':14} {'field':18} " + "  ".join(f"{who[:17]:>17}" for who in columns))
    for name, own in members.items():
        others = {"held-out": held_out[name], **{who: classes[name] for who, classes in drawn.items()}}
        outside += print_moments(name, own, others)
    for who in columns:
        print(f"{who} varies outside {BOUNDS[0]} to {BOUNDS[1]} in:", "; ".join(f for w, f in outside if w == who) or "no field")
    rows = {who: {name: table(as_stored(own), 1) for name, own in classes.items()} for who, classes in drawn.items()}
    real = ({name: table(as_stored(own), 1) for name, own in part.items()} for part in (members, held_out))
    report = reporter(*real, domain(1))
    for who, own in rows.items():
        report(who, own, seconds if who == "DoppelGANger" else None)


if __name__ == "__main__":
    main()
