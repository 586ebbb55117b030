//! The columnar tables: each column declared once (name, type, nullability, meaning). The store
//! writes and checks segments by these declarations, the query layer builds its SQL schemas from
//! them, and `schema/tables.sql` is compared with them by a test.
//!
//! A table's code and its columns' order are part of the file format; new columns go to the end.

/// Type of a stored column and its SQL type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// BOOLEAN
    Bool,
    /// SMALLINT
    I16,
    /// INT
    I32,
    /// BIGINT
    I64,
    /// FLOAT
    F32,
    /// DOUBLE
    F64,
    /// VARCHAR
    Text,
    /// BYTEA
    Bytes,
    /// FLOAT[]
    F32List,
    /// DOUBLE[]
    F64List,
}

/// What the rows of one partition share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKind {
    /// A class: the partition is a class id.
    Class,
    /// A split id.
    Split,
    /// A model id.
    Model,
    /// An attack id.
    Attack,
    /// The id of the job that wrote it.
    Job,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name in SQL.
    pub name: &'static str,
    /// Type.
    pub kind: ColumnType,
    /// May it be NULL?
    pub nullable: bool,
    /// Meaning and unit.
    pub doc: &'static str,
}

/// One columnar table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentTable {
    /// Code in keys; never reused.
    pub code: u16,
    /// Name.
    pub name: &'static str,
    /// What a partition is.
    pub partition: PartitionKind,
    /// Columns in stored order.
    pub columns: &'static [Column],
}

const fn column(name: &'static str, kind: ColumnType, nullable: bool, doc: &'static str) -> Column {
    Column { name, kind, nullable, doc }
}

use ColumnType::{Bool, Bytes, F32, F32List, F64, F64List, I16, I32, I64, Text};

/// One row per real trace. Written by ingest and simulate.
pub const TRACES: SegmentTable = SegmentTable {
    code: 1,
    name: "traces",
    partition: PartitionKind::Class,
    columns: &[
        column("trace_id", I64, false, "id of the trace"),
        column("capture_id", I64, false, "capture it was cut from"),
        column("first_packet", I64, false, "index of its first packet in the capture, from 0"),
        column("start_us", I64, false, "time of its first packet, microseconds since 1970"),
        column("duration_us", I64, false, "from its first to its last kept packet, microseconds"),
        column("packets", I32, false, "packets kept"),
        column("flow_packets", I64, false, "packets of the whole flow"),
        column("flow_bytes", I64, false, "IP bytes of the whole flow"),
        column("link_type", I32, false, "LINKTYPE before normalisation"),
        column("protocol", I16, false, "transport protocol of its first packet: 6 TCP, 17 UDP"),
        column("src_ip", Bytes, false, "source address of its first packet"),
        column("dst_ip", Bytes, false, "destination address of its first packet"),
        column("src_port", I32, false, "source port of its first packet"),
        column("dst_port", I32, false, "destination port of its first packet"),
    ],
};

/// The columns of a packet, shared by real and synthetic ones.
const PACKET_COLUMNS: &[Column] = &[
    column("trace_id", I64, false, "trace it belongs to"),
    column("position", I32, false, "place in the trace, from 0"),
    column("direction", I16, false, "0 as the trace's first packet, 1 against it"),
    column("time_us", I64, false, "microseconds since 1970"),
    column("src_ip", Bytes, false, "source address, 4 or 16 bytes"),
    column("dst_ip", Bytes, false, "destination address, 4 or 16 bytes"),
    column("src_port", I32, false, "source port"),
    column("dst_port", I32, false, "destination port"),
    column("protocol", I16, false, "transport protocol: 6 TCP, 17 UDP"),
    column("ip_length", I32, false, "IP length, bytes"),
    column("ip_version", I16, false, "4 or 6"),
    column("header_length", I16, false, "IP header length, bytes"),
    column("tos", I16, false, "TOS or traffic class"),
    column("identification", I32, true, "IPv4 identification"),
    column("flags", I16, true, "IPv4 flags: reserved 4, DF 2, MF 1"),
    column("fragment_offset", I32, true, "IPv4 fragment offset, units of 8 bytes"),
    column("ttl", I16, false, "TTL or hop limit"),
    column("checksum", I32, true, "IPv4 header checksum as found"),
    column("tcp_flags", I16, true, "TCP flags; NULL for UDP"),
    column("payload_length", I32, false, "transport payload length by the headers, bytes"),
    column("data", Bytes, false, "the packet as an Ethernet II frame without tags, as captured"),
];

