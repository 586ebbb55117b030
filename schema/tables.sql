-- The tables of a study as SQL sees them: name, type, nullability, meaning and unit of every
-- column. Times are microseconds; NULL epsilon = no DP. Generated from the code and tested
-- against it; tables are read-only.

-- One row per capture: an input file, kept verbatim.
CREATE TABLE captures (
    capture_id    BIGINT NOT NULL,  -- id of the capture
    name          VARCHAR NOT NULL, -- file name without its folder
    digest        VARCHAR NOT NULL, -- BLAKE3 of the file, hexadecimal
    bytes         BIGINT NOT NULL,  -- file size, bytes
    format        VARCHAR NOT NULL, -- `pcap`, `pcap-ns` or `pcapng`; `-be` for a big-endian file
    link_types    VARCHAR NOT NULL, -- LINKTYPE values in order of appearance, separated by commas
    packets       BIGINT NOT NULL,  -- packet records read
    first_us      BIGINT NOT NULL,  -- time of the earliest packet, microseconds since 1970
    last_us       BIGINT NOT NULL,  -- time of the latest packet, microseconds since 1970
    kept          BOOLEAN NOT NULL, -- are the verbatim bytes in the study?
    damage_offset BIGINT,           -- byte offset where reading stopped early; NULL where it did not
    damage        VARCHAR           -- why reading stopped early
);

-- One row per capture, class and reason: packets that are in no trace.
CREATE TABLE capture_drops (
    capture_id    BIGINT NOT NULL,  -- capture
    capture       VARCHAR NOT NULL, -- its file name
    dataset       VARCHAR NOT NULL, -- dataset it was ingested into
    class         VARCHAR NOT NULL, -- class it was ingested into
    unit          VARCHAR NOT NULL, -- what a trace is cut from: `flow` or `capture`
    trace_packets INT NOT NULL,     -- largest number of packets of a trace
    reason        VARCHAR NOT NULL, -- why the packets are in no trace
    packets       BIGINT NOT NULL,  -- packets left out for this reason
    first_packet  BIGINT NOT NULL,  -- index in the capture of the first of them, from 0
    example       VARCHAR NOT NULL, -- one example in words
    job_id        BIGINT NOT NULL   -- job that cut the capture
);

-- One row per class of a dataset.
CREATE TABLE classes (
    class_id BIGINT NOT NULL,  -- id of the class
    dataset  VARCHAR NOT NULL, -- dataset
    class    VARCHAR NOT NULL, -- class within the dataset
    origin   VARCHAR NOT NULL  -- `captured`, `simulated` or `public`
);

-- One row per real trace, the unit of privacy.
CREATE TABLE traces (
    dataset      VARCHAR NOT NULL,  -- dataset
    class        VARCHAR NOT NULL,  -- class
    trace_id     BIGINT NOT NULL,   -- id of the trace
    capture_id   BIGINT NOT NULL,   -- capture it was cut from
    first_packet BIGINT NOT NULL,   -- index of its first packet in the capture, from 0
    start_us     BIGINT NOT NULL,   -- time of its first packet, microseconds since 1970
    duration_us  BIGINT NOT NULL,   -- from its first to its last kept packet, microseconds
    packets      INT NOT NULL,      -- packets kept
    flow_packets BIGINT NOT NULL,   -- packets of the whole flow
    flow_bytes   BIGINT NOT NULL,   -- IP bytes of the whole flow
    link_type    INT NOT NULL,      -- LINKTYPE before normalisation
    protocol     SMALLINT NOT NULL, -- transport protocol of its first packet: 6 TCP, 17 UDP
    src_ip       BYTEA NOT NULL,    -- source address of its first packet
    dst_ip       BYTEA NOT NULL,    -- destination address of its first packet
    src_port     INT NOT NULL,      -- source port of its first packet
    dst_port     INT NOT NULL       -- destination port of its first packet
);

