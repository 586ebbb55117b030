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

-- Of several attacks the strongest is the one with the largest auc_on_shadows: the target takes no part in the choice. The
-- largest auc on the target is an upper end, above 0.5 by selection alone.
-- One row per attack on a target model: its AUC on shadow test data, by which attacks are chosen, and on the target.
CREATE VIEW attack_strength AS
SELECT
    model_id, generator, dataset, class, epsilon, attack, attribute,
    avg(auc) FILTER (WHERE evaluated_on = 'shadow_test') AS auc_on_shadows,
    avg(auc) FILTER (WHERE evaluated_on = 'target') AS auc,
    avg(auc_low) FILTER (WHERE evaluated_on = 'target') AS auc_low,
    avg(auc_high) FILTER (WHERE evaluated_on = 'target') AS auc_high
FROM attacks
WHERE evaluated_on IN ('shadow_test', 'target')
GROUP BY model_id, generator, dataset, class, epsilon, attack, attribute;

-- One row per target model, header field and measure: the mean over packet positions, beside the baselines.
CREATE VIEW field_fidelity AS
SELECT
    model_id, generator, dataset, class, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    field, metric,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'members') AS synthetic_value,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'members') AS held_out_value,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'real') AS synthetic_to_real,
    avg(value) FILTER (WHERE compared = 'members' AND reference = 'real') AS members_to_real,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'real') AS held_out_to_real,
    count(value) FILTER (WHERE compared = 'synthetic' AND reference = 'members') AS positions
FROM fidelity
WHERE role = 'target' AND aspect = 'header'
GROUP BY model_id, generator, dataset, class, epsilon, field, metric;

-- One row per target model and measure of whole traces (transitions, timing, flows, validity, pairs of fields, diversity, variance, detection), beside the baselines.
CREATE VIEW traffic_fidelity AS
SELECT
    model_id, generator, dataset, class, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    aspect, field, metric,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'members') AS synthetic_value,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'members') AS held_out_value,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'real') AS synthetic_to_real,
    avg(value) FILTER (WHERE compared = 'members' AND reference = 'real') AS members_to_real,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'real') AS held_out_to_real
FROM fidelity
WHERE role = 'target' AND aspect <> 'header'
GROUP BY model_id, generator, dataset, class, epsilon, aspect, field, metric;

-- The paper's section 4.3 prints (test - train) / (train * 100): relative_gap_printed. Its figures show
-- 100 * (test - train) / train: relative_gap_percent. relative_gap is the plain fraction.
-- One row per model and epoch: how much better members are known than held-out traces.
CREATE VIEW generalization AS
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    epoch, step, member_loss, held_out_loss,
    held_out_loss - member_loss AS gap,
    (held_out_loss - member_loss) / nullif(abs(member_loss), 0) AS relative_gap,
    100 * (held_out_loss - member_loss) / nullif(abs(member_loss), 0) AS relative_gap_percent,
    (held_out_loss - member_loss) / nullif(member_loss * 100, 0) AS relative_gap_printed
FROM epochs
WHERE member_loss IS NOT NULL AND held_out_loss IS NOT NULL;

-- One row per generator, class, regime and epoch: the mean gap of its models, as the paper averages it over shadows.
CREATE VIEW generalization_by_class AS
SELECT
    generator, dataset, class, epsilon, regime, role, epoch,
    count(*) AS models,
    avg(member_loss) AS member_loss, avg(held_out_loss) AS held_out_loss, avg(gap) AS gap,
    avg(relative_gap) AS relative_gap, avg(relative_gap_percent) AS relative_gap_percent,
    avg(relative_gap_printed) AS relative_gap_printed
FROM generalization
GROUP BY generator, dataset, class, epsilon, regime, role, epoch;

-- One row per model, epoch and feature: variance of generated values beside that of real ones (paper section 3.5.1).
CREATE VIEW mode_collapse AS
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon, epoch, field,
    avg(value) FILTER (WHERE monitor = 'feature_variance_generated') AS generated_variance,
    avg(value) FILTER (WHERE monitor = 'feature_variance_real') AS real_variance,
    1 - avg(value) FILTER (WHERE monitor = 'feature_variance_generated')
        / nullif(avg(value) FILTER (WHERE monitor = 'feature_variance_real'), 0) AS reduction
FROM monitors
WHERE monitor IN ('feature_variance_generated', 'feature_variance_real')
GROUP BY model_id, generator, dataset, class, role, shadow, epsilon, epoch, field;