/// One row per packet of a real trace. Written by ingest and simulate.
pub const PACKETS: SegmentTable =
    SegmentTable { code: 2, name: "packets", partition: PartitionKind::Class, columns: PACKET_COLUMNS };

/// One row per packet of a synthetic trace; in SQL part of `packets`. Written by synthesize.
pub const SYNTHETIC_PACKETS: SegmentTable =
    SegmentTable { code: 3, name: "synthetic_packets", partition: PartitionKind::Model, columns: PACKET_COLUMNS };

/// One row per trace and encoding. Written by encode.
pub const ENCODINGS: SegmentTable = SegmentTable {
    code: 4,
    name: "encodings",
    partition: PartitionKind::Class,
    columns: &[
        column("trace_id", I64, false, "trace"),
        column(
            "encoding",
            Text,
            false,
            "`nprint`, `fields`, `tokens` or `packets`; `tokens anonymised` where the trace was anonymised first",
        ),
        column("rows", I32, false, "packets"),
        column("width", I32, false, "ternary bits, fields or tokens a row"),
        column(
            "data",
            Bytes,
            false,
            "nprint: value plane then presence plane; fields: little-endian i64 a field; tokens: little-endian u16 a token",
        ),
    ],
};

/// One row per trace of a split. Written by split.
pub const SPLIT_TRACES: SegmentTable = SegmentTable {
    code: 5,
    name: "splits",
    partition: PartitionKind::Split,
    columns: &[column("trace_id", I64, false, "trace"), column("part", Text, false, "`member` or `held_out`")],
};

/// One row per model and epoch. Written by train.
pub const EPOCHS: SegmentTable = SegmentTable {
    code: 6,
    name: "epochs",
    partition: PartitionKind::Model,
    columns: &[
        column("epoch", I32, false, "from 0; an epoch is 1 / sampling rate steps"),
        column("step", I64, true, "steps taken at its end; NULL where an imported log does not say"),
        column("train_loss", F64, true, "mean loss of the traces in the epoch's batches; NULL where no batch had one"),
        column("member_loss", F64, true, "mean loss of all members at the end of the epoch, in evaluation mode"),
        column(
            "held_out_loss",
            F64,
            true,
            "mean loss of all held-out traces at the end of the epoch, in evaluation mode",
        ),
        column("gradient_norm", F64, true, "mean gradient norm of a unit (trace, or host) before clipping"),
        column("clipped_fraction", F64, true, "share of the units' gradients that were clipped; NULL without DP"),
        column("traces", I64, true, "traces drawn in the epoch; NULL where an imported log does not say"),
        column("seconds", F64, true, "wall time of the cohort's epoch; NULL where an imported log does not say"),
    ],
};