-- One row per packet of a real or synthetic trace.
CREATE TABLE packets (
    dataset         VARCHAR NOT NULL,  -- dataset
    class           VARCHAR NOT NULL,  -- class
    synthetic       BOOLEAN NOT NULL,  -- of a synthetic trace?
    model_id        BIGINT,            -- model that generated it; NULL for a real packet
    generator       VARCHAR,           -- generator family; NULL for a real packet
    role            VARCHAR,           -- role of the model; NULL for a real packet
    shadow          INT,               -- index of a shadow; NULL otherwise
    epsilon         DOUBLE,            -- target epsilon of the model; NULL = no DP, or a real packet
    trace_id        BIGINT NOT NULL,   -- trace it belongs to
    position        INT NOT NULL,      -- place in the trace, from 0
    direction       SMALLINT NOT NULL, -- 0 as the trace's first packet, 1 against it
    time_us         BIGINT NOT NULL,   -- microseconds since 1970
    src_ip          BYTEA NOT NULL,    -- source address, 4 or 16 bytes
    dst_ip          BYTEA NOT NULL,    -- destination address, 4 or 16 bytes
    src_port        INT NOT NULL,      -- source port
    dst_port        INT NOT NULL,      -- destination port
    protocol        SMALLINT NOT NULL, -- transport protocol: 6 TCP, 17 UDP
    ip_length       INT NOT NULL,      -- IP length, bytes
    ip_version      SMALLINT NOT NULL, -- 4 or 6
    header_length   SMALLINT NOT NULL, -- IP header length, bytes
    tos             SMALLINT NOT NULL, -- TOS or traffic class
    identification  INT,               -- IPv4 identification
    flags           SMALLINT,          -- IPv4 flags: reserved 4, DF 2, MF 1
    fragment_offset INT,               -- IPv4 fragment offset, units of 8 bytes
    ttl             SMALLINT NOT NULL, -- TTL or hop limit
    checksum        INT,               -- IPv4 header checksum as found
    tcp_flags       SMALLINT,          -- TCP flags; NULL for UDP
    payload_length  INT NOT NULL,      -- transport payload length by the headers, bytes
    data            BYTEA NOT NULL     -- the packet as an Ethernet II frame without tags, as captured
);

-- One row per real trace and encoding.
CREATE TABLE encodings (
    dataset  VARCHAR NOT NULL, -- dataset
    class    VARCHAR NOT NULL, -- class
    trace_id BIGINT NOT NULL,  -- trace
    encoding VARCHAR NOT NULL, -- `nprint`, `fields` or `tokens`
    rows     INT NOT NULL,     -- packets
    width    INT NOT NULL,     -- ternary bits, fields or tokens a row
    data     BYTEA NOT NULL    -- nprint: value plane then presence plane; fields: little-endian i64 a field; tokens: little-endian u16 a token
);

-- One row per trace of a split: member or held out.
CREATE TABLE splits (
    split_id BIGINT NOT NULL,  -- split
    dataset  VARCHAR NOT NULL, -- dataset
    class    VARCHAR NOT NULL, -- class
    role     VARCHAR NOT NULL, -- `target` or `shadow`
    shadow   INT,              -- index of a shadow; NULL for a target
    trace_id BIGINT NOT NULL,  -- trace
    part     VARCHAR NOT NULL  -- `member` or `held_out`
);

-- One row per trained generator.
CREATE TABLE models (
    model_id           BIGINT NOT NULL,  -- id of the model
    name               VARCHAR NOT NULL, -- generator, class, regime and role in words
    generator          VARCHAR NOT NULL, -- generator family
    preset             VARCHAR NOT NULL, -- preset of the generator; `imported` for a model made elsewhere
    dataset            VARCHAR NOT NULL, -- dataset
    class              VARCHAR NOT NULL, -- class it was trained on
    role               VARCHAR NOT NULL, -- `target` or `shadow`
    shadow             INT,              -- index of a shadow; NULL for a target
    regime             VARCHAR NOT NULL, -- `none` or `dp`
    epsilon            DOUBLE,           -- target epsilon; NULL = no DP
    delta              DOUBLE,           -- delta of every epsilon here; NULL = no DP
    noise_multiplier   DOUBLE,           -- noise on the sum, in units of the clip norm; NULL = no DP
    sampling_rate      DOUBLE,           -- probability of a trace to be in a step's batch; NULL = not told
    steps              BIGINT,           -- optimiser steps taken; NULL = not told
    expected_batch     DOUBLE,           -- expected traces in a batch; NULL = not told
    clip_norm          DOUBLE,           -- L2 bound of one trace's gradient; NULL = no DP
    epsilon_spent      DOUBLE,           -- upper bound of the mechanism's epsilon at delta; NULL = no DP, or only claimed
    accountant         VARCHAR,          -- what computed epsilon_spent
    guarantee          VARCHAR NOT NULL, -- `end-to-end`, `conditional` or `none`
    epsilon_end_to_end DOUBLE,           -- epsilon over the whole lineage; infinite where private traces leaked past the mechanism; NULL = no DP, or only claimed
    noise              VARCHAR,          -- `system` (seed not stored) or `reproducible`; NULL = no DP
    parameters         BIGINT,           -- all parameters; NULL = not told
    parameters_private BIGINT,           -- parameters trained on private traces; NULL = not told
    seconds            DOUBLE,           -- wall time of training, divided evenly over its cohort; NULL = not told
    status             VARCHAR NOT NULL, -- `trained`, or `diverged at step N`
    weights            VARCHAR,          -- digest of the weights object, hexadecimal; NULL where they are not kept
    class_id           BIGINT NOT NULL,  -- class
    split_id           BIGINT NOT NULL,  -- split it was trained on
    job_id             BIGINT NOT NULL,  -- cohort job that trained it
    config             VARCHAR NOT NULL  -- resolved configuration, JSON
);