-- One row per model: entropy of its training images in bits, beside the paper's numbers for photographs (section 3.4.2).
CREATE VIEW image_entropy AS
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon,
    avg(value) AS entropy_bits, 0.03 AS paper_bits, 1.61 AS mnist_bits, 6.96 AS cifar10_bits
FROM monitors
WHERE monitor = 'image_entropy_bits'
GROUP BY model_id, generator, dataset, class, role, shadow, epsilon;

-- One row per model and epoch: mean squared error of predicted noise (paper section 3.5.2).
CREATE VIEW noise_error AS
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    epoch, avg(value) AS error
FROM monitors
WHERE monitor = 'noise_error'
GROUP BY model_id, generator, dataset, class, role, shadow, epsilon, epoch;

-- A spec that grew by a class asks all downstream questions again; the older answers stay in `utility`.
-- One row per downstream value of the newest job that answered its question.
CREATE VIEW current_utility AS
WITH answers AS (
    SELECT utility.*, jobs.finished_us
    FROM utility
    JOIN jobs ON jobs.job_id = utility.job_id
),
newest AS (
    SELECT dataset, generator, epsilon, task, learner, max(finished_us) AS finished_us
    FROM answers
    GROUP BY dataset, generator, epsilon, task, learner
)
SELECT
    answers.job_id, answers.dataset, answers.generator, answers.epsilon, answers.task, answers.trained_on,
    answers.learner, answers.metric, answers.class, answers.value, answers.n_train, answers.n_test
FROM answers
JOIN newest
    ON newest.dataset = answers.dataset AND newest.task = answers.task AND newest.learner = answers.learner
    AND newest.finished_us = answers.finished_us
    AND (newest.generator IS NOT DISTINCT FROM answers.generator)
    AND (newest.epsilon IS NOT DISTINCT FROM answers.epsilon);

-- One row per downstream task, learner, training traffic and measure, beside the same learner on real traffic and a guess.
CREATE VIEW downstream AS
WITH baselines AS (
    SELECT
        dataset, task, metric, class,
        avg(value) FILTER (WHERE trained_on = 'members') AS members_value,
        avg(value) FILTER (WHERE trained_on IN ('majority', 'last_value')) AS guess_value
    FROM current_utility AS utility
    WHERE trained_on <> 'synthetic'
    GROUP BY dataset, task, metric, class
)
SELECT
    utility.dataset, utility.generator, utility.epsilon,
    CASE WHEN utility.epsilon IS NULL THEN 'no DP' ELSE concat('eps ', utility.epsilon) END AS regime,
    utility.task, utility.learner, utility.metric, utility.class,
    utility.value AS synthetic_value, baselines.members_value, baselines.guess_value,
    utility.n_train, utility.n_test, utility.job_id
FROM current_utility AS utility
LEFT JOIN baselines
    ON utility.dataset = baselines.dataset AND utility.task = baselines.task
    AND utility.metric = baselines.metric AND utility.class IS NOT DISTINCT FROM baselines.class
WHERE utility.trained_on = 'synthetic';