/// One row per privacy event of a model. Written by train.
pub const PRIVACY_LEDGER: SegmentTable = SegmentTable {
    code: 7,
    name: "privacy_ledger",
    partition: PartitionKind::Model,
    columns: &[
        column("event", I32, false, "number of the event, from 0"),
        column("phase", Text, false, "what was trained or measured"),
        column(
            "mechanism",
            Text,
            false,
            "`poisson_subsampled_gaussian` (noise on the clipped sum of a Poisson batch), `gaussian` (on counts of all members), `gaussian_marginals` (on a histogram with one cell a member) or `exponential` (a choice; the noise is that of a Gaussian release that costs no less)",
        ),
        column(
            "sampling_rate",
            F64,
            false,
            "probability of a unit of privacy (trace, host) to be in a step's batch; 1 where all members are",
        ),
        column("noise_multiplier", F64, false, "noise standard deviation in units of the clip norm"),
        column("clip_norm", F64, false, "L2 bound of one unit's contribution"),
        column("steps", I64, false, "times it was applied"),
        column(
            "epsilon_after",
            F64,
            false,
            "epsilon of all events up to this one, upper bound, at the model's delta, by the model's accountant",
        ),
        column("delta", F64, false, "delta of that epsilon"),
        column("neighbours", Text, false, "neighbouring relation: `add or remove one trace`, or `host`"),
        column(
            "epsilon_rdp",
            F64,
            true,
            "the same bound by Renyi DP; NULL where it has no answer, and in rows of earlier versions",
        ),
        column(
            "epsilon_pld",
            F64,
            true,
            "the same bound by privacy loss distributions; NULL where they have no answer, and in rows of earlier versions",
        ),
    ],
};

/// One row per model, trace and attribute kind. Written by attribute.
pub const ATTRIBUTES: SegmentTable = SegmentTable {
    code: 8,
    name: "attributes",
    partition: PartitionKind::Model,
    columns: &[
        column("trace_id", I64, false, "trace"),
        column("member", Bool, false, "was it trained on?"),
        column("kind", Text, false, "attribute kind"),
        column("loss", F32, true, "loss of the trace in evaluation mode; NULL where an imported file does not say"),
        column("vector", F32List, false, "the attribute"),
        column(
            "loss_exact",
            F64,
            true,
            "the loss of an imported file where FLOAT rounds it; else NULL, and `loss` is exact",
        ),
        column(
            "vector_exact",
            F64List,
            true,
            "the attribute of an imported file where FLOAT rounds it; else NULL, and `vector` is exact",
        ),
    ],
};

/// Columns of the first version of a table. Later columns are stored only if they have a value, so that rows without
/// one have the same stored bytes as before.
pub(crate) fn first_columns(table: &SegmentTable) -> usize {
    match table.code {
        code if code == ATTRIBUTES.code || code == REFERENCE_ATTRIBUTES.code => 5,
        code if code == UTILITY.code => 14,
        code if code == IMPORTANCES.code => 8,
        _ => table.columns.len(),
    }
}

/// One row per model, trace outside its split and attribute kind. Written by attribute, where an attack
/// compares what several models say about one trace.
pub const REFERENCE_ATTRIBUTES: SegmentTable = SegmentTable {
    code: 40,
    name: "reference_attributes",
    partition: PartitionKind::Model,
    columns: ATTRIBUTES.columns,
};

/// One row per model, trace and position of the trace: what is summarised in `attributes`. Written by attribute, where a spec
/// asks for full attributes.
pub const WHOLE_ATTRIBUTES: SegmentTable = SegmentTable {
    code: 41,
    name: "whole_attributes",
    partition: PartitionKind::Model,
    columns: &[
        column("trace_id", I64, false, "trace"),
        column("member", Bool, false, "was it trained on?"),
        column(
            "kind",
            Text,
            false,
            "`whole_logits` (netssm: of every token), `whole_noise` (netdiffusion: predicted, of every latent cell at the fixed steps) or `whole_scores` (netshare: of both critics, of the trace up to each packet)",
        ),
        column("position", I32, false, "token to be predicted, row of the latent image, or packet, from 0"),
        column("loss", F32, false, "loss of the trace in evaluation mode, the same at all of its positions"),
        column(
            "halves",
            Bytes,
            false,
            "the numbers as little-endian half floats (IEEE 754 binary16); `half_floats(halves)` gives FLOAT[]",
        ),
    ],
};