-- One row per model and ancestor of its weights.
CREATE TABLE lineage (
    model_id          BIGINT NOT NULL,  -- model
    name              VARCHAR NOT NULL, -- the model in words
    generator         VARCHAR NOT NULL, -- generator family
    dataset           VARCHAR NOT NULL, -- dataset
    class             VARCHAR NOT NULL, -- class
    role              VARCHAR NOT NULL, -- `target` or `shadow`
    shadow            INT,              -- index of a shadow; NULL for a target
    epsilon           DOUBLE,           -- target epsilon; NULL = no DP
    number            INT NOT NULL,     -- number of the ancestor, from 0
    kind              VARCHAR NOT NULL, -- what the weights descend from
    source_id         BIGINT,           -- id of the split or model; NULL where there is none
    description       VARCHAR NOT NULL, -- in words
    through_mechanism BOOLEAN NOT NULL, -- only through a DP mechanism?
    saw_private       BOOLEAN NOT NULL, -- did it see private traces?
    guarantee         VARCHAR NOT NULL  -- guarantee of the model
);

-- One row per privacy event of a model trained with DP.
CREATE TABLE privacy_ledger (
    model_id         BIGINT NOT NULL,  -- model
    generator        VARCHAR NOT NULL, -- generator family
    dataset          VARCHAR NOT NULL, -- dataset
    class            VARCHAR NOT NULL, -- class
    role             VARCHAR NOT NULL, -- `target` or `shadow`
    shadow           INT,              -- index of a shadow; NULL for a target
    epsilon          DOUBLE,           -- target epsilon of the model; NULL = no DP
    event            INT NOT NULL,     -- number of the event, from 0
    phase            VARCHAR NOT NULL, -- what was trained or measured
    mechanism        VARCHAR NOT NULL, -- `poisson_subsampled_gaussian`
    sampling_rate    DOUBLE NOT NULL,  -- probability of a trace to be in a step's batch
    noise_multiplier DOUBLE NOT NULL,  -- noise standard deviation in units of the clip norm
    clip_norm        DOUBLE NOT NULL,  -- L2 bound of one trace's contribution
    steps            BIGINT NOT NULL,  -- times it was applied
    epsilon_after    DOUBLE NOT NULL,  -- epsilon of all events up to this one, upper bound, at the model's delta
    delta            DOUBLE NOT NULL,  -- delta of that epsilon
    neighbours       VARCHAR NOT NULL  -- neighbouring relation: `add or remove one trace`
);

-- One row per model and epoch of its training.
CREATE TABLE epochs (
    model_id         BIGINT NOT NULL,  -- model
    generator        VARCHAR NOT NULL, -- generator family
    dataset          VARCHAR NOT NULL, -- dataset
    class            VARCHAR NOT NULL, -- class
    role             VARCHAR NOT NULL, -- `target` or `shadow`
    shadow           INT,              -- index of a shadow; NULL for a target
    epsilon          DOUBLE,           -- target epsilon of the model; NULL = no DP
    epoch            INT NOT NULL,     -- from 0; an epoch is 1 / sampling rate steps
    step             BIGINT,           -- steps taken at its end; NULL where an imported log does not say
    train_loss       DOUBLE,           -- mean loss of the traces in the epoch's batches; NULL where no batch had one
    member_loss      DOUBLE,           -- mean loss of all members at the end of the epoch, in evaluation mode
    held_out_loss    DOUBLE,           -- mean loss of all held-out traces at the end of the epoch, in evaluation mode
    gradient_norm    DOUBLE,           -- mean per-trace gradient norm before clipping
    clipped_fraction DOUBLE,           -- share of per-trace gradients that were clipped; NULL without DP
    traces           BIGINT,           -- traces drawn in the epoch; NULL where an imported log does not say
    seconds          DOUBLE            -- wall time of the cohort's epoch; NULL where an imported log does not say
);

