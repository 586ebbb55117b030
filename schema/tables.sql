-- The tables of a study as SQL sees them: name, type, nullability, meaning and unit of every
-- column. Times are microseconds; NULL epsilon = no DP. Generated from the code and tested
-- against it; tables are read-only.

-- One row per capture: the content of an input file, kept verbatim.
CREATE TABLE captures (
    capture_id    BIGINT NOT NULL,  -- id of the capture
    name          TEXT NOT NULL,    -- file name without its folder; all of them are in `capture_names`
    digest        TEXT NOT NULL,    -- BLAKE3 of the file, unpacked, hexadecimal
    bytes         BIGINT NOT NULL,  -- file size, unpacked, bytes
    format        TEXT NOT NULL,    -- `pcap`, `pcap-ns` or `pcapng`; `-be` for a big-endian file
    link_types    TEXT NOT NULL,    -- LINKTYPE values in order of appearance, separated by commas
    packets       BIGINT NOT NULL,  -- packet records read
    first_us      BIGINT NOT NULL,  -- time of the earliest packet, microseconds since 1970
    last_us       BIGINT NOT NULL,  -- time of the latest packet, microseconds since 1970
    kept          BOOLEAN NOT NULL, -- are the verbatim bytes in the study?
    damage_offset BIGINT,           -- byte offset where reading stopped early; NULL where it did not
    damage        TEXT              -- why reading stopped early
);

-- One row per capture and name that it came with: one content may have several.
CREATE TABLE capture_names (
    capture_id BIGINT NOT NULL,  -- capture
    name       TEXT NOT NULL,    -- a file name that it came with
    shown      BOOLEAN NOT NULL  -- is it the name in `captures`?
);

-- One row per capture, class and reason: packets that are in no trace.
CREATE TABLE capture_drops (
    capture_id    BIGINT NOT NULL,  -- capture
    capture       TEXT NOT NULL,    -- its file name
    dataset       TEXT NOT NULL,    -- dataset it was ingested into
    class         TEXT NOT NULL,    -- class it was ingested into
    unit          TEXT NOT NULL,    -- what a trace is cut from: `flow` or `capture`
    trace_packets INTEGER NOT NULL, -- largest number of packets of a trace
    reason        TEXT NOT NULL,    -- why the packets are in no trace
    packets       BIGINT NOT NULL,  -- packets left out for this reason
    first_packet  BIGINT NOT NULL,  -- index in the capture of the first of them, from 0
    example       TEXT NOT NULL,    -- one example in words
    job_id        BIGINT NOT NULL   -- job that cut the capture
);

-- One row per class of a dataset.
CREATE TABLE classes (
    class_id BIGINT NOT NULL, -- id of the class
    dataset  TEXT NOT NULL,   -- dataset
    class    TEXT NOT NULL,   -- class within the dataset
    origin   TEXT NOT NULL    -- `captured`, `simulated` or `public`
);

-- One row per real trace: the unit of privacy, or one of a host's.
CREATE TABLE traces (
    dataset      TEXT NOT NULL,     -- dataset
    class        TEXT NOT NULL,     -- class
    trace_id     BIGINT NOT NULL,   -- id of the trace
    capture_id   BIGINT NOT NULL,   -- capture it was cut from
    first_packet BIGINT NOT NULL,   -- index of its first packet in the capture, from 0
    start_us     BIGINT NOT NULL,   -- time of its first packet, microseconds since 1970
    duration_us  BIGINT NOT NULL,   -- from its first to its last kept packet, microseconds
    packets      INTEGER NOT NULL,  -- packets kept
    flow_packets BIGINT NOT NULL,   -- packets of the whole flow
    flow_bytes   BIGINT NOT NULL,   -- IP bytes of the whole flow
    link_type    INTEGER NOT NULL,  -- LINKTYPE before normalisation
    protocol     SMALLINT NOT NULL, -- transport protocol of its first packet: 6 TCP, 17 UDP
    src_ip       BYTEA NOT NULL,    -- source address of its first packet
    dst_ip       BYTEA NOT NULL,    -- destination address of its first packet
    src_port     INTEGER NOT NULL,  -- source port of its first packet
    dst_port     INTEGER NOT NULL   -- destination port of its first packet
);