/// One row per attacked trace, or host. Written by attack.
pub const ATTACK_SCORES: SegmentTable = SegmentTable {
    code: 9,
    name: "attack_scores",
    partition: PartitionKind::Attack,
    columns: &[
        column("trace_id", I64, false, "trace; of an attack on hosts the first of the host's"),
        column("model_id", I64, false, "model whose attribute was attacked"),
        column("member", Bool, false, "was it trained on?"),
        column("score", F32, false, "higher = more likely a member"),
    ],
};

/// One row per corner of an attack's ROC curve. Written by attack.
pub const ROC: SegmentTable = SegmentTable {
    code: 10,
    name: "roc",
    partition: PartitionKind::Attack,
    columns: &[
        column("threshold", F64, false, "guess member where score is at least this"),
        column("fpr", F64, false, "false positive rate"),
        column("tpr", F64, false, "true positive rate"),
    ],
};

/// One row per synthetic trace. Written by synthesize.
pub const SYNTHETIC_TRACES: SegmentTable = SegmentTable {
    code: 11,
    name: "synthetic_traces",
    partition: PartitionKind::Model,
    columns: &[
        column("trace_id", I64, false, "id of the synthetic trace"),
        column("number", I64, false, "number among its model's, from 0"),
        column("packets", I32, false, "packets decoded"),
        column("rejected_packets", I32, false, "generated packets that do not parse and were left out"),
        column("complete", Bool, false, "did the generator end the trace itself?"),
        column("mended_fields", I32, false, "header fields (lengths, checksums) that an export to PCAP has to set"),
        column(
            "raw",
            Bytes,
            false,
            "what the generator put out before decoding: netssm: little-endian u16 tokens; imported: nothing",
        ),
    ],
};

/// One row per measure of a model's synthetic traces, and of the baselines. Written by fidelity.
pub const FIDELITY: SegmentTable = SegmentTable {
    code: 12,
    name: "fidelity",
    partition: PartitionKind::Model,
    columns: &[
        column(
            "compared",
            Text,
            false,
            "what was compared: `synthetic`, or a baseline of as many traces: `held_out` (real traces that the model never saw), `members`",
        ),
        column(
            "reference",
            Text,
            false,
            "with what: the model's `members` (the paper's way), or fresh `real` traces that are neither members nor held out",
        ),
        column(
            "aspect",
            Text,
            false,
            "`header` (the paper's), `mean` (of `header` over positions, and over fields: `all`), `transition`, `timing`, `flow`, `validity`, `joint`, `diversity`, `variance`, `detection`",
        ),
        column("field", Text, false, "header field, pair of fields (`a+b`), or quantity of the trace"),
        column("position", I32, true, "packet position from 0; NULL for a measure over whole traces"),
        column(
            "metric",
            Text,
            false,
            "`jsd` (distance, base 2), `js_divergence` (base 2), `total_variation`, `wasserstein`, `wasserstein_scaled`, `kolmogorov_smirnov`, `share`, `distinct_share`, `distinct_ratio`, `coverage`, `novelty`, `median_variance`, `median_largest_variance`, `variance_kept`, `largest_variance_kept`, `auc`, `balanced_accuracy`",
        ),
        column("value", F64, true, "value; NULL where one side has no value"),
        column("n_real", I64, false, "values on the reference's side"),
        column("n_compared", I64, false, "values on the compared side"),
        column(
            "absent_real",
            I64,
            true,
            "packets and fields that the reference does not have, each counted as a value of its own; NULL where the measure is of what is there",
        ),
        column("absent_compared", I64, true, "the same of the compared side"),
        column(
            "value_low",
            F64,
            true,
            "lower end of the value's 95 % interval, by a bootstrap over traces; NULL without one",
        ),
        column("value_high", F64, true, "upper end"),
    ],
};

/// What `epsilon` does not say of how the models of a downstream row were trained.
const OTHER_REGIME: &str =
    "`anonymised` where its models were trained on anonymised traces; else NULL, and epsilon says it";