-- One row per measurement of a training besides its losses.
CREATE TABLE monitors (
    model_id  BIGINT NOT NULL,  -- model
    generator VARCHAR NOT NULL, -- generator family
    dataset   VARCHAR NOT NULL, -- dataset
    class     VARCHAR NOT NULL, -- class
    role      VARCHAR NOT NULL, -- `target` or `shadow`
    shadow    INT,              -- index of a shadow; NULL for a target
    epsilon   DOUBLE,           -- target epsilon of the model; NULL = no DP
    epoch     INT,              -- epoch after which it was measured, from 0; NULL = of the whole model
    monitor   VARCHAR NOT NULL, -- what was measured (`feature_variance_generated`, `image_entropy_bits`, ...)
    field     VARCHAR NOT NULL, -- of which field or layer; empty where it is of none
    value     DOUBLE NOT NULL   -- value
);

-- One row per model, trace and attribute kind: what an attack reads.
CREATE TABLE attributes (
    model_id  BIGINT NOT NULL,  -- model
    generator VARCHAR NOT NULL, -- generator family
    dataset   VARCHAR NOT NULL, -- dataset
    class     VARCHAR NOT NULL, -- class
    role      VARCHAR NOT NULL, -- `target` or `shadow`
    shadow    INT,              -- index of a shadow; NULL for a target
    epsilon   DOUBLE,           -- target epsilon of the model; NULL = no DP
    trace_id  BIGINT NOT NULL,  -- trace
    member    BOOLEAN NOT NULL, -- was it trained on?
    kind      VARCHAR NOT NULL, -- attribute kind
    loss      FLOAT,            -- loss of the trace in evaluation mode; NULL where an imported file does not say
    vector    FLOAT[] NOT NULL  -- the attribute
);

-- One row per model, trace outside its split and attribute kind.
CREATE TABLE reference_attributes (
    model_id  BIGINT NOT NULL,  -- model
    generator VARCHAR NOT NULL, -- generator family
    dataset   VARCHAR NOT NULL, -- dataset
    class     VARCHAR NOT NULL, -- class
    role      VARCHAR NOT NULL, -- `target` or `shadow`
    shadow    INT,              -- index of a shadow; NULL for a target
    epsilon   DOUBLE,           -- target epsilon of the model; NULL = no DP
    trace_id  BIGINT NOT NULL,  -- trace
    member    BOOLEAN NOT NULL, -- was it trained on?
    kind      VARCHAR NOT NULL, -- attribute kind
    loss      FLOAT,            -- loss of the trace in evaluation mode; NULL where an imported file does not say
    vector    FLOAT[] NOT NULL  -- the attribute
);