-- The numbers behind paper_agreement; paper_takeaways says each rule in words. holds: NULL = open.
-- One row per takeaway of the paper and case of this study that bears on it.
CREATE VIEW paper_evidence AS
WITH learnt AS (
    SELECT generator, dataset, class, epsilon, attack, attribute, auc, auc_low, auc_high
    FROM attacks
    WHERE evaluated_on = 'target' AND (attack LIKE 'mlp%' OR attack LIKE 'ocsvm%')
),
jsd AS (
    SELECT generator, dataset, epsilon, avg(synthetic_value) AS jsd
    FROM field_fidelity
    WHERE metric = 'jsd'
    GROUP BY generator, dataset, epsilon
),
numeric_fields AS (
    SELECT generator, dataset, epsilon, avg(synthetic_value) AS distance
    FROM field_fidelity
    WHERE metric = 'wasserstein_scaled'
    GROUP BY generator, dataset, epsilon
),
accuracy AS (
    SELECT generator, dataset, epsilon, trained_on, avg(value) AS accuracy, max(n_test) AS n_test
    FROM current_utility AS utility
    WHERE task = 'classification' AND metric = 'accuracy' AND trained_on IN ('synthetic', 'members')
    GROUP BY generator, dataset, epsilon, trained_on
),
scored AS (
    SELECT jsd.generator, jsd.dataset, jsd.epsilon, jsd.jsd, accuracy.accuracy
    FROM jsd
    JOIN accuracy
        ON accuracy.generator = jsd.generator AND accuracy.dataset = jsd.dataset
        AND accuracy.trained_on = 'synthetic' AND accuracy.epsilon IS NOT DISTINCT FROM jsd.epsilon
),
errors AS (
    SELECT generator, dataset, class, epsilon, trained_on, avg(value) AS mae
    FROM current_utility AS utility
    WHERE task = 'next_length' AND metric = 'median_mae'
    GROUP BY generator, dataset, class, epsilon, trained_on
),
last_gaps AS (
    SELECT generator, dataset, class, epsilon, relative_gap_percent
    FROM (
        SELECT
            *, row_number() OVER (PARTITION BY generator, dataset, class, epsilon ORDER BY epoch DESC) AS place
        FROM generalization_by_class
        WHERE role = 'shadow'
    )
    WHERE place = 1
),
spread AS (
    SELECT
        generator, dataset, class, epsilon,
        avg(value) FILTER (WHERE compared = 'synthetic') AS synthetic_variance,
        avg(value) FILTER (WHERE compared = 'members') AS members_variance
    FROM fidelity
    WHERE role = 'target' AND aspect = 'variance' AND field = 'all' AND metric = 'median_variance' AND reference = 'real'
    GROUP BY generator, dataset, class, epsilon
),
last_noise AS (
    SELECT generator, dataset, class, epsilon, error
    FROM (
        SELECT
            *, row_number() OVER (PARTITION BY generator, dataset, class, epsilon ORDER BY epoch DESC NULLS LAST) AS place
        FROM noise_error
        WHERE role = 'target'
    )
    WHERE place = 1
),
novelty AS (
    SELECT generator, dataset, class, epsilon, avg(synthetic_value) AS novelty
    FROM traffic_fidelity
    WHERE aspect = 'diversity' AND metric = 'novelty' AND field NOT IN ('trace', 'headers')
    GROUP BY generator, dataset, class, epsilon
)
SELECT
    concat('mia_', generator) AS takeaway, generator, dataset, class, epsilon, attack AS detail,
    auc AS ours, 0.5 AS compared_with,
    CASE
        WHEN auc_low > 0.5 THEN generator <> 'netdiffusion'
        WHEN auc_high < 0.6 THEN generator = 'netdiffusion'
    END AS holds
FROM learnt
WHERE epsilon IS NULL AND generator IN ('netshare', 'netssm', 'netdiffusion')
UNION ALL
SELECT
    'dp_netssm', generator, dataset, class, epsilon, attack, auc, 0.5,
    CASE WHEN auc_low > 0.5 THEN false WHEN auc_high < 0.6 THEN true END
FROM learnt
WHERE epsilon IS NOT NULL AND generator = 'netssm'
UNION ALL
SELECT
    concat('dp_', private.generator), private.generator, private.dataset, private.class, private.epsilon,
    private.attack, private.auc, plain.auc,
    CASE
        WHEN abs(private.auc - plain.auc) <= 0.05 THEN true
        WHEN private.auc_low > plain.auc_high OR private.auc_high < plain.auc_low THEN false
    END
FROM learnt AS private
JOIN learnt AS plain
    ON private.generator = plain.generator AND private.dataset = plain.dataset AND private.class = plain.class
    AND private.attack = plain.attack AND private.attribute = plain.attribute
WHERE private.epsilon IS NOT NULL AND plain.epsilon IS NULL AND private.generator IN ('netshare', 'netdiffusion')
UNION ALL
SELECT
    'mode_collapse', generator, dataset, class, epsilon, 'median variance within a trace',
    synthetic_variance, members_variance, synthetic_variance <= 0.1 * members_variance
FROM spread
WHERE generator = 'netshare' AND epsilon IS NOT NULL
UNION ALL
SELECT
    'image_entropy', generator, dataset, class, epsilon, 'bits of the colour histogram', entropy_bits, mnist_bits,
    entropy_bits < mnist_bits
FROM image_entropy
WHERE role = 'target'
UNION ALL
SELECT
    'noise_error', private.generator, private.dataset, private.class, private.epsilon, 'with DP beside no DP',
    private.error, plain.error, abs(private.error - plain.error) <= 0.1 * plain.error
FROM last_noise AS plain
JOIN last_noise AS private
    ON private.generator = plain.generator AND private.dataset = plain.dataset AND private.class = plain.class