/// One row per measure of a downstream model on held-out real traces. Written by utility.
pub const UTILITY: SegmentTable = SegmentTable {
    code: 20,
    name: "utility",
    partition: PartitionKind::Job,
    columns: &[
        column("dataset", Text, false, "dataset"),
        column("generator", Text, true, "generator family that made the training traces; NULL for a baseline"),
        column("epsilon", F64, true, "target epsilon of its models; NULL = no DP, or a baseline"),
        column(
            "task",
            Text,
            false,
            "`classification` (class of a trace), `augmentation` (the same from few real traces) or `next_length` (of the next packet)",
        ),
        column(
            "trained_on",
            Text,
            false,
            "`synthetic`; `members_share_and_synthetic`, both together; baselines: `members` (the real traces that the generators learnt from), `members_share` (some of them), `majority` and `last_value` (guesses)",
        ),
        column("learner", Text, false, "downstream model with its settings"),
        column(
            "metric",
            Text,
            false,
            "`accuracy`, `accuracy_gain` (over the same share of members alone), `macro_f1`, `f1`, `precision`, `recall`, `median_mae` and `mean_mae` (bytes), `train_loss` (bytes squared for `nbeats paper`, bytes for `nbeats small`)",
        ),
        column("class", Text, true, "class that the value is about; NULL over all classes"),
        column("value", F64, true, "value; NULL without a trace to learn from or to test on"),
        column("n_train", I64, false, "traces learnt from"),
        column("n_test", I64, false, "real traces tested on"),
        column(
            "value_low",
            F64,
            true,
            "lower end of the value's 95 % interval over test traces and forest seeds; NULL without one",
        ),
        column("value_high", F64, true, "upper end"),
        column(
            "real_share",
            F64,
            true,
            "share of the members that was drawn; NULL where all or none of them were learnt from",
        ),
        column("other_regime", Text, true, OTHER_REGIME),
    ],
};

/// One row per header field and position that a classifier used. Written by utility.
pub const IMPORTANCES: SegmentTable = SegmentTable {
    code: 21,
    name: "importances",
    partition: PartitionKind::Job,
    columns: &[
        column("dataset", Text, false, "dataset"),
        column("generator", Text, true, "generator family that made the training traces; NULL for a baseline"),
        column("epsilon", F64, true, "target epsilon of its models; NULL = no DP, or a baseline"),
        column("task", Text, false, "`classification`"),
        column("trained_on", Text, false, "`synthetic` or `members`"),
        column("field", Text, false, "header field"),
        column("position", I32, false, "packet position from 0"),
        column("importance", F64, false, "share of the decrease in impurity; sums to 1 over a classifier"),
        column("other_regime", Text, true, OTHER_REGIME),
    ],
};

/// One row per measurement of a training besides its losses. Written by train and base.
pub const MONITORS: SegmentTable = SegmentTable {
    code: 13,
    name: "monitors",
    partition: PartitionKind::Model,
    columns: &[
        column("epoch", I32, true, "epoch after which it was measured, from 0; NULL = of the whole model"),
        column("monitor", Text, false, "what was measured (`duplicate_5_tuples`, `image_entropy_bits`, ...)"),
        column("field", Text, false, "of which field or layer; empty where it is of none"),
        column("value", F64, false, "value"),
    ],
};

/// One row per synthetic trace and rule that changed cells or kept tokens out of it. Written by synthesize.
pub const REPAIRS: SegmentTable = SegmentTable {
    code: 14,
    name: "repairs",
    partition: PartitionKind::Model,
    columns: &[
        column("trace_id", I64, false, "synthetic trace"),
        column(
            "profile",
            Text,
            false,
            "repair profile of cells, `reference` or `strict`; `packet`: rules by which netssm drew its tokens",
        ),
        column("rule", Text, false, "rule that changed it"),
        column("cells", I64, false, "cells (bits) that the rule changed, tokens that it kept out"),
    ],
};