-- One row per attack result, with intervals.
CREATE TABLE attacks (
    attack_id              BIGINT NOT NULL,  -- id of the attack result
    attack                 VARCHAR NOT NULL, -- attack
    attribute              VARCHAR NOT NULL, -- attribute kind that it reads
    evaluated_on           VARCHAR NOT NULL, -- `shadow_test` (held back from the attack) or `target`
    model_id               BIGINT NOT NULL,  -- target model of the group
    generator              VARCHAR NOT NULL, -- generator family of the group
    dataset                VARCHAR NOT NULL, -- dataset
    class                  VARCHAR NOT NULL, -- class
    role                   VARCHAR NOT NULL, -- role of model_id: `target`
    shadow                 INT,              -- index of a shadow: NULL, as model_id is a target
    epsilon                DOUBLE,           -- target epsilon of all models of the group; NULL = no DP
    delta                  DOUBLE,           -- its delta; NULL = no DP
    shadows                INT NOT NULL,     -- shadow models that it learnt from
    n                      BIGINT NOT NULL,  -- traces evaluated
    n_members              BIGINT NOT NULL,  -- members among them
    precision              DOUBLE,           -- of guessed members, the share that are; NULL without a guess
    precision_low          DOUBLE,           -- lower end of its interval
    precision_high         DOUBLE,           -- upper end of its interval
    recall                 DOUBLE,           -- of members, the share guessed (TPR)
    recall_low             DOUBLE,           -- lower end of its interval
    recall_high            DOUBLE,           -- upper end of its interval
    fpr                    DOUBLE,           -- of held-out traces, the share guessed to be members
    fpr_low                DOUBLE,           -- lower end of its interval
    fpr_high               DOUBLE,           -- upper end of its interval
    auc                    DOUBLE,           -- area under the ROC curve; 0.5 = chance
    auc_low                DOUBLE,           -- lower end of its interval
    auc_high               DOUBLE,           -- upper end of its interval
    balanced_accuracy      DOUBLE,           -- mean of recall and 1 - fpr; 0.5 = chance
    balanced_accuracy_low  DOUBLE,           -- lower end of its interval
    balanced_accuracy_high DOUBLE,           -- upper end of its interval
    tpr_at_1pct_fpr        DOUBLE,           -- TPR at FPR 0.01
    tpr_at_1pct_fpr_low    DOUBLE,           -- lower end of its interval
    tpr_at_1pct_fpr_high   DOUBLE,           -- upper end of its interval
    tpr_at_0_1pct_fpr      DOUBLE,           -- TPR at FPR 0.001
    tpr_at_0_1pct_fpr_low  DOUBLE,           -- lower end of its interval
    tpr_at_0_1pct_fpr_high DOUBLE,           -- upper end of its interval
    confidence             DOUBLE NOT NULL,  -- confidence level of all intervals
    interval_method        VARCHAR NOT NULL, -- how the intervals were made
    converged              BOOLEAN,          -- did its solver converge before its cap of iterations; NULL: it has none
    options                VARCHAR NOT NULL, -- resolved options, JSON
    class_id               BIGINT NOT NULL,  -- class
    job_id                 BIGINT NOT NULL   -- job that ran it
);

-- One row per attack and attacked trace.
CREATE TABLE attack_scores (
    attack_id    BIGINT NOT NULL,  -- attack result
    attack       VARCHAR NOT NULL, -- attack
    attribute    VARCHAR NOT NULL, -- attribute kind that it reads
    evaluated_on VARCHAR NOT NULL, -- `shadow_test` (held back from the attack) or `target`
    generator    VARCHAR NOT NULL, -- generator family
    dataset      VARCHAR NOT NULL, -- dataset
    class        VARCHAR NOT NULL, -- class
    role         VARCHAR NOT NULL, -- role of the row's model: `target` or `shadow`
    epsilon      DOUBLE,           -- target epsilon of the group; NULL = no DP
    trace_id     BIGINT NOT NULL,  -- trace
    model_id     BIGINT NOT NULL,  -- model whose attribute was attacked
    member       BOOLEAN NOT NULL, -- was it trained on?
    score        FLOAT NOT NULL    -- higher = more likely a member
);

-- One row per corner of an attack's ROC curve.
CREATE TABLE roc (
    attack_id    BIGINT NOT NULL,  -- attack result
    attack       VARCHAR NOT NULL, -- attack
    attribute    VARCHAR NOT NULL, -- attribute kind that it reads
    evaluated_on VARCHAR NOT NULL, -- `shadow_test` (held back from the attack) or `target`
    model_id     BIGINT NOT NULL,  -- target model of the group
    generator    VARCHAR NOT NULL, -- generator family
    dataset      VARCHAR NOT NULL, -- dataset
    class        VARCHAR NOT NULL, -- class
    role         VARCHAR NOT NULL, -- `target` or `shadow`: whose traces were scored
    epsilon      DOUBLE,           -- target epsilon of the group; NULL = no DP
    threshold    DOUBLE NOT NULL,  -- guess member where score is at least this
    fpr          DOUBLE NOT NULL,  -- false positive rate
    tpr          DOUBLE NOT NULL   -- true positive rate
);