-- One row per packet of a real or synthetic trace.
CREATE TABLE packets (
    dataset         TEXT NOT NULL,     -- dataset
    class           TEXT NOT NULL,     -- class
    synthetic       BOOLEAN NOT NULL,  -- of a synthetic trace?
    model_id        BIGINT,            -- model that generated it; NULL for a real packet
    generator       TEXT,              -- generator family; NULL for a real packet
    role            TEXT,              -- role of the model; NULL for a real packet
    shadow          INTEGER,           -- index of a shadow; NULL otherwise
    epsilon         DOUBLE PRECISION,  -- target epsilon of the model; NULL = no DP, or a real packet
    regime          TEXT,              -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`; NULL for a real packet
    trace_id        BIGINT NOT NULL,   -- trace it belongs to
    position        INTEGER NOT NULL,  -- place in the trace, from 0
    direction       SMALLINT NOT NULL, -- 0 as the trace's first packet, 1 against it
    time_us         BIGINT NOT NULL,   -- microseconds since 1970
    src_ip          BYTEA NOT NULL,    -- source address, 4 or 16 bytes
    dst_ip          BYTEA NOT NULL,    -- destination address, 4 or 16 bytes
    src_port        INTEGER NOT NULL,  -- source port
    dst_port        INTEGER NOT NULL,  -- destination port
    protocol        SMALLINT NOT NULL, -- transport protocol: 6 TCP, 17 UDP
    ip_length       INTEGER NOT NULL,  -- IP length, bytes
    ip_version      SMALLINT NOT NULL, -- 4 or 6
    header_length   SMALLINT NOT NULL, -- IP header length, bytes
    tos             SMALLINT NOT NULL, -- TOS or traffic class
    identification  INTEGER,           -- IPv4 identification
    flags           SMALLINT,          -- IPv4 flags: reserved 4, DF 2, MF 1
    fragment_offset INTEGER,           -- IPv4 fragment offset, units of 8 bytes
    ttl             SMALLINT NOT NULL, -- TTL or hop limit
    checksum        INTEGER,           -- IPv4 header checksum as found
    tcp_flags       SMALLINT,          -- TCP flags; NULL for UDP
    payload_length  INTEGER NOT NULL,  -- transport payload length by the headers, bytes
    data            BYTEA NOT NULL     -- the packet as an Ethernet II frame without tags, as captured
);

-- One row per real trace and encoding.
CREATE TABLE encodings (
    dataset  TEXT NOT NULL,    -- dataset
    class    TEXT NOT NULL,    -- class
    trace_id BIGINT NOT NULL,  -- trace
    encoding TEXT NOT NULL,    -- `nprint`, `fields`, `tokens` or `packets`; `tokens anonymised` where the trace was anonymised first
    rows     INTEGER NOT NULL, -- packets
    width    INTEGER NOT NULL, -- ternary bits, fields or tokens a row
    data     BYTEA NOT NULL    -- nprint: value plane then presence plane; fields: little-endian i64 a field; tokens: little-endian u16 a token
);

-- One row per trace of a split: member or held out.
CREATE TABLE splits (
    split_id BIGINT NOT NULL, -- split
    dataset  TEXT NOT NULL,   -- dataset
    class    TEXT NOT NULL,   -- class
    role     TEXT NOT NULL,   -- `target` or `shadow`
    shadow   INTEGER,         -- index of a shadow; NULL for a target
    trace_id BIGINT NOT NULL, -- trace
    part     TEXT NOT NULL    -- `member` or `held_out`
);

-- One row per trained generator.
CREATE TABLE models (
    model_id           BIGINT NOT NULL,  -- id of the model
    name               TEXT NOT NULL,    -- generator, class, regime and role in words
    generator          TEXT NOT NULL,    -- generator family
    preset             TEXT NOT NULL,    -- preset of the generator; `imported` for a model made elsewhere
    dataset            TEXT NOT NULL,    -- dataset
    class              TEXT NOT NULL,    -- class it was trained on
    role               TEXT NOT NULL,    -- `target` or `shadow`
    shadow             INTEGER,          -- index of a shadow; NULL for a target
    regime             TEXT NOT NULL,    -- how it was trained: `no DP`, `anonymised` or `eps 4.0`
    epsilon            DOUBLE PRECISION, -- target epsilon; NULL = no DP
    delta              DOUBLE PRECISION, -- delta of every epsilon here; NULL = no DP
    members            BIGINT,           -- units (traces, or hosts) that it was trained on; NULL for a base
    noise_multiplier   DOUBLE PRECISION, -- noise on the sum, in units of the clip norm; NULL = no DP
    sampling_rate      DOUBLE PRECISION, -- probability of a unit to be in a step's batch; NULL = not told
    steps              BIGINT,           -- optimiser steps taken; NULL = not told
    expected_batch     DOUBLE PRECISION, -- expected units in a batch; NULL = not told
    clip_norm          DOUBLE PRECISION, -- L2 bound of one unit's gradient; NULL = no DP
    epsilon_spent      DOUBLE PRECISION, -- upper bound of the mechanism's epsilon at delta; NULL = no DP, or only claimed
    accountant         TEXT,             -- what computed epsilon_spent
    guarantee          TEXT NOT NULL,    -- `end-to-end`, `conditional`, `none`, or `none: delta` where delta is 1/members or more, which promises nothing
    epsilon_end_to_end DOUBLE PRECISION, -- epsilon over the whole lineage; infinite where private traces leaked past the mechanism or delta promises nothing; NULL = no DP, or only claimed
    noise              TEXT,             -- `system` (seed not stored) or `reproducible` (follows from model_id, so no guarantee is end-to-end); NULL = no DP
    parameters         BIGINT,           -- all parameters; NULL = not told
    parameters_private BIGINT,           -- parameters trained on private traces; NULL = not told
    seconds            DOUBLE PRECISION, -- wall time of training, divided evenly over its cohort; NULL = not told
    status             TEXT NOT NULL,    -- `trained`, or `diverged at step N`
    weights            TEXT,             -- digest of the weights object, hexadecimal; NULL where they are not kept
    class_id           BIGINT NOT NULL,  -- class
    split_id           BIGINT NOT NULL,  -- split it was trained on
    job_id             BIGINT NOT NULL,  -- cohort job that trained it
    config             TEXT NOT NULL,    -- resolved configuration, JSON
    loss_has_zero      BOOLEAN,          -- does 0 mean something in its losses? Not in a critic's score; NULL = made elsewhere, or a base
    plan               TEXT,             -- newest spec that it belongs to (see plans); NULL = none
    unit               TEXT              -- unit of privacy, what its split draws and its epsilon is about: `trace` or `host`; of a model made elsewhere as its makers claim; NULL = a base, or not told
);

-- One row per model and ancestor of its weights.
CREATE TABLE lineage (
    model_id          BIGINT NOT NULL,  -- model
    name              TEXT NOT NULL,    -- the model in words
    generator         TEXT NOT NULL,    -- generator family
    dataset           TEXT NOT NULL,    -- dataset
    class             TEXT NOT NULL,    -- class
    role              TEXT NOT NULL,    -- `target` or `shadow`
    shadow            INTEGER,          -- index of a shadow; NULL for a target
    epsilon           DOUBLE PRECISION, -- target epsilon; NULL = no DP
    number            INTEGER NOT NULL, -- number of the ancestor, from 0
    kind              TEXT NOT NULL,    -- what the weights descend from
    source_id         BIGINT,           -- id of the split or model; NULL where there is none
    description       TEXT NOT NULL,    -- in words
    through_mechanism BOOLEAN NOT NULL, -- only through a DP mechanism?
    saw_private       BOOLEAN NOT NULL, -- did it see private traces?
    guarantee         TEXT NOT NULL     -- guarantee of the model
);

-- One row per privacy event of a model trained with DP.
CREATE TABLE privacy_ledger (
    model_id         BIGINT NOT NULL,           -- model
    generator        TEXT NOT NULL,             -- generator family
    dataset          TEXT NOT NULL,             -- dataset
    class            TEXT NOT NULL,             -- class
    role             TEXT NOT NULL,             -- `target` or `shadow`
    shadow           INTEGER,                   -- index of a shadow; NULL for a target
    epsilon          DOUBLE PRECISION,          -- target epsilon of the model; NULL = no DP
    regime           TEXT NOT NULL,             -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan             TEXT,                      -- newest spec that the row's job belongs to (see plans); NULL = none
    event            INTEGER NOT NULL,          -- number of the event, from 0
    phase            TEXT NOT NULL,             -- what was trained or measured
    mechanism        TEXT NOT NULL,             -- `poisson_subsampled_gaussian` (noise on the clipped sum of a Poisson batch), `gaussian` (on counts of all members), `gaussian_marginals` (on a histogram with one cell a member) or `exponential` (a choice; the noise is that of a Gaussian release that costs no less)
    sampling_rate    DOUBLE PRECISION NOT NULL, -- probability of a unit of privacy (trace, host) to be in a step's batch; 1 where all members are
    noise_multiplier DOUBLE PRECISION NOT NULL, -- noise standard deviation in units of the clip norm
    clip_norm        DOUBLE PRECISION NOT NULL, -- L2 bound of one unit's contribution
    steps            BIGINT NOT NULL,           -- times it was applied
    epsilon_after    DOUBLE PRECISION NOT NULL, -- epsilon of all events up to this one, upper bound, at the model's delta, by the model's accountant
    delta            DOUBLE PRECISION NOT NULL, -- delta of that epsilon
    neighbours       TEXT NOT NULL,             -- neighbouring relation: `add or remove one trace`, or `host`
    epsilon_rdp      DOUBLE PRECISION,          -- the same bound by Renyi DP; NULL where it has no answer, and in rows of earlier versions
    epsilon_pld      DOUBLE PRECISION           -- the same bound by privacy loss distributions; NULL where they have no answer, and in rows of earlier versions
);

-- One row per model and epoch of its training.
CREATE TABLE epochs (
    model_id         BIGINT NOT NULL,  -- model
    generator        TEXT NOT NULL,    -- generator family
    dataset          TEXT NOT NULL,    -- dataset
    class            TEXT NOT NULL,    -- class
    role             TEXT NOT NULL,    -- `target` or `shadow`
    shadow           INTEGER,          -- index of a shadow; NULL for a target
    epsilon          DOUBLE PRECISION, -- target epsilon of the model; NULL = no DP
    regime           TEXT NOT NULL,    -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan             TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    epoch            INTEGER NOT NULL, -- from 0; an epoch is 1 / sampling rate steps
    step             BIGINT,           -- steps taken at its end; NULL where an imported log does not say
    train_loss       DOUBLE PRECISION, -- mean loss of the traces in the epoch's batches; NULL where no batch had one
    member_loss      DOUBLE PRECISION, -- mean loss of all members at the end of the epoch, in evaluation mode
    held_out_loss    DOUBLE PRECISION, -- mean loss of all held-out traces at the end of the epoch, in evaluation mode
    gradient_norm    DOUBLE PRECISION, -- mean gradient norm of a unit (trace, or host) before clipping
    clipped_fraction DOUBLE PRECISION, -- share of the units' gradients that were clipped; NULL without DP
    traces           BIGINT,           -- traces drawn in the epoch; NULL where an imported log does not say
    seconds          DOUBLE PRECISION  -- wall time of the cohort's epoch; NULL where an imported log does not say
);

-- One row per measurement of a training besides its losses.
CREATE TABLE monitors (
    model_id  BIGINT NOT NULL,           -- model
    generator TEXT NOT NULL,             -- generator family
    dataset   TEXT NOT NULL,             -- dataset
    class     TEXT NOT NULL,             -- class
    role      TEXT NOT NULL,             -- `target` or `shadow`
    shadow    INTEGER,                   -- index of a shadow; NULL for a target
    epsilon   DOUBLE PRECISION,          -- target epsilon of the model; NULL = no DP
    regime    TEXT NOT NULL,             -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan      TEXT,                      -- newest spec that the row's job belongs to (see plans); NULL = none
    epoch     INTEGER,                   -- epoch after which it was measured, from 0; NULL = of the whole model
    monitor   TEXT NOT NULL,             -- what was measured (`duplicate_5_tuples`, `image_entropy_bits`, ...)
    field     TEXT NOT NULL,             -- of which field or layer; empty where it is of none
    value     DOUBLE PRECISION NOT NULL  -- value
);

-- One row per model, trace and attribute kind: what an attack reads.
CREATE TABLE attributes (
    model_id     BIGINT NOT NULL,    -- model
    generator    TEXT NOT NULL,      -- generator family
    dataset      TEXT NOT NULL,      -- dataset
    class        TEXT NOT NULL,      -- class
    role         TEXT NOT NULL,      -- `target` or `shadow`
    shadow       INTEGER,            -- index of a shadow; NULL for a target
    epsilon      DOUBLE PRECISION,   -- target epsilon of the model; NULL = no DP
    regime       TEXT NOT NULL,      -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan         TEXT,               -- newest spec that the row's job belongs to (see plans); NULL = none
    trace_id     BIGINT NOT NULL,    -- trace
    member       BOOLEAN NOT NULL,   -- was it trained on?
    kind         TEXT NOT NULL,      -- attribute kind
    loss         REAL,               -- loss of the trace in evaluation mode; NULL where an imported file does not say
    vector       REAL[] NOT NULL,    -- the attribute
    loss_exact   DOUBLE PRECISION,   -- the loss of an imported file where FLOAT rounds it; else NULL, and `loss` is exact
    vector_exact DOUBLE PRECISION[]  -- the attribute of an imported file where FLOAT rounds it; else NULL, and `vector` is exact
);

-- One row per model, trace outside its split and attribute kind.
CREATE TABLE reference_attributes (
    model_id     BIGINT NOT NULL,    -- model
    generator    TEXT NOT NULL,      -- generator family
    dataset      TEXT NOT NULL,      -- dataset
    class        TEXT NOT NULL,      -- class
    role         TEXT NOT NULL,      -- `target` or `shadow`
    shadow       INTEGER,            -- index of a shadow; NULL for a target
    epsilon      DOUBLE PRECISION,   -- target epsilon of the model; NULL = no DP
    regime       TEXT NOT NULL,      -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan         TEXT,               -- newest spec that the row's job belongs to (see plans); NULL = none
    trace_id     BIGINT NOT NULL,    -- trace
    member       BOOLEAN NOT NULL,   -- was it trained on?
    kind         TEXT NOT NULL,      -- attribute kind
    loss         REAL,               -- loss of the trace in evaluation mode; NULL where an imported file does not say
    vector       REAL[] NOT NULL,    -- the attribute
    loss_exact   DOUBLE PRECISION,   -- the loss of an imported file where FLOAT rounds it; else NULL, and `loss` is exact
    vector_exact DOUBLE PRECISION[]  -- the attribute of an imported file where FLOAT rounds it; else NULL, and `vector` is exact
);

-- One row per model, trace and position of the trace, where a spec asks for full attributes.
CREATE TABLE whole_attributes (
    model_id  BIGINT NOT NULL,  -- model
    generator TEXT NOT NULL,    -- generator family
    dataset   TEXT NOT NULL,    -- dataset
    class     TEXT NOT NULL,    -- class
    role      TEXT NOT NULL,    -- `target` or `shadow`
    shadow    INTEGER,          -- index of a shadow; NULL for a target
    epsilon   DOUBLE PRECISION, -- target epsilon of the model; NULL = no DP
    regime    TEXT NOT NULL,    -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan      TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    trace_id  BIGINT NOT NULL,  -- trace
    member    BOOLEAN NOT NULL, -- was it trained on?
    kind      TEXT NOT NULL,    -- `whole_logits` (netssm: of every token), `whole_noise` (netdiffusion: predicted, of every latent cell at the fixed steps) or `whole_scores` (netshare: of both critics, of the trace up to each packet)
    position  INTEGER NOT NULL, -- token to be predicted, row of the latent image, or packet, from 0
    loss      REAL NOT NULL,    -- loss of the trace in evaluation mode, the same at all of its positions
    halves    BYTEA NOT NULL    -- the numbers as little-endian half floats (IEEE 754 binary16); `half_floats(halves)` gives FLOAT[]
);

-- One row per attack result, with intervals.
CREATE TABLE attacks (
    attack_id              BIGINT NOT NULL,           -- id of the attack result
    attack                 TEXT NOT NULL,             -- attack
    attribute              TEXT NOT NULL,             -- attribute kind that it reads
    evaluated_on           TEXT NOT NULL,             -- `shadow_test` (held back from the attack) or `target`
    model_id               BIGINT NOT NULL,           -- target model of the group
    generator              TEXT NOT NULL,             -- generator family of the group
    dataset                TEXT NOT NULL,             -- dataset
    class                  TEXT NOT NULL,             -- class
    role                   TEXT NOT NULL,             -- role of model_id: `target`
    shadow                 INTEGER,                   -- index of a shadow: NULL, as model_id is a target
    epsilon                DOUBLE PRECISION,          -- target epsilon of all models of the group; NULL = no DP
    regime                 TEXT NOT NULL,             -- how they were trained: `no DP`, `anonymised` or `eps 4.0`
    delta                  DOUBLE PRECISION,          -- its delta; NULL = no DP
    shadows                INTEGER NOT NULL,          -- shadow models that it learnt from
    n                      BIGINT NOT NULL,           -- traces (hosts, where they are the unit) evaluated
    n_members              BIGINT NOT NULL,           -- members among them
    precision              DOUBLE PRECISION,          -- of guessed members, the share that are; NULL without a guess
    precision_low          DOUBLE PRECISION,          -- lower end of its interval
    precision_high         DOUBLE PRECISION,          -- upper end of its interval
    recall                 DOUBLE PRECISION,          -- of members, the share guessed (TPR)
    recall_low             DOUBLE PRECISION,          -- lower end of its interval
    recall_high            DOUBLE PRECISION,          -- upper end of its interval
    fpr                    DOUBLE PRECISION,          -- of held-out traces, the share guessed to be members
    fpr_low                DOUBLE PRECISION,          -- lower end of its interval
    fpr_high               DOUBLE PRECISION,          -- upper end of its interval
    auc                    DOUBLE PRECISION,          -- area under the ROC curve; 0.5 = chance
    auc_low                DOUBLE PRECISION,          -- lower end of its interval
    auc_high               DOUBLE PRECISION,          -- upper end of its interval
    balanced_accuracy      DOUBLE PRECISION,          -- mean of recall and 1 - fpr; 0.5 = chance
    balanced_accuracy_low  DOUBLE PRECISION,          -- lower end of its interval
    balanced_accuracy_high DOUBLE PRECISION,          -- upper end of its interval
    tpr_at_1pct_fpr        DOUBLE PRECISION,          -- TPR at FPR 0.01; NULL with fewer than 100 held-out traces, which cannot tell 0.01 from 0
    tpr_at_1pct_fpr_low    DOUBLE PRECISION,          -- lower end of its interval, which allows for a threshold that held-out traces set
    tpr_at_1pct_fpr_high   DOUBLE PRECISION,          -- upper end of its interval
    tpr_at_0_1pct_fpr      DOUBLE PRECISION,          -- TPR at FPR 0.001; NULL with fewer than 1,000 held-out traces
    tpr_at_0_1pct_fpr_low  DOUBLE PRECISION,          -- lower end of its interval, as for FPR 0.01
    tpr_at_0_1pct_fpr_high DOUBLE PRECISION,          -- upper end of its interval
    confidence             DOUBLE PRECISION NOT NULL, -- confidence level of all intervals
    interval_method        TEXT NOT NULL,             -- how the intervals were made
    interval_covers        TEXT NOT NULL,             -- what the AUC's interval covers: `traces` (which were drawn and attacked, of one trained model) or `traces and trainings`
    converged              BOOLEAN,                   -- did its solver converge before its cap of iterations; NULL: it has none
    options                TEXT NOT NULL,             -- resolved options, JSON
    class_id               BIGINT NOT NULL,           -- class
    job_id                 BIGINT NOT NULL,           -- job that ran it
    plan                   TEXT,                      -- newest spec that its job belongs to (see plans); NULL = none
    unit                   TEXT NOT NULL              -- what it scores: each `trace`, or each `host` by all its traces on one side
);

-- One row per attack and attacked trace, or host.
CREATE TABLE attack_scores (
    attack_id    BIGINT NOT NULL,  -- attack result
    attack       TEXT NOT NULL,    -- attack
    attribute    TEXT NOT NULL,    -- attribute kind that it reads
    evaluated_on TEXT NOT NULL,    -- `shadow_test` (held back from the attack) or `target`
    generator    TEXT NOT NULL,    -- generator family
    dataset      TEXT NOT NULL,    -- dataset
    class        TEXT NOT NULL,    -- class
    role         TEXT NOT NULL,    -- role of the row's model: `target` or `shadow`
    epsilon      DOUBLE PRECISION, -- target epsilon of the group; NULL = no DP
    regime       TEXT NOT NULL,    -- how the models of the group were trained: `no DP`, `anonymised` or `eps 4.0`
    plan         TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    trace_id     BIGINT NOT NULL,  -- trace; of an attack on hosts the first of the host's
    model_id     BIGINT NOT NULL,  -- model whose attribute was attacked
    member       BOOLEAN NOT NULL, -- was it trained on?
    score        REAL NOT NULL     -- higher = more likely a member
);

-- One row per corner of an attack's ROC curve.
CREATE TABLE roc (
    attack_id    BIGINT NOT NULL,           -- attack result
    attack       TEXT NOT NULL,             -- attack
    attribute    TEXT NOT NULL,             -- attribute kind that it reads
    evaluated_on TEXT NOT NULL,             -- `shadow_test` (held back from the attack) or `target`
    model_id     BIGINT NOT NULL,           -- target model of the group
    generator    TEXT NOT NULL,             -- generator family
    dataset      TEXT NOT NULL,             -- dataset
    class        TEXT NOT NULL,             -- class
    role         TEXT NOT NULL,             -- `target` or `shadow`: whose traces were scored
    epsilon      DOUBLE PRECISION,          -- target epsilon of the group; NULL = no DP
    regime       TEXT NOT NULL,             -- how the models of the group were trained: `no DP`, `anonymised` or `eps 4.0`
    plan         TEXT,                      -- newest spec that the row's job belongs to (see plans); NULL = none
    threshold    DOUBLE PRECISION NOT NULL, -- guess member where score is at least this
    fpr          DOUBLE PRECISION NOT NULL, -- false positive rate
    tpr          DOUBLE PRECISION NOT NULL  -- true positive rate
);

-- One row per synthetic trace.
CREATE TABLE synthetic_traces (
    model_id         BIGINT NOT NULL,  -- model
    generator        TEXT NOT NULL,    -- generator family
    dataset          TEXT NOT NULL,    -- dataset
    class            TEXT NOT NULL,    -- class
    role             TEXT NOT NULL,    -- `target` or `shadow`
    shadow           INTEGER,          -- index of a shadow; NULL for a target
    epsilon          DOUBLE PRECISION, -- target epsilon of the model; NULL = no DP
    regime           TEXT NOT NULL,    -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan             TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    trace_id         BIGINT NOT NULL,  -- id of the synthetic trace
    number           BIGINT NOT NULL,  -- number among its model's, from 0
    packets          INTEGER NOT NULL, -- packets decoded
    rejected_packets INTEGER NOT NULL, -- generated packets that do not parse and were left out
    complete         BOOLEAN NOT NULL, -- did the generator end the trace itself?
    mended_fields    INTEGER NOT NULL, -- header fields (lengths, checksums) that an export to PCAP has to set
    raw              BYTEA NOT NULL    -- what the generator put out before decoding: netssm: little-endian u16 tokens; imported: nothing
);

-- One row per synthetic trace and rule that changed cells or kept tokens out of it.
CREATE TABLE repairs (
    model_id  BIGINT NOT NULL,  -- model
    generator TEXT NOT NULL,    -- generator family
    dataset   TEXT NOT NULL,    -- dataset
    class     TEXT NOT NULL,    -- class
    role      TEXT NOT NULL,    -- `target` or `shadow`
    shadow    INTEGER,          -- index of a shadow; NULL for a target
    epsilon   DOUBLE PRECISION, -- target epsilon of the model; NULL = no DP
    regime    TEXT NOT NULL,    -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan      TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    trace_id  BIGINT NOT NULL,  -- synthetic trace
    profile   TEXT NOT NULL,    -- repair profile of cells, `reference` or `strict`; `packet`: rules by which netssm drew its tokens
    rule      TEXT NOT NULL,    -- rule that changed it
    cells     BIGINT NOT NULL   -- cells (bits) that the rule changed, tokens that it kept out
);

-- One row per model, measure and what was compared with what.
CREATE TABLE fidelity (
    model_id        BIGINT NOT NULL,  -- model
    generator       TEXT NOT NULL,    -- generator family
    dataset         TEXT NOT NULL,    -- dataset
    class           TEXT NOT NULL,    -- class
    role            TEXT NOT NULL,    -- `target` or `shadow`
    shadow          INTEGER,          -- index of a shadow; NULL for a target
    epsilon         DOUBLE PRECISION, -- target epsilon of the model; NULL = no DP
    regime          TEXT NOT NULL,    -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan            TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    compared        TEXT NOT NULL,    -- what was compared: `synthetic`, or a baseline of as many traces: `held_out` (real traces that the model never saw), `members`
    reference       TEXT NOT NULL,    -- with what: the model's `members` (the paper's way), or fresh `real` traces that are neither members nor held out
    aspect          TEXT NOT NULL,    -- `header` (the paper's), `mean` (of `header` over positions, and over fields: `all`), `transition`, `timing`, `flow`, `validity`, `joint`, `diversity`, `variance`, `detection`
    field           TEXT NOT NULL,    -- header field, pair of fields (`a+b`), or quantity of the trace
    position        INTEGER,          -- packet position from 0; NULL for a measure over whole traces
    metric          TEXT NOT NULL,    -- `jsd` (distance, base 2), `js_divergence` (base 2), `total_variation`, `wasserstein`, `wasserstein_scaled`, `kolmogorov_smirnov`, `share`, `distinct_share`, `distinct_ratio`, `coverage`, `novelty`, `median_variance`, `median_largest_variance`, `variance_kept`, `largest_variance_kept`, `auc`, `balanced_accuracy`
    value           DOUBLE PRECISION, -- value; NULL where one side has no value
    n_real          BIGINT NOT NULL,  -- values on the reference's side
    n_compared      BIGINT NOT NULL,  -- values on the compared side
    absent_real     BIGINT,           -- packets and fields that the reference does not have, each counted as a value of its own; NULL where the measure is of what is there
    absent_compared BIGINT,           -- the same of the compared side
    value_low       DOUBLE PRECISION, -- lower end of the value's 95 % interval, by a bootstrap over traces; NULL without one
    value_high      DOUBLE PRECISION  -- upper end
);

-- One row per measure of a downstream model, tested on held-out real traces.
CREATE TABLE utility (
    job_id       BIGINT NOT NULL,  -- job that wrote it
    plan         TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    dataset      TEXT NOT NULL,    -- dataset
    generator    TEXT,             -- generator family that made the training traces; NULL for a baseline
    epsilon      DOUBLE PRECISION, -- target epsilon of its models; NULL = no DP, or a baseline
    task         TEXT NOT NULL,    -- `classification` (class of a trace), `augmentation` (the same from few real traces) or `next_length` (of the next packet)
    trained_on   TEXT NOT NULL,    -- `synthetic`; `members_share_and_synthetic`, both together; baselines: `members` (the real traces that the generators learnt from), `members_share` (some of them), `majority` and `last_value` (guesses)
    learner      TEXT NOT NULL,    -- downstream model with its settings
    metric       TEXT NOT NULL,    -- `accuracy`, `accuracy_gain` (over the same share of members alone), `macro_f1`, `f1`, `precision`, `recall`, `median_mae` and `mean_mae` (bytes), `train_loss` (bytes squared for `nbeats paper`, bytes for `nbeats small`)
    class        TEXT,             -- class that the value is about; NULL over all classes
    value        DOUBLE PRECISION, -- value; NULL without a trace to learn from or to test on
    n_train      BIGINT NOT NULL,  -- traces learnt from
    n_test       BIGINT NOT NULL,  -- real traces tested on
    value_low    DOUBLE PRECISION, -- lower end of the value's 95 % interval over test traces and forest seeds; NULL without one
    value_high   DOUBLE PRECISION, -- upper end
    real_share   DOUBLE PRECISION, -- share of the members that was drawn; NULL where all or none of them were learnt from
    other_regime TEXT              -- `anonymised` where its models were trained on anonymised traces; else NULL, and epsilon says it
);

-- One row per downstream classifier, header field and packet position: what it used.
CREATE TABLE importances (
    job_id       BIGINT NOT NULL,           -- job that wrote it
    plan         TEXT,                      -- newest spec that the row's job belongs to (see plans); NULL = none
    dataset      TEXT NOT NULL,             -- dataset
    generator    TEXT,                      -- generator family that made the training traces; NULL for a baseline
    epsilon      DOUBLE PRECISION,          -- target epsilon of its models; NULL = no DP, or a baseline
    task         TEXT NOT NULL,             -- `classification`
    trained_on   TEXT NOT NULL,             -- `synthetic` or `members`
    field        TEXT NOT NULL,             -- header field
    position     INTEGER NOT NULL,          -- packet position from 0
    importance   DOUBLE PRECISION NOT NULL, -- share of the decrease in impurity; sums to 1 over a classifier
    other_regime TEXT                       -- `anonymised` where its models were trained on anonymised traces; else NULL, and epsilon says it
);

-- One row per model, measure and kind: training traces in synthetic ones, beside a control.
CREATE TABLE leaks (
    model_id     BIGINT NOT NULL,  -- model
    generator    TEXT NOT NULL,    -- generator family
    dataset      TEXT NOT NULL,    -- dataset
    class        TEXT NOT NULL,    -- class
    role         TEXT NOT NULL,    -- `target` or `shadow`
    shadow       INTEGER,          -- index of a shadow; NULL for a target
    epsilon      DOUBLE PRECISION, -- target epsilon of the model; NULL = no DP
    regime       TEXT NOT NULL,    -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan         TEXT,             -- newest spec that the row's job belongs to (see plans); NULL = none
    measure      TEXT NOT NULL,    -- `exact_copies`, `near_copies` (at most 5 % of bytes differ): synthetic traces that are (nearly) a member (of as many as there are held-out traces); `distance_to_closest` (median); `memorised`: members that have one of a kind that no other real trace has, of which one is found in synthetic traces; `identifiers`: the same for what no trace of the other side has; `coincide_members`, `coincide_held_out`: synthetic traces most packets of which are those of a member (of another real trace of the class) in this; `attribute_inference`: members at least half of whose lengths or flags are guessed right from the synthetic traces of the same flow
    kind         TEXT NOT NULL,    -- of what: `trace`, `frame`, `payload`, `payload_window` (16 bytes), `addresses`, `endpoints`, `headers`, or a kind of identifier (`any`: all but ports and conversations), `lengths`, `tcp_flags`
    value        DOUBLE PRECISION, -- share that leaked (a distance for `distance_to_closest`); NULL = none could
    control      DOUBLE PRECISION, -- the same for traces that the model never saw: held-out traces (other real traces of the class where none is held out); for `coincide_held_out` members; NULL = there are none
    hits         BIGINT NOT NULL,  -- traces that leaked; synthetic ones that are closer to a member for the distance
    n            BIGINT NOT NULL,  -- traces out of which
    control_hits BIGINT NOT NULL,  -- traces of the control that seem to have leaked
    control_n    BIGINT NOT NULL,  -- traces out of which
    p_value      DOUBLE PRECISION  -- probability of so many more members than held-out traces by chance: Fisher's exact test over real traces; NULL = nothing could leak, or there is no control
);

-- One row per one-run audit of the mechanism that trained a model.
CREATE TABLE one_run_audits (
    model_id         BIGINT NOT NULL,           -- model
    generator        TEXT NOT NULL,             -- generator family
    dataset          TEXT NOT NULL,             -- dataset
    class            TEXT NOT NULL,             -- class
    role             TEXT NOT NULL,             -- `target` or `shadow`
    shadow           INTEGER,                   -- index of a shadow; NULL for a target
    epsilon          DOUBLE PRECISION,          -- target epsilon of the model; NULL = no DP
    regime           TEXT NOT NULL,             -- how the model was trained: `no DP`, `anonymised` or `eps 4.0`
    plan             TEXT,                      -- newest spec that the row's job belongs to (see plans); NULL = none
    score            TEXT NOT NULL,             -- what the guesses go by: `relative_loss`, how much less the model loses on it than two models of the auditor
    canaries         BIGINT NOT NULL,           -- traces whose membership a fair coin decided
    included         BIGINT NOT NULL,           -- canaries that were trained on
    guesses          BIGINT NOT NULL,           -- canaries guessed in or out; the others were abstained from
    correct          BIGINT NOT NULL,           -- right guesses
    delta            DOUBLE PRECISION NOT NULL, -- delta of every epsilon here
    confidence       DOUBLE PRECISION NOT NULL, -- confidence of the lower bound, over all numbers of guesses tried
    epsilon_claimed  DOUBLE PRECISION,          -- upper bound of the audited run's mechanism; NULL = no DP
    epsilon_lower    DOUBLE PRECISION NOT NULL, -- epsilon is at least this
    epsilon_provable DOUBLE PRECISION NOT NULL  -- the bound where every guess is right
);

-- One row per spec that was run.
CREATE TABLE plans (
    plan_id    BIGINT NOT NULL, -- id of the plan: a hash of what the spec asks for
    plan       TEXT NOT NULL,   -- name of the spec and the id's first digits
    members    BIGINT NOT NULL, -- jobs and models that belong to it, done or not
    done       BIGINT NOT NULL, -- of them, those that are here; fewer than members = its run has not ended
    spec       TEXT NOT NULL,   -- what the spec asks for, JSON; no files, seed, threads or device
    started_us BIGINT NOT NULL  -- first run, microseconds since 1970
);

-- One row per spec that was run and job or model that belongs to it.
CREATE TABLE plan_members (
    plan_id BIGINT NOT NULL, -- plan
    plan    TEXT NOT NULL,   -- name of the spec and the id's first digits
    id      BIGINT NOT NULL  -- id of a job, or of a model
);

-- One row per finished job: where everything else comes from.
CREATE TABLE jobs (
    job_id       BIGINT NOT NULL,           -- id of the job: a hash of what it depends on
    kind         TEXT NOT NULL,             -- kind of work
    label        TEXT NOT NULL,             -- what it was about, for people
    spec         TEXT NOT NULL,             -- the part of the spec that it depends on, JSON
    inputs       TEXT NOT NULL,             -- ids of what it read, JSON
    seed         BIGINT NOT NULL,           -- study seed
    code_version INTEGER NOT NULL,          -- version of the code of this kind of job
    program      TEXT NOT NULL,             -- version of the program that ran it; then the device, where networks ran on another than the CPU
    started_us   BIGINT NOT NULL,           -- wall clock at the start, microseconds since 1970
    finished_us  BIGINT NOT NULL,           -- wall clock at the end, microseconds since 1970
    seconds      DOUBLE PRECISION NOT NULL, -- wall time
    threads      INTEGER NOT NULL,          -- threads it ran with
    outputs      INTEGER NOT NULL           -- number of things that it wrote
);

-- One row per content-addressed object.
CREATE TABLE objects (
    digest       TEXT NOT NULL,   -- BLAKE3 of the raw bytes, hexadecimal
    kind         TEXT NOT NULL,   -- what it is
    raw_bytes    BIGINT NOT NULL, -- length before compression, bytes
    stored_bytes BIGINT NOT NULL  -- length as stored, bytes
);

-- One row per segment and column: where the bytes are.
CREATE TABLE segments (
    table_name   TEXT NOT NULL,   -- columnar table
    partition_id BIGINT NOT NULL, -- class, split, model or attack id
    segment_id   BIGINT NOT NULL, -- id of the segment
    column_name  TEXT NOT NULL,   -- column
    rows         BIGINT NOT NULL, -- rows of the segment
    raw_bytes    BIGINT NOT NULL, -- bytes of the column before compression
    stored_bytes BIGINT NOT NULL, -- bytes of the column as stored
    null_count   BIGINT NOT NULL, -- NULLs in the column
    min_value    TEXT,            -- smallest value as text, where known
    max_value    TEXT,            -- largest value as text, where known
    job_id       BIGINT NOT NULL  -- job that wrote it
);

-- One row per regime, class and generator of the paper's appendix Table 1.
CREATE TABLE paper_table1 (
    dataset   TEXT NOT NULL,             -- dataset; `os` is the paper's CICIDS
    class     TEXT NOT NULL,             -- class
    generator TEXT NOT NULL,             -- generator family
    epsilon   DOUBLE PRECISION,          -- target epsilon; NULL = no DP
    precision DOUBLE PRECISION NOT NULL, -- precision of the attack
    tpr       DOUBLE PRECISION NOT NULL, -- true positive rate (recall) of the attack
    fpr       DOUBLE PRECISION NOT NULL, -- false positive rate of the attack
    f1        DOUBLE PRECISION NOT NULL, -- F1 of the class by a random forest trained on synthetic traces
    mae       DOUBLE PRECISION           -- median MAE of the next packet length, bytes; NULL for `vca`
);

-- One row per dataset and generator of the paper's appendix Table 2.
CREATE TABLE paper_table2 (
    dataset    TEXT NOT NULL,             -- dataset; `os` is the paper's CICIDS
    generator  TEXT NOT NULL,             -- generator family
    min_jsd    DOUBLE PRECISION NOT NULL, -- smallest average JSD over the budgets
    max_jsd    DOUBLE PRECISION NOT NULL, -- largest average JSD over the budgets
    difference DOUBLE PRECISION NOT NULL  -- their difference, as printed
);

-- One row per class of the paper's appendix Table 3.
CREATE TABLE paper_table3 (
    dataset TEXT NOT NULL,             -- dataset; `os` is the paper's CICIDS
    class   TEXT NOT NULL,             -- class
    median  DOUBLE PRECISION NOT NULL, -- median packet length, bytes
    std_dev DOUBLE PRECISION NOT NULL, -- standard deviation of packet lengths, bytes
    max     DOUBLE PRECISION NOT NULL  -- largest packet length, bytes
);

-- One row per class and generator of Table 2 in the paper's section 3.
CREATE TABLE paper_section3_table2 (
    dataset   TEXT NOT NULL,             -- dataset; `os` is the paper's CICIDS
    class     TEXT NOT NULL,             -- class
    generator TEXT NOT NULL,             -- generator family
    precision DOUBLE PRECISION NOT NULL, -- precision of the attack on models without DP
    recall    DOUBLE PRECISION NOT NULL, -- its recall
    fpr       DOUBLE PRECISION NOT NULL  -- its false positive rate
);

-- One row per statement of the paper that a study can check, with the rule that checks it.
CREATE TABLE paper_takeaways (
    takeaway     TEXT NOT NULL, -- its name here
    section      TEXT NOT NULL, -- where the paper says it
    statement    TEXT NOT NULL, -- what the paper says
    rule         TEXT NOT NULL, -- what one case of a study must show to hold, and what is a case
    paper_number TEXT           -- the paper's own number, in words
);