/// One row per measure of leakage of training traces into a model's synthetic ones. Written by leakage.
pub const LEAKS: SegmentTable = SegmentTable {
    code: 30,
    name: "leaks",
    partition: PartitionKind::Model,
    columns: &[
        column(
            "measure",
            Text,
            false,
            "`exact_copies`, `near_copies` (at most 5 % of bytes differ): synthetic traces that are (nearly) a member (of as many as there are held-out traces); \
             `distance_to_closest` (median); `memorised`: members that have one of a kind that no other real trace has, of \
             which one is found in synthetic traces; `identifiers`: the same for what no trace of the other side has; \
             `coincide_members`, `coincide_held_out`: synthetic traces most packets of which are those of a member (of \
             another real trace of the class) in this; `attribute_inference`: members at least half of whose lengths or flags \
             are guessed right from the synthetic traces of the same flow",
        ),
        column(
            "kind",
            Text,
            false,
            "of what: `trace`, `frame`, `payload`, `payload_window` (16 bytes), `addresses`, `endpoints`, `headers`, or a \
             kind of identifier (`any`: all but ports and conversations), `lengths`, `tcp_flags`",
        ),
        column("value", F64, true, "share that leaked (a distance for `distance_to_closest`); NULL = none could"),
        column(
            "control",
            F64,
            true,
            "the same for traces that the model never saw: held-out traces (other real traces of the class where none is held out); for `coincide_held_out` members; NULL = there are \
             none",
        ),
        column("hits", I64, false, "traces that leaked; synthetic ones that are closer to a member for the distance"),
        column("n", I64, false, "traces out of which"),
        column("control_hits", I64, false, "traces of the control that seem to have leaked"),
        column("control_n", I64, false, "traces out of which"),
        column(
            "p_value",
            F64,
            true,
            "probability of so many more members than held-out traces by chance: Fisher's exact test over real traces; NULL = \
             nothing could leak, or there is no control",
        ),
    ],
};

/// One row per one-run audit of the mechanism that trained a model. Written by one_run_audit.
pub const ONE_RUN_AUDITS: SegmentTable = SegmentTable {
    code: 31,
    name: "one_run_audits",
    partition: PartitionKind::Model,
    columns: &[
        column(
            "score",
            Text,
            false,
            "what the guesses go by: `relative_loss`, how much less the model loses on it than two models of the auditor",
        ),
        column("canaries", I64, false, "traces whose membership a fair coin decided"),
        column("included", I64, false, "canaries that were trained on"),
        column("guesses", I64, false, "canaries guessed in or out; the others were abstained from"),
        column("correct", I64, false, "right guesses"),
        column("delta", F64, false, "delta of every epsilon here"),
        column("confidence", F64, false, "confidence of the lower bound, over all numbers of guesses tried"),
        column("epsilon_claimed", F64, true, "upper bound of the audited run's mechanism; NULL = no DP"),
        column("epsilon_lower", F64, false, "epsilon is at least this"),
        column("epsilon_provable", F64, false, "the bound where every guess is right"),
    ],
};

/// Every columnar table, in the order of their codes.
pub const SEGMENT_TABLES: &[&SegmentTable] = &[
    &TRACES,
    &PACKETS,
    &SYNTHETIC_PACKETS,
    &ENCODINGS,
    &SPLIT_TRACES,
    &EPOCHS,
    &PRIVACY_LEDGER,
    &ATTRIBUTES,
    &REFERENCE_ATTRIBUTES,
    &WHOLE_ATTRIBUTES,
    &ATTACK_SCORES,
    &ROC,
    &SYNTHETIC_TRACES,
    &FIDELITY,
    &MONITORS,
    &REPAIRS,
    &UTILITY,
    &IMPORTANCES,
    &LEAKS,
    &ONE_RUN_AUDITS,
];