-- One row per synthetic trace.
CREATE TABLE synthetic_traces (
    model_id         BIGINT NOT NULL,  -- model
    generator        VARCHAR NOT NULL, -- generator family
    dataset          VARCHAR NOT NULL, -- dataset
    class            VARCHAR NOT NULL, -- class
    role             VARCHAR NOT NULL, -- `target` or `shadow`
    shadow           INT,              -- index of a shadow; NULL for a target
    epsilon          DOUBLE,           -- target epsilon of the model; NULL = no DP
    trace_id         BIGINT NOT NULL,  -- id of the synthetic trace
    number           BIGINT NOT NULL,  -- number among its model's, from 0
    packets          INT NOT NULL,     -- packets decoded
    rejected_packets INT NOT NULL,     -- generated packets that do not parse and were left out
    complete         BOOLEAN NOT NULL, -- did the generator end the trace itself?
    mended_fields    INT NOT NULL,     -- header fields (lengths, checksums) that an export to PCAP has to set
    raw              BYTEA NOT NULL    -- what the generator put out before decoding: netssm: little-endian u16 tokens; imported: nothing
);

-- One row per synthetic trace and rule that changed cells of it.
CREATE TABLE repairs (
    model_id  BIGINT NOT NULL,  -- model
    generator VARCHAR NOT NULL, -- generator family
    dataset   VARCHAR NOT NULL, -- dataset
    class     VARCHAR NOT NULL, -- class
    role      VARCHAR NOT NULL, -- `target` or `shadow`
    shadow    INT,              -- index of a shadow; NULL for a target
    epsilon   DOUBLE,           -- target epsilon of the model; NULL = no DP
    trace_id  BIGINT NOT NULL,  -- synthetic trace
    profile   VARCHAR NOT NULL, -- repair profile: `reference` or `strict`
    rule      VARCHAR NOT NULL, -- rule that changed it
    cells     BIGINT NOT NULL   -- cells (bits) that the rule changed
);

-- One row per model, measure and what was compared with what.
CREATE TABLE fidelity (
    model_id   BIGINT NOT NULL,  -- model
    generator  VARCHAR NOT NULL, -- generator family
    dataset    VARCHAR NOT NULL, -- dataset
    class      VARCHAR NOT NULL, -- class
    role       VARCHAR NOT NULL, -- `target` or `shadow`
    shadow     INT,              -- index of a shadow; NULL for a target
    epsilon    DOUBLE,           -- target epsilon of the model; NULL = no DP
    compared   VARCHAR NOT NULL, -- what was compared: `synthetic`, or a baseline: `held_out`, `members`
    reference  VARCHAR NOT NULL, -- with what: the model's `members` (the paper's way), or fresh `real` traces that are neither members nor held out
    aspect     VARCHAR NOT NULL, -- `header` (the paper's), `transition`, `timing`, `flow`, `validity`, `joint`, `diversity`, `variance`, `detection`
    field      VARCHAR NOT NULL, -- header field, pair of fields (`a+b`), or quantity of the trace
    position   INT,              -- packet position from 0; NULL for a measure over whole traces
    metric     VARCHAR NOT NULL, -- `jsd` (distance, base 2), `js_divergence` (base 2), `total_variation`, `wasserstein`, `wasserstein_scaled`, `kolmogorov_smirnov`, `share`, `distinct_share`, `distinct_ratio`, `coverage`, `novelty`, `median_variance`, `median_largest_variance`, `auc`, `balanced_accuracy`
    value      DOUBLE,           -- value; NULL where one side has no value
    n_real     BIGINT NOT NULL,  -- values on the reference's side
    n_compared BIGINT NOT NULL   -- values on the compared side
);

-- One row per measure of a downstream model, tested on held-out real traces.
CREATE TABLE utility (
    job_id     BIGINT NOT NULL,  -- job that wrote it
    dataset    VARCHAR NOT NULL, -- dataset
    generator  VARCHAR,          -- generator family that made the training traces; NULL for a baseline
    epsilon    DOUBLE,           -- target epsilon of its models; NULL = no DP, or a baseline
    task       VARCHAR NOT NULL, -- `classification` (class of a trace) or `next_length` (of the next packet)
    trained_on VARCHAR NOT NULL, -- `synthetic`; baselines: `members` (the real traces that the generators learnt from), `majority` and `last_value` (guesses)
    learner    VARCHAR NOT NULL, -- downstream model with its settings
    metric     VARCHAR NOT NULL, -- `accuracy`, `macro_f1`, `f1`, `precision`, `recall`, `median_mae` and `mean_mae` (bytes), `train_loss` (bytes squared)
    class      VARCHAR,          -- class that the value is about; NULL over all classes
    value      DOUBLE,           -- value; NULL without a trace to learn from or to test on
    n_train    BIGINT NOT NULL,  -- traces learnt from
    n_test     BIGINT NOT NULL   -- real traces tested on
);