WHERE plain.epsilon IS NULL AND private.epsilon IS NOT NULL
UNION ALL
SELECT
    'jsd_steady', generator, dataset, NULL, NULL, concat(count(*), ' regimes'),
    max(jsd) - min(jsd), 0.05, max(jsd) - min(jsd) <= 0.05
FROM jsd
WHERE generator IN ('netdiffusion', 'netshare', 'netdpsyn')
GROUP BY generator, dataset
HAVING count(*) > 1
UNION ALL
SELECT
    'jsd_netssm', plain.generator, plain.dataset, NULL, strict.epsilon, 'smallest epsilon beside no DP',
    strict.jsd, plain.jsd,
    CASE WHEN strict.jsd > plain.jsd + 0.05 THEN true WHEN strict.jsd < plain.jsd - 0.05 THEN false END
FROM jsd AS plain
JOIN (SELECT *, row_number() OVER (PARTITION BY generator, dataset ORDER BY epsilon) AS place FROM jsd WHERE epsilon IS NOT NULL) AS strict
    ON strict.generator = plain.generator AND strict.dataset = plain.dataset AND strict.place = 1
WHERE plain.epsilon IS NULL AND plain.generator = 'netssm'
UNION ALL
SELECT
    'dp_fidelity', plain.generator, plain.dataset, NULL, NULL, 'best budget beside no DP',
    min(private.jsd), min(plain.jsd), min(private.jsd) <= min(plain.jsd) + 0.02
FROM jsd AS plain
JOIN jsd AS private ON private.generator = plain.generator AND private.dataset = plain.dataset
WHERE plain.epsilon IS NULL AND private.epsilon IS NOT NULL
GROUP BY plain.generator, plain.dataset
UNION ALL
SELECT
    'numeric_netdiffusion', private.generator, private.dataset, NULL, private.epsilon, 'with DP beside no DP',
    private.distance, plain.distance, plain.distance < private.distance
FROM numeric_fields AS plain
JOIN numeric_fields AS private ON private.generator = plain.generator AND private.dataset = plain.dataset
WHERE plain.epsilon IS NULL AND private.epsilon IS NOT NULL AND plain.generator = 'netdiffusion'
UNION ALL
SELECT
    'easy_and_hard', NULL, NULL, NULL, NULL, 'os beside vca', systems.accuracy, applications.accuracy,
    systems.accuracy > applications.accuracy
FROM accuracy AS systems
JOIN accuracy AS applications ON applications.trained_on = systems.trained_on
WHERE systems.trained_on = 'members' AND systems.dataset = 'os' AND applications.dataset = 'vca'
UNION ALL
SELECT
    'dp_accuracy_os', private.generator, private.dataset, NULL, private.epsilon, 'with DP beside no DP',
    private.accuracy, plain.accuracy,
    private.accuracy >= plain.accuracy - 2 * sqrt(
        (private.accuracy * (1 - private.accuracy) + plain.accuracy * (1 - plain.accuracy)) / plain.n_test
    )
FROM accuracy AS plain
JOIN accuracy AS private ON private.generator = plain.generator AND private.dataset = plain.dataset
WHERE plain.epsilon IS NULL AND private.epsilon IS NOT NULL AND plain.dataset = 'os'
UNION ALL
SELECT
    'vca_is_poor', synthetic.generator, synthetic.dataset, NULL, synthetic.epsilon, 'beside training on real traces',
    synthetic.accuracy, members.accuracy, synthetic.accuracy <= members.accuracy - 0.1
FROM accuracy AS synthetic
JOIN accuracy AS members ON members.dataset = synthetic.dataset
WHERE synthetic.trained_on = 'synthetic' AND members.trained_on = 'members' AND synthetic.dataset = 'vca'
UNION ALL
SELECT
    'fidelity_is_not_utility', NULL, worse.dataset, NULL, NULL, 'pairs against the order, of all pairs',
    CAST(count(*) FILTER (WHERE worse.accuracy > better.accuracy) AS DOUBLE), CAST(count(*) AS DOUBLE),
    count(*) FILTER (WHERE worse.accuracy > better.accuracy) > 0
FROM scored AS worse
JOIN scored AS better ON better.dataset = worse.dataset
WHERE worse.jsd > better.jsd + 0.02
GROUP BY worse.dataset
UNION ALL
SELECT
    'dp_regression', plain.generator, plain.dataset, plain.class, NULL, 'best budget beside no DP',
    min(private.mae), min(plain.mae), min(private.mae) <= min(plain.mae)
