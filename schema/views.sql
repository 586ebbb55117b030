-- The views of a study. This text is executed; there is no second definition. Each view is planned
-- when a query names it. NULL epsilon = no DP; regime says the same in words.

-- One row per target model: the models whose output would leave the house.
CREATE VIEW target_models AS
SELECT *
FROM models
WHERE role = 'target';

-- One row per model: what its epsilon promises, in numbers and words.
CREATE VIEW model_privacy AS
SELECT
    model_id, name, generator, dataset, class, role, shadow, epsilon, delta,
    noise_multiplier, sampling_rate, steps, clip_norm, epsilon_spent, accountant,
    guarantee, epsilon_end_to_end, noise,
    CASE
        WHEN regime = 'none' THEN 'no differential privacy'
        WHEN epsilon_spent IS NULL THEN 'claimed by its makers, not checked here (see lineage)'
        WHEN guarantee = 'end-to-end' THEN 'differentially private for adding or removing one trace'
        ELSE 'private only given upstream weights or choices that saw the same traces'
    END AS meaning
FROM models;

-- One row per attack result: who leaks how much, with intervals.
CREATE VIEW leakage AS
SELECT
    generator, dataset, class, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    attack, attribute, evaluated_on, n, n_members,
    auc, auc_low, auc_high,
    balanced_accuracy, balanced_accuracy_low, balanced_accuracy_high,
    precision, recall, fpr, tpr_at_1pct_fpr, tpr_at_0_1pct_fpr,
    auc_low > 0.5 AS above_chance,
    attack_id, model_id
FROM attacks;

-- One row per target model, header field and measure: the mean over packet positions, beside the baseline.
CREATE VIEW field_fidelity AS
SELECT
    model_id, generator, dataset, class, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    field, metric,
    avg(value) FILTER (WHERE compared = 'synthetic') AS synthetic_value,
    avg(value) FILTER (WHERE compared = 'held_out') AS held_out_value,
    count(value) FILTER (WHERE compared = 'synthetic') AS positions
FROM fidelity
WHERE role = 'target'
GROUP BY model_id, generator, dataset, class, epsilon, field, metric;

-- One row per model and epoch: how much better members are known than held-out traces.
CREATE VIEW generalization AS
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    epoch, step, member_loss, held_out_loss,
    held_out_loss - member_loss AS gap,
    (held_out_loss - member_loss) / nullif(abs(member_loss), 0) AS relative_gap
FROM epochs
WHERE member_loss IS NOT NULL AND held_out_loss IS NOT NULL;

-- One row per columnar table or kind of object: rows, and bytes before and after compression.
CREATE VIEW table_bytes AS
SELECT
    table_name AS name, 'segments' AS content,
    count(DISTINCT segment_id) AS items,
    sum(raw_bytes) AS raw_bytes, sum(stored_bytes) AS stored_bytes
FROM segments
GROUP BY table_name
UNION ALL
SELECT kind AS name, 'objects' AS content, count(*) AS items, sum(raw_bytes) AS raw_bytes, sum(stored_bytes) AS stored_bytes
FROM objects
GROUP BY kind;