-- One row per downstream classifier, header field and packet position: what it used.
CREATE TABLE importances (
    job_id     BIGINT NOT NULL,  -- job that wrote it
    dataset    VARCHAR NOT NULL, -- dataset
    generator  VARCHAR,          -- generator family that made the training traces; NULL for a baseline
    epsilon    DOUBLE,           -- target epsilon of its models; NULL = no DP, or a baseline
    task       VARCHAR NOT NULL, -- `classification`
    trained_on VARCHAR NOT NULL, -- `synthetic` or `members`
    field      VARCHAR NOT NULL, -- header field
    position   INT NOT NULL,     -- packet position from 0
    importance DOUBLE NOT NULL   -- share of the decrease in impurity; sums to 1 over a classifier
);

-- One row per model, measure and kind: training traces in synthetic ones, beside a control.
CREATE TABLE leaks (
    model_id     BIGINT NOT NULL,  -- model
    generator    VARCHAR NOT NULL, -- generator family
    dataset      VARCHAR NOT NULL, -- dataset
    class        VARCHAR NOT NULL, -- class
    role         VARCHAR NOT NULL, -- `target` or `shadow`
    shadow       INT,              -- index of a shadow; NULL for a target
    epsilon      DOUBLE,           -- target epsilon of the model; NULL = no DP
    measure      VARCHAR NOT NULL, -- `exact_copies`, `near_copies` (at most 5 % of bytes differ), `distance_to_closest` (median), `memorised` (unique to one member trace), `identifiers` (only members have them)
    kind         VARCHAR NOT NULL, -- of what: `trace`, `frame`, `payload`, `payload_window`, or a kind of identifier
    value        DOUBLE,           -- share that leaked (a distance for `distance_to_closest`); NULL = none could
    control      DOUBLE,           -- the same for held-out traces, which the model never saw
    hits         BIGINT NOT NULL,  -- what leaked; synthetic traces that are closer to a member for the distance
    n            BIGINT NOT NULL,  -- out of how many
    control_hits BIGINT NOT NULL,  -- what seems to have leaked of held-out traces
    control_n    BIGINT NOT NULL,  -- out of how many
    p_value      DOUBLE NOT NULL   -- probability of so large a difference by chance: Fisher's exact test, sign test for the distance
);

-- One row per one-run audit of the mechanism that trained a model.
CREATE TABLE one_run_audits (
    model_id         BIGINT NOT NULL,  -- model
    generator        VARCHAR NOT NULL, -- generator family
    dataset          VARCHAR NOT NULL, -- dataset
    class            VARCHAR NOT NULL, -- class
    role             VARCHAR NOT NULL, -- `target` or `shadow`
    shadow           INT,              -- index of a shadow; NULL for a target
    epsilon          DOUBLE,           -- target epsilon of the model; NULL = no DP
    score            VARCHAR NOT NULL, -- what the guesses go by: `relative_loss`, how much less the model loses on it than two models of the auditor
    canaries         BIGINT NOT NULL,  -- traces whose membership a fair coin decided
    included         BIGINT NOT NULL,  -- canaries that were trained on
    guesses          BIGINT NOT NULL,  -- canaries guessed in or out; the others were abstained from
    correct          BIGINT NOT NULL,  -- right guesses
    delta            DOUBLE NOT NULL,  -- delta of every epsilon here
    confidence       DOUBLE NOT NULL,  -- confidence of the lower bound, over all numbers of guesses tried
    epsilon_claimed  DOUBLE,           -- upper bound of the audited run's mechanism; NULL = no DP
    epsilon_lower    DOUBLE NOT NULL,  -- epsilon is at least this
    epsilon_provable DOUBLE NOT NULL   -- the bound where every guess is right
);

-- One row per finished job: where everything else comes from.
CREATE TABLE jobs (
    job_id       BIGINT NOT NULL,  -- id of the job: a hash of what it depends on
    kind         VARCHAR NOT NULL, -- kind of work
    label        VARCHAR NOT NULL, -- what it was about, for people
    spec         VARCHAR NOT NULL, -- the part of the spec that it depends on, JSON
    inputs       VARCHAR NOT NULL, -- ids of what it read, JSON
    seed         BIGINT NOT NULL,  -- study seed
    code_version INT NOT NULL,     -- version of the code of this kind of job
    program      VARCHAR NOT NULL, -- version of the program that ran it; then the device, where networks ran on another than the CPU
    started_us   BIGINT NOT NULL,  -- wall clock at the start, microseconds since 1970
    finished_us  BIGINT NOT NULL,  -- wall clock at the end, microseconds since 1970
    seconds      DOUBLE NOT NULL,  -- wall time
    threads      INT NOT NULL,     -- threads it ran with
    outputs      INT NOT NULL      -- number of things that it wrote
);