FROM errors AS plain
JOIN errors AS private
    ON private.generator = plain.generator AND private.dataset = plain.dataset AND private.class = plain.class
WHERE plain.epsilon IS NULL AND private.epsilon IS NOT NULL
GROUP BY plain.generator, plain.dataset, plain.class
UNION ALL
SELECT
    'real_regression', synthetic.generator, synthetic.dataset, synthetic.class, synthetic.epsilon,
    'beside training on real traces', synthetic.mae, members.mae, members.mae < synthetic.mae
FROM errors AS synthetic
JOIN errors AS members ON members.dataset = synthetic.dataset AND members.class = synthetic.class
WHERE synthetic.trained_on = 'synthetic' AND members.trained_on = 'members'
UNION ALL
SELECT
    CASE WHEN epsilon IS NULL THEN 'overfit_without_dp' ELSE 'no_overfit_with_dp' END,
    generator, dataset, class, epsilon, 'relative gap of the last epoch, percent', relative_gap_percent, 5.0,
    CASE WHEN epsilon IS NULL THEN relative_gap_percent > 5 ELSE relative_gap_percent <= 5 END
FROM last_gaps
UNION ALL
SELECT
    'copies_without_dp', private.generator, private.dataset, private.class, private.epsilon,
    'share of new header values, with DP beside no DP', private.novelty, plain.novelty,
    private.novelty > plain.novelty
FROM novelty AS plain
JOIN novelty AS private
    ON private.generator = plain.generator AND private.dataset = plain.dataset AND private.class = plain.class
WHERE plain.epsilon IS NULL AND private.epsilon IS NOT NULL AND plain.generator = 'netssm';

-- One row per columnar table or kind of object: rows, and bytes before and after compression.
CREATE VIEW table_bytes AS
SELECT
    table_name AS name, 'segments' AS content,
    count(DISTINCT segment_id) AS items,
    CAST(sum(raw_bytes) AS BIGINT) AS raw_bytes, CAST(sum(stored_bytes) AS BIGINT) AS stored_bytes
FROM segments
GROUP BY table_name
UNION ALL
SELECT
    kind AS name, 'objects' AS content, count(*) AS items,
    CAST(sum(raw_bytes) AS BIGINT) AS raw_bytes, CAST(sum(stored_bytes) AS BIGINT) AS stored_bytes
FROM objects
GROUP BY kind;

-- The threshold is the best one on the attack's shadow traces (there chosen by rates with a margin), so it
-- owes nothing to the traces that it is judged on; an attack without such traces keeps its own decisions. Where
-- their scores are withheld (a redacted copy) there is no bound: tp, fp and epsilon_lower are NULL.
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
        coalesce(shadow.n_members > 0 AND shadow.n > shadow.n_members, false) AS has_shadow,
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
        CASE WHEN decided.attack_id IS NOT NULL THEN decided.tp WHEN NOT pairs.has_shadow THEN coalesce(pairs.own_tp, 0) END AS tp,
        CASE WHEN decided.attack_id IS NOT NULL THEN decided.fp WHEN NOT pairs.has_shadow THEN coalesce(pairs.own_fp, 0) END AS fp
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
        row_number() OVER (PARTITION BY model_id ORDER BY epsilon_lower DESC NULLS FIRST, attack, attribute) AS place
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
        WHEN epsilon_empirical IS NULL AND one_run_epsilon IS NULL AND attack IS NOT NULL THEN 'its scores are not here'
        WHEN epsilon_empirical IS NULL AND one_run_epsilon IS NULL THEN 'not audited'
        WHEN greatest(coalesce(epsilon_provable, 0.0), coalesce(one_run_provable, 0.0)) <= epsilon_end_to_end
            THEN 'too few traces to refute it'
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

-- The attack is the one with the largest mean AUC on shadows without DP; intervals are those of the mean over classes.
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
        generator, dataset, epsilon, attack, attribute, avg(auc_on_shadows) AS auc_on_shadows,
        avg(auc) AS auc, sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width
    FROM attack_strength
    WHERE auc IS NOT NULL
    GROUP BY generator, dataset, epsilon, attack, attribute
),
strongest AS (
    SELECT
        generator, dataset, attack, attribute, auc, half_width,
        row_number() OVER (
            PARTITION BY generator, dataset ORDER BY auc_on_shadows DESC NULLS LAST, attack, attribute
        ) AS place
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
