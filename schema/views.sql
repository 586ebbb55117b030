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

-- The threshold is the best one on the attack's shadow traces (there chosen by rates with a margin), so it
-- owes nothing to the traces that it is judged on; an attack without such traces keeps its own decisions.
-- The bounds of all attacks on one model hold together with 95 % confidence.
-- One row per attack on a target model: what its decisions prove about epsilon, and the most that they could.
CREATE VIEW empirical_privacy AS
WITH pairs AS (
    SELECT
        target.attack_id, shadow.attack_id AS shadow_id, target.model_id, target.generator, target.dataset,
        target.class, target.epsilon, coalesce(target.delta, 0.00001) AS delta, target.attack, target.attribute,
        target.n_members, target.n - target.n_members AS n_held_out,
        CAST(round(target.recall * target.n_members) AS BIGINT) AS own_tp,
        CAST(round(target.fpr * (target.n - target.n_members)) AS BIGINT) AS own_fp,
        1.0 - 0.05 / count(*) OVER (PARTITION BY target.model_id) AS confidence
    FROM attacks AS target
    LEFT JOIN attacks AS shadow
        ON shadow.job_id = target.job_id AND shadow.model_id = target.model_id
        AND shadow.attack = target.attack AND shadow.attribute = target.attribute
        AND shadow.evaluated_on = 'shadow_test'
    WHERE target.evaluated_on = 'target' AND target.n_members > 0 AND target.n > target.n_members
),
ranked AS (
    SELECT
        attack_id, CAST(score AS DOUBLE) AS score,
        sum(CASE WHEN member THEN 1.0 ELSE 0.0 END)
            OVER (PARTITION BY attack_id ORDER BY score DESC RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            / nullif(sum(CASE WHEN member THEN 1.0 ELSE 0.0 END) OVER (PARTITION BY attack_id), 0) AS tpr,
        sum(CASE WHEN member THEN 0.0 ELSE 1.0 END)
            OVER (PARTITION BY attack_id ORDER BY score DESC RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            / nullif(sum(CASE WHEN member THEN 0.0 ELSE 1.0 END) OVER (PARTITION BY attack_id), 0) AS fpr,
        CAST(count(*) OVER (PARTITION BY attack_id) AS DOUBLE) AS n
    FROM attack_scores
    WHERE evaluated_on = 'shadow_test'
),
judged AS (
    SELECT
        attack_id, score,
        greatest(
            (tpr + 1.0 / n) / (fpr + 2.0 * sqrt(fpr * (1.0 - fpr) / n) + 6.0 / n),
            (1.0 - fpr + 1.0 / n) / (1.0 - tpr + 2.0 * sqrt(tpr * (1.0 - tpr) / n) + 6.0 / n)
        ) AS evidence
    FROM ranked
    WHERE tpr IS NOT NULL AND fpr IS NOT NULL
),
best AS (
    SELECT attack_id, first_value(score ORDER BY evidence DESC, score DESC) AS threshold
    FROM judged
    GROUP BY attack_id
),
thresholds AS (
    SELECT pairs.attack_id, best.threshold
    FROM pairs
    JOIN best ON best.attack_id = pairs.shadow_id
),
decided AS (
    SELECT
        scores.attack_id, thresholds.threshold,
        sum(CASE WHEN scores.member AND scores.score >= thresholds.threshold THEN 1 ELSE 0 END) AS tp,
        sum(CASE WHEN NOT scores.member AND scores.score >= thresholds.threshold THEN 1 ELSE 0 END) AS fp
    FROM attack_scores AS scores
    JOIN thresholds ON thresholds.attack_id = scores.attack_id
    WHERE scores.evaluated_on = 'target'
    GROUP BY scores.attack_id, thresholds.threshold
),
counted AS (
    SELECT
        pairs.attack_id, pairs.model_id, pairs.generator, pairs.dataset, pairs.class, pairs.epsilon, pairs.delta,
        pairs.attack, pairs.attribute, decided.threshold, pairs.confidence, pairs.n_members, pairs.n_held_out,
        coalesce(decided.tp, pairs.own_tp, 0) AS tp, coalesce(decided.fp, pairs.own_fp, 0) AS fp
    FROM pairs
    LEFT JOIN decided ON decided.attack_id = pairs.attack_id
)
SELECT
    attack_id, model_id, generator, dataset, class, epsilon, delta, attack, attribute, threshold, confidence,
    n_members, n_held_out, tp, fp, n_held_out - fp AS tn, n_members - tp AS fn,
    empirical_epsilon(tp, fp, n_held_out - fp, n_members - tp, delta, confidence) AS epsilon_lower,
    empirical_epsilon(n_members, 0, n_held_out, 0, delta, confidence) AS epsilon_provable
FROM counted;

-- `refuted` says that a lower bound lies above what is claimed end to end: then the mechanism does not do
-- what its ledger says.
-- One row per target model: its claimed, its end-to-end and its empirical epsilon side by side.
CREATE VIEW privacy_audit AS
WITH best AS (
    SELECT
        model_id, attack, attribute, n_members + n_held_out AS n, confidence, epsilon_lower, epsilon_provable,
        row_number() OVER (PARTITION BY model_id ORDER BY epsilon_lower DESC, attack, attribute) AS place
    FROM empirical_privacy
),
one_run AS (
    SELECT
        model_id, max(canaries) AS canaries, max(epsilon_lower) AS epsilon_lower,
        max(epsilon_provable) AS epsilon_provable,
        bool_or(epsilon_lower > epsilon_claimed) AS refuted
    FROM one_run_audits
    GROUP BY model_id
),
sides AS (
    SELECT
        models.model_id, models.name, models.generator, models.dataset, models.class, models.regime,
        models.epsilon, models.delta, models.epsilon_spent, models.guarantee, models.epsilon_end_to_end,
        best.epsilon_lower AS epsilon_empirical, best.epsilon_provable, best.attack, best.attribute, best.n,
        best.confidence,
        one_run.epsilon_lower AS one_run_epsilon, one_run.epsilon_provable AS one_run_provable, one_run.canaries,
        coalesce(best.epsilon_lower > models.epsilon_end_to_end, false) OR coalesce(one_run.refuted, false) AS refuted
    FROM models
    LEFT JOIN best ON best.model_id = models.model_id AND best.place = 1
    LEFT JOIN one_run ON one_run.model_id = models.model_id
    WHERE models.role = 'target'
)
SELECT
    *,
    CASE
        WHEN refuted THEN 'REFUTED: an empirical bound lies above the claim'
        WHEN regime = 'none' THEN 'nothing is claimed'
        WHEN guarantee <> 'end-to-end' THEN 'nothing is claimed end to end'
        WHEN epsilon_empirical IS NULL AND one_run_epsilon IS NULL THEN 'not audited'
        ELSE 'not refuted'
    END AS finding
FROM sides;

-- An attacker who holds several traces of one host, all trained on or none, guesses by their mean.
-- One row per attack on a target model: the same scores, averaged over all traces of one host on one side.
CREATE VIEW source_leakage AS
WITH sources AS (
    SELECT
        scores.attack_id, scores.attack, scores.attribute, scores.generator, scores.dataset, scores.class,
        scores.epsilon, traces.src_ip, scores.member,
        avg(scores.score) AS score, count(*) AS traces
    FROM attack_scores AS scores
    JOIN traces ON traces.trace_id = scores.trace_id
    WHERE scores.evaluated_on = 'target'
    GROUP BY
        scores.attack_id, scores.attack, scores.attribute, scores.generator, scores.dataset, scores.class,
        scores.epsilon, traces.src_ip, scores.member
)
SELECT
    attack_id, generator, dataset, class, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    attack, attribute,
    sum(CASE WHEN member THEN 1 ELSE 0 END) AS member_sources,
    sum(CASE WHEN member THEN 0 ELSE 1 END) AS held_out_sources,
    avg(CAST(traces AS DOUBLE)) AS traces_per_source,
    auc(score, member) AS auc
FROM sources
GROUP BY attack_id, generator, dataset, class, epsilon, attack, attribute;

-- The attack is the one with the largest mean AUC without DP; intervals are those of the mean over classes.
-- Leaking = the AUC's interval lies above 0.5; overfitting = a relative generalization gap above 5 % at the
-- last epoch (paper, section 4.3). Without DP not leaking: `undergeneralization` if overfitting all the same
-- (the model fits what members and held-out traces share), else `no overfitting`. Leaking without DP:
-- `standard overfitting` where DP brings the AUC's interval below the one without DP, `structural
-- overfitting` where it does not (paper, section 3.5); without DP, whichever the regimes with DP show.
-- One row per generator, dataset and regime: whether DP helped against attacks, and why, by a stated rule.
CREATE VIEW overfitting AS
WITH last_epochs AS (
    SELECT
        generator, dataset, epsilon, relative_gap,
        row_number() OVER (PARTITION BY model_id ORDER BY epoch DESC) AS place
    FROM generalization
),
gaps AS (
    SELECT generator, dataset, epsilon, avg(relative_gap) AS relative_gap
    FROM last_epochs
    WHERE place = 1
    GROUP BY generator, dataset, epsilon
),
separations AS (
    SELECT
        generator, dataset, epsilon,
        (avg(loss) FILTER (WHERE NOT member) - avg(loss) FILTER (WHERE member)) / nullif(stddev_pop(loss), 0)
            AS loss_separation
    FROM attributes
    GROUP BY generator, dataset, epsilon
),
monitored AS (
    SELECT
        generator, dataset, epsilon,
        median(CASE WHEN monitor = 'feature_variance_generated' THEN value END)
            / nullif(median(CASE WHEN monitor = 'feature_variance_real' THEN value END), 0) AS variance_kept,
        avg(CASE WHEN monitor = 'image_entropy_bits' THEN value END) AS image_entropy_bits
    FROM monitors
    GROUP BY generator, dataset, epsilon
),
attacked AS (
    SELECT
        generator, dataset, epsilon, attack, attribute,
        avg(auc) AS auc, sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width
    FROM leakage
    WHERE evaluated_on = 'target' AND auc IS NOT NULL
    GROUP BY generator, dataset, epsilon, attack, attribute
),
strongest AS (
    SELECT
        generator, dataset, attack, attribute, auc, half_width,
        row_number() OVER (PARTITION BY generator, dataset ORDER BY auc DESC, attack, attribute) AS place
    FROM attacked
    WHERE epsilon IS NULL
),
compared AS (
    SELECT
        attacked.generator, attacked.dataset, attacked.epsilon, attacked.attack, attacked.attribute,
        attacked.auc, attacked.half_width, strongest.auc AS auc_without_dp,
        attacked.auc - attacked.half_width > 0.5 AS leaks,
        strongest.auc - strongest.half_width > 0.5 AS leaks_without_dp,
        attacked.epsilon IS NOT NULL
            AND attacked.auc + attacked.half_width < strongest.auc - strongest.half_width AS relieved
    FROM attacked
    JOIN strongest
        ON strongest.generator = attacked.generator AND strongest.dataset = attacked.dataset
        AND strongest.attack = attacked.attack AND strongest.attribute = attacked.attribute
    WHERE strongest.place = 1
),
overall AS (
    SELECT
        compared.*,
        gaps.relative_gap, separations.loss_separation, monitored.variance_kept, monitored.image_entropy_bits,
        max(gaps.relative_gap) FILTER (WHERE compared.epsilon IS NULL)
            OVER (PARTITION BY compared.generator, compared.dataset) AS gap_without_dp,
        sum(CASE WHEN compared.epsilon IS NULL THEN 0 ELSE 1 END)
            OVER (PARTITION BY compared.generator, compared.dataset) AS private_regimes,
        sum(CASE WHEN relieved THEN 1 ELSE 0 END)
            OVER (PARTITION BY compared.generator, compared.dataset) AS relieved_regimes
    FROM compared
    LEFT JOIN gaps
        ON gaps.generator = compared.generator AND gaps.dataset = compared.dataset
        AND gaps.epsilon IS NOT DISTINCT FROM compared.epsilon
    LEFT JOIN separations
        ON separations.generator = compared.generator AND separations.dataset = compared.dataset
        AND separations.epsilon IS NOT DISTINCT FROM compared.epsilon
    LEFT JOIN monitored
        ON monitored.generator = compared.generator AND monitored.dataset = compared.dataset
        AND monitored.epsilon IS NOT DISTINCT FROM compared.epsilon
)
SELECT
    generator, dataset, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    attack, attribute, auc, greatest(auc - half_width, 0.0) AS auc_low, least(auc + half_width, 1.0) AS auc_high,
    auc_without_dp, leaks,
    relative_gap, gap_without_dp, loss_separation, variance_kept, image_entropy_bits,
    CASE
        WHEN NOT leaks_without_dp AND gap_without_dp > 0.05 THEN 'undergeneralization'
        WHEN NOT leaks_without_dp THEN 'no overfitting'
        WHEN epsilon IS NULL AND private_regimes = 0 THEN 'overfitting of unknown kind: no regime with DP'
        WHEN relieved OR (epsilon IS NULL AND relieved_regimes > 0) THEN 'standard overfitting'
        ELSE 'structural overfitting'
    END AS label
FROM overall;