-- One row per content-addressed object.
CREATE TABLE objects (
    digest       VARCHAR NOT NULL, -- BLAKE3 of the raw bytes, hexadecimal
    kind         VARCHAR NOT NULL, -- what it is
    raw_bytes    BIGINT NOT NULL,  -- length before compression, bytes
    stored_bytes BIGINT NOT NULL   -- length as stored, bytes
);

-- One row per segment and column: where the bytes are.
CREATE TABLE segments (
    table_name   VARCHAR NOT NULL, -- columnar table
    partition_id BIGINT NOT NULL,  -- class, split, model or attack id
    segment_id   BIGINT NOT NULL,  -- id of the segment
    column_name  VARCHAR NOT NULL, -- column
    rows         BIGINT NOT NULL,  -- rows of the segment
    raw_bytes    BIGINT NOT NULL,  -- bytes of the column before compression
    stored_bytes BIGINT NOT NULL,  -- bytes of the column as stored
    null_count   BIGINT NOT NULL,  -- NULLs in the column
    min_value    VARCHAR,          -- smallest value as text, where known
    max_value    VARCHAR,          -- largest value as text, where known
    job_id       BIGINT NOT NULL   -- job that wrote it
);

-- One row per regime, class and generator of the paper's appendix Table 1.
CREATE TABLE paper_table1 (
    dataset   VARCHAR NOT NULL, -- dataset; `os` is the paper's CICIDS
    class     VARCHAR NOT NULL, -- class
    generator VARCHAR NOT NULL, -- generator family
    epsilon   DOUBLE,           -- target epsilon; NULL = no DP
    precision DOUBLE NOT NULL,  -- precision of the attack
    tpr       DOUBLE NOT NULL,  -- true positive rate (recall) of the attack
    fpr       DOUBLE NOT NULL,  -- false positive rate of the attack
    f1        DOUBLE NOT NULL,  -- F1 of the class by a random forest trained on synthetic traces
    mae       DOUBLE            -- median MAE of the next packet length, bytes; NULL for `vca`
);

-- One row per dataset and generator of the paper's appendix Table 2.
CREATE TABLE paper_table2 (
    dataset    VARCHAR NOT NULL, -- dataset; `os` is the paper's CICIDS
    generator  VARCHAR NOT NULL, -- generator family
    min_jsd    DOUBLE NOT NULL,  -- smallest average JSD over the budgets
    max_jsd    DOUBLE NOT NULL,  -- largest average JSD over the budgets
    difference DOUBLE NOT NULL   -- their difference, as printed
);

-- One row per class of the paper's appendix Table 3.
CREATE TABLE paper_table3 (
    dataset VARCHAR NOT NULL, -- dataset; `os` is the paper's CICIDS
    class   VARCHAR NOT NULL, -- class
    median  DOUBLE NOT NULL,  -- median packet length, bytes
    std_dev DOUBLE NOT NULL,  -- standard deviation of packet lengths, bytes
    max     DOUBLE NOT NULL   -- largest packet length, bytes
);

-- One row per class and generator of Table 2 in the paper's section 3.
CREATE TABLE paper_section3_table2 (
    dataset   VARCHAR NOT NULL, -- dataset; `os` is the paper's CICIDS
    class     VARCHAR NOT NULL, -- class
    generator VARCHAR NOT NULL, -- generator family
    precision DOUBLE NOT NULL,  -- precision of the attack on models without DP
    recall    DOUBLE NOT NULL,  -- its recall
    fpr       DOUBLE NOT NULL   -- its false positive rate
);

-- One row per statement of the paper that a study can check, with the rule that checks it.
CREATE TABLE paper_takeaways (
    takeaway     VARCHAR NOT NULL, -- its name here
    section      VARCHAR NOT NULL, -- where the paper says it
    statement    VARCHAR NOT NULL, -- what the paper says
    rule         VARCHAR NOT NULL, -- what one case of a study must show to hold, and what is a case
    paper_number VARCHAR           -- the paper's own number, in words
);
