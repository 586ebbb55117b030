-- The views of a study. This text is executed; there is no second definition. Each view is planned
-- when a query names it. NULL epsilon = no DP; regime says how a model was trained: `no DP`, `anonymised` (without DP, on
-- anonymised traces) or `eps 4.0`.

-- One row per target model: the models whose output would leave the house.
CREATE VIEW target_models AS
SELECT *
FROM models
WHERE role = 'target';

-- A file of an earlier version has no plans, and no row here.
-- One row per study that has plans: the newest spec that was run.
CREATE VIEW newest_plan AS
SELECT plan, plan_id
FROM plans
ORDER BY started_us DESC, plan_id
LIMIT 1;

-- One row per model: what its epsilon promises, in numbers and words.
CREATE VIEW model_privacy AS
WITH spent AS (
    SELECT
        model_id, last_value(epsilon_rdp ORDER BY event) AS epsilon_rdp, last_value(epsilon_pld ORDER BY event) AS epsilon_pld
    FROM privacy_ledger
    GROUP BY model_id
)
SELECT
    models.model_id, name, generator, dataset, class, role, shadow, epsilon, regime, plan, delta, unit, members,
    noise_multiplier, sampling_rate, steps, clip_norm, epsilon_spent, accountant, spent.epsilon_rdp, spent.epsilon_pld,
    guarantee, epsilon_end_to_end, noise,
    CASE
        WHEN regime = 'anonymised' THEN 'no differential privacy: its traces were anonymised, which guarantees nothing'
        WHEN epsilon IS NULL THEN 'no differential privacy'
        WHEN guarantee = 'none: delta'
            THEN concat('nothing: delta is 1/members (1/', members, ') or more, which whoever publishes a member whole keeps to')
        WHEN epsilon_spent IS NULL THEN 'claimed by its makers, not checked here (see lineage)'
        WHEN noise = 'reproducible'
            THEN 'private only for who cannot make its noise again: that follows from the id of the model'
        WHEN guarantee = 'end-to-end' AND unit = 'host'
            THEN 'differentially private for adding or removing one host with all its traces'
        WHEN guarantee = 'end-to-end' THEN 'differentially private for adding or removing one trace'
        ELSE 'private only given upstream weights or choices that saw the same traces'
    END AS meaning
FROM models
LEFT JOIN spent ON spent.model_id = models.model_id;

-- A trace (a host, where that is the unit) of a split is a member of all models that were trained on it, and each spends on its own: whoever releases them
-- together promises no more than the composition of their ledgers. `release` says of which: `all targets` of the split, or
-- those alone whose guarantee is end-to-end. `syntrace privacy compose` answers for any other choice.
-- One row per split and release of its target models: what a trace, or a host, has lost in all of them together.
CREATE VIEW release_privacy AS
WITH released AS (
    SELECT
        'all targets' AS release, split_id, model_id, dataset, class, members, delta, epsilon_spent, guarantee, unit
    FROM models
    WHERE role = 'target'
    UNION ALL
    SELECT 'end-to-end targets', split_id, model_id, dataset, class, members, delta, epsilon_spent, guarantee, unit
    FROM models
    WHERE role = 'target' AND guarantee = 'end-to-end'
),
parts AS (
    SELECT
        release, split_id, dataset, class, count(*) AS models, min(members) AS members, min(delta) AS delta,
        count(*) - count(epsilon_spent) AS unaccounted,
        CASE WHEN bool_and(unit = 'host') THEN 'host' ELSE 'trace' END AS unit,
        CASE
            WHEN bool_or(guarantee = 'none') THEN 'none'
            WHEN bool_or(guarantee = 'none: delta') THEN 'none: delta'
            WHEN bool_or(guarantee = 'conditional') THEN 'conditional'
            ELSE 'end-to-end'
        END AS guarantee
    FROM released
    GROUP BY release, split_id, dataset, class
),
events AS (
    SELECT
        released.release, released.split_id,
        array_agg(ledger.sampling_rate ORDER BY ledger.model_id, ledger.event) AS rates,
        array_agg(ledger.noise_multiplier ORDER BY ledger.model_id, ledger.event) AS noises,
        array_agg(ledger.steps ORDER BY ledger.model_id, ledger.event) AS steps
    FROM released
    JOIN privacy_ledger AS ledger ON ledger.model_id = released.model_id
    GROUP BY released.release, released.split_id
),
joint AS (
    SELECT
        parts.*,
        CASE
            WHEN unaccounted > 0 THEN CAST('Infinity' AS DOUBLE)
            ELSE joint_epsilon('pld', events.rates, events.noises, events.steps, parts.delta)
        END AS epsilon_pld,
        CASE
            WHEN unaccounted > 0 THEN CAST('Infinity' AS DOUBLE)
            ELSE joint_epsilon('rdp', events.rates, events.noises, events.steps, parts.delta)
        END AS epsilon_rdp
    FROM parts
    LEFT JOIN events ON events.release = parts.release AND events.split_id = parts.split_id
)
SELECT
    release, split_id, dataset, class, models, members, delta,
    unit, concat('add or remove one ', unit) AS neighbours, guarantee,
    coalesce(epsilon_pld, epsilon_rdp) AS epsilon,
    CASE WHEN epsilon_pld IS NULL THEN 'rdp' ELSE 'pld' END AS accountant,
    epsilon_rdp,
    CASE WHEN guarantee = 'end-to-end' THEN coalesce(epsilon_pld, epsilon_rdp) ELSE CAST('Infinity' AS DOUBLE) END
        AS epsilon_end_to_end
FROM joint;

-- One row per attack result: who leaks how much, with intervals.
CREATE VIEW leakage AS
SELECT
    generator, dataset, class, epsilon, plan,
    regime,
    attack, attribute, evaluated_on, n, n_members,
    auc, auc_low, auc_high,
    balanced_accuracy, balanced_accuracy_low, balanced_accuracy_high,
    precision, recall, fpr, tpr_at_1pct_fpr, tpr_at_0_1pct_fpr,
    auc_low > 0.5 AS above_chance,
    interval_covers, attack_id, model_id, unit
FROM attacks;

-- mean_on_shadows = the mean of auc_on_shadows over all targets of the row's generator, regime and plan. The strongest
-- attack on a model is the one with the largest: targets take no part in the choice, and there is one rule for a model, for
-- a generator and in an audit. The largest auc on the target is an upper end, above 0.5 by selection alone.
-- unit = what the attack scores. Attacks on traces and attacks on hosts ask two questions, so each has its own strongest.
-- One row per attack on a target model: its AUC on shadow test data, by which attacks are chosen, and on the target.
CREATE VIEW attack_strength_by_unit AS
WITH averaged AS (
    SELECT
        model_id, generator, dataset, class, epsilon, regime, plan, attack, attribute, unit,
        avg(auc) FILTER (WHERE evaluated_on = 'shadow_test') AS auc_on_shadows,
        avg(auc) FILTER (WHERE evaluated_on = 'target') AS auc,
        avg(auc_low) FILTER (WHERE evaluated_on = 'target') AS auc_low,
        avg(auc_high) FILTER (WHERE evaluated_on = 'target') AS auc_high
    FROM attacks
    WHERE evaluated_on IN ('shadow_test', 'target')
    GROUP BY model_id, generator, dataset, class, epsilon, regime, plan, attack, attribute, unit
),
compared AS (
    SELECT
        *,
        avg(CASE WHEN auc IS NOT NULL THEN auc_on_shadows END)
            OVER (PARTITION BY generator, epsilon, regime, plan, attack, attribute, unit) AS mean_on_shadows
    FROM averaged
)
SELECT
    *,
    auc IS NOT NULL AND row_number() OVER (
        PARTITION BY model_id, plan, unit, auc IS NOT NULL ORDER BY mean_on_shadows DESC NULLS LAST, attack, attribute
    ) = 1 AS strongest
FROM compared;

-- One row per attack on the traces of a target model: as attack_strength_by_unit has it.
CREATE VIEW attack_strength AS
SELECT
    model_id, generator, dataset, class, epsilon, regime, plan, attack, attribute, auc_on_shadows, auc, auc_low, auc_high,
    mean_on_shadows, strongest
FROM attack_strength_by_unit
WHERE unit = 'trace';

-- absent = the share of synthetic values that are not there (a packet that its trace does not have, a field that
-- its packet does not have): each counts as a value of its own. NULL where an earlier version left it out.
-- One row per target model, header field and measure: the mean over packet positions, beside the baselines.
CREATE VIEW field_fidelity AS
SELECT
    model_id, generator, dataset, class, epsilon, plan,
    regime,
    field, metric,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'members') AS synthetic_value,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'members') AS held_out_value,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'real') AS synthetic_to_real,
    avg(value) FILTER (WHERE compared = 'members' AND reference = 'real') AS members_to_real,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'real') AS held_out_to_real,
    count(value) FILTER (WHERE compared = 'synthetic' AND reference = 'members') AS positions,
    sum(absent_compared) FILTER (WHERE compared = 'synthetic' AND reference = 'members') / nullif(CAST(
        sum(n_compared + absent_compared) FILTER (WHERE compared = 'synthetic' AND reference = 'members') AS DOUBLE
    ), 0) AS absent
FROM fidelity
WHERE role = 'target' AND aspect = 'header'
GROUP BY model_id, generator, dataset, class, epsilon, regime, plan, field, metric;

-- low and high are the ends of 95 % intervals by a bootstrap over traces; held_out_value is the floor, what as many real
-- traces get that the model never saw. Field `all` is the mean over fields.
-- One row per target model, header field and measure: the mean over packet positions with its interval.
CREATE VIEW fidelity_means AS
SELECT
    model_id, generator, dataset, class, epsilon, plan,
    regime,
    field, metric,
    avg(value) FILTER (WHERE compared = 'synthetic') AS synthetic_value,
    avg(value_low) FILTER (WHERE compared = 'synthetic') AS synthetic_low,
    avg(value_high) FILTER (WHERE compared = 'synthetic') AS synthetic_high,
    avg(value) FILTER (WHERE compared = 'held_out') AS held_out_value,
    avg(value_low) FILTER (WHERE compared = 'held_out') AS held_out_low,
    avg(value_high) FILTER (WHERE compared = 'held_out') AS held_out_high
FROM fidelity
WHERE role = 'target' AND aspect = 'mean' AND reference = 'members'
GROUP BY model_id, generator, dataset, class, epsilon, regime, plan, field, metric;

-- One row per target model and measure of whole traces (transitions, timing, flows, validity, pairs of fields, diversity, variance, detection), beside the baselines.
CREATE VIEW traffic_fidelity AS
SELECT
    model_id, generator, dataset, class, epsilon, plan,
    regime,
    aspect, field, metric,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'members') AS synthetic_value,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'members') AS held_out_value,
    avg(value) FILTER (WHERE compared = 'synthetic' AND reference = 'real') AS synthetic_to_real,
    avg(value) FILTER (WHERE compared = 'members' AND reference = 'real') AS members_to_real,
    avg(value) FILTER (WHERE compared = 'held_out' AND reference = 'real') AS held_out_to_real
FROM fidelity
WHERE role = 'target' AND aspect NOT IN ('header', 'mean')
GROUP BY model_id, generator, dataset, class, epsilon, regime, plan, aspect, field, metric;

-- standard_error = that of a difference of both sides' means, in units of the deviation.
-- deviation = standard deviation of the losses of single traces around the mean of their side (member or held out) in
-- evaluation mode. has_zero: is the loss a likelihood or an error, so that a share of it means something? The score of a
-- critic may be moved by any constant. NULL for models that were made elsewhere.
-- One row per model with attributes: the unit and the kind of its losses.
CREATE VIEW loss_scale AS
WITH sides AS (
    SELECT
        model_id, generator, member, CAST(count(loss) AS DOUBLE) AS traces,
        power(stddev_pop(CAST(loss AS DOUBLE)), 2) AS variance
    FROM attributes
    WHERE loss IS NOT NULL
    GROUP BY model_id, generator, member
),
deviations AS (
    SELECT
        model_id, sqrt(sum(variance * traces) / sum(traces)) AS deviation,
        CASE WHEN count(*) = 2 THEN sqrt(sum(1 / traces)) END AS standard_error
    FROM sides
    GROUP BY model_id
)
SELECT
    models.model_id, models.generator, deviations.deviation, deviations.standard_error, models.loss_has_zero AS has_zero
FROM models
LEFT JOIN deviations ON deviations.model_id = models.model_id;

-- standardised_gap is in standard deviations of the finished model's losses of single traces (loss_scale): adding a
-- constant to a loss does not move it. The shares of the member loss are NULL where the loss has no zero (the critic of a
-- GAN). The paper's section 4.3 prints (test - train) / (train * 100): relative_gap_printed. Its figures show
-- 100 * (test - train) / train: relative_gap_percent. relative_gap is the plain fraction.
-- One row per model and epoch: how much better members are known than held-out traces.
CREATE VIEW generalization AS
WITH gaps AS (
    SELECT
        epochs.*, held_out_loss - member_loss AS gap,
        CASE WHEN has_zero THEN nullif(member_loss, 0) END AS unit,
        nullif(deviation, 0) AS deviation, standard_error
    FROM epochs
    LEFT JOIN loss_scale ON loss_scale.model_id = epochs.model_id
    WHERE member_loss IS NOT NULL AND held_out_loss IS NOT NULL
)
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon, plan,
    regime,
    epoch, step, member_loss, held_out_loss, gap,
    gap / deviation AS standardised_gap, standard_error,
    gap / abs(unit) AS relative_gap,
    100 * gap / abs(unit) AS relative_gap_percent,
    gap / (unit * 100) AS relative_gap_printed
FROM gaps;

-- One row per generator, class, regime and epoch: the mean gap of its models, as the paper averages it over shadows.
CREATE VIEW generalization_by_class AS
SELECT
    generator, dataset, class, epsilon, plan, regime, role, epoch,
    count(*) AS models,
    avg(member_loss) AS member_loss, avg(held_out_loss) AS held_out_loss, avg(gap) AS gap,
    avg(standardised_gap) AS standardised_gap,
    avg(relative_gap) AS relative_gap, avg(relative_gap_percent) AS relative_gap_percent,
    avg(relative_gap_printed) AS relative_gap_printed
FROM generalization
GROUP BY generator, dataset, class, epsilon, plan, regime, role, epoch;

-- Variance of a field's ranks within a trace, the median over traces; field `all` is of each trace's mean over the
-- fields that vary among the members (paper section 3.5.1). reduction = how far generated traces lie below the members, real_reduction
-- = the same of held-out traces, which a measure of collapse must leave near 0. NULL where members do not vary.
-- One row per target model and field: how much generated values vary within a trace, beside real ones.
CREATE VIEW mode_collapse AS
SELECT
    model_id, generator, dataset, class, epsilon, plan,
    regime,
    field,
    avg(value) FILTER (WHERE compared = 'synthetic' AND metric = 'median_variance') AS generated_variance,
    avg(value) FILTER (WHERE compared = 'held_out' AND metric = 'median_variance') AS real_variance,
    1 - avg(value) FILTER (WHERE compared = 'synthetic' AND metric = 'variance_kept') AS reduction,
    1 - avg(value) FILTER (WHERE compared = 'held_out' AND metric = 'variance_kept') AS real_reduction,
    1 - avg(value) FILTER (WHERE compared = 'synthetic' AND metric = 'largest_variance_kept') AS largest_reduction,
    avg(value) FILTER (WHERE compared = 'synthetic' AND metric = 'variance_kept') <= 0.1 AS collapsed
FROM fidelity
WHERE role = 'target' AND aspect = 'variance' AND reference = 'members'
GROUP BY model_id, generator, dataset, class, epsilon, regime, plan, field;

-- One row per model: entropy of its training images in bits, beside the paper's numbers for photographs (section 3.4.2).
CREATE VIEW image_entropy AS
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon, regime, plan,
    avg(value) AS entropy_bits, 0.03 AS paper_bits, 1.61 AS mnist_bits, 6.96 AS cifar10_bits
FROM monitors
WHERE monitor = 'image_entropy_bits'
GROUP BY model_id, generator, dataset, class, role, shadow, epsilon, regime, plan;

-- One row per model and epoch: mean squared error of predicted noise (paper section 3.5.2).
CREATE VIEW noise_error AS
SELECT
    model_id, generator, dataset, class, role, shadow, epsilon, plan,
    regime,
    epoch, avg(value) AS error
FROM monitors
WHERE monitor = 'noise_error'
GROUP BY model_id, generator, dataset, class, role, shadow, epsilon, regime, plan, epoch;

-- A spec that grew by a class asks all downstream questions again; the older answers stay in `utility`.
-- One row per downstream value of the newest job of a plan that answered its question.
CREATE VIEW current_utility AS
WITH answers AS (
    SELECT
        utility.*, jobs.finished_us,
        CASE
            WHEN other_regime IS NOT NULL THEN other_regime
            WHEN epsilon IS NULL THEN 'no DP'
            ELSE concat('eps ', epsilon)
        END AS regime
    FROM utility
    JOIN jobs ON jobs.job_id = utility.job_id
),
newest AS (
    SELECT dataset, generator, epsilon, regime, plan, task, learner, max(finished_us) AS finished_us
    FROM answers
    GROUP BY dataset, generator, epsilon, regime, plan, task, learner
)
SELECT
    answers.job_id, answers.dataset, answers.generator, answers.epsilon, answers.regime, answers.plan, answers.task, answers.trained_on,
    answers.learner, answers.metric, answers.class, answers.value, answers.value_low, answers.value_high,
    answers.real_share, answers.n_train, answers.n_test
FROM answers
JOIN newest
    ON newest.dataset = answers.dataset AND newest.task = answers.task AND newest.learner = answers.learner
    AND newest.finished_us = answers.finished_us
    AND (newest.generator IS NOT DISTINCT FROM answers.generator)
    AND newest.regime = answers.regime
    AND (newest.plan IS NOT DISTINCT FROM answers.plan);

-- The baselines are those of the row's plan, also where a newer one asked for the same. What is of no plan (an import) is held against the newest ones of any.
-- One row per downstream task, learner, training traffic and measure, beside the same learner on real traffic and a guess.
CREATE VIEW downstream AS
WITH known AS (
    SELECT
        utility.dataset, coalesce(members.plan, utility.plan) AS plan, utility.task, utility.learner, utility.metric,
        utility.class, utility.trained_on, utility.value, utility.value_low, utility.value_high, jobs.finished_us
    FROM current_utility AS utility
    JOIN jobs ON jobs.job_id = utility.job_id
    LEFT JOIN plan_members AS members ON members.id = utility.job_id
    WHERE trained_on IN ('members', 'majority', 'last_value')
),
baselines AS (
    SELECT
        dataset, plan, task, learner, metric, class,
        avg(value) AS members_value, avg(value_low) AS members_low, avg(value_high) AS members_high,
        row_number() OVER (PARTITION BY dataset, task, learner, metric, class ORDER BY max(finished_us) DESC) AS place
    FROM known
    WHERE trained_on = 'members'
    GROUP BY dataset, plan, task, learner, metric, class
),
guesses AS (
    SELECT
        dataset, plan, task, metric, class, avg(value) AS guess_value,
        row_number() OVER (PARTITION BY dataset, task, metric, class ORDER BY max(finished_us) DESC) AS place
    FROM known
    WHERE trained_on <> 'members'
    GROUP BY dataset, plan, task, metric, class
)
SELECT
    utility.dataset, utility.generator, utility.epsilon, utility.plan,
    utility.regime,
    utility.task, utility.learner, utility.metric, utility.class,
    utility.value AS synthetic_value, utility.value_low AS synthetic_low, utility.value_high AS synthetic_high,
    baselines.members_value, baselines.members_low, baselines.members_high, guesses.guess_value,
    utility.n_train, utility.n_test, utility.job_id
FROM current_utility AS utility
LEFT JOIN baselines
    ON utility.dataset = baselines.dataset AND utility.task = baselines.task AND utility.learner = baselines.learner
    AND utility.metric = baselines.metric AND (utility.class IS NOT DISTINCT FROM baselines.class)
    AND (utility.plan = baselines.plan OR (utility.plan IS NULL AND baselines.place = 1))
LEFT JOIN guesses
    ON utility.dataset = guesses.dataset AND utility.task = guesses.task
    AND utility.metric = guesses.metric AND (utility.class IS NOT DISTINCT FROM guesses.class)
    AND (utility.plan = guesses.plan OR (utility.plan IS NULL AND guesses.place = 1))
WHERE utility.trained_on = 'synthetic';

-- real_share is the share of the members that was drawn. alone: a classifier that learnt from it; augmented: from it
-- and all synthetic traces; gain: what these add, on the same draws and test traces. Intervals are 95 %, over draws
-- and test traces. synthetic_accuracy and members_accuracy: from synthetic traces, and from all members.
-- What stands beside a row is of its plan; beside what is of no plan (an import), the newest of any.
-- One row per generator, regime and share of the members: what synthetic traffic adds to a few real traces.
CREATE VIEW augmentation AS
WITH accuracies AS (
    SELECT dataset, generator, epsilon, regime, plan, learner, synthetic_value, members_value
    FROM downstream
    WHERE task = 'classification' AND metric = 'accuracy'
),
shares AS (
    SELECT
        utility.*,
        row_number() OVER (
            PARTITION BY utility.dataset, utility.learner, utility.real_share, utility.trained_on, utility.metric
            ORDER BY jobs.finished_us DESC
        ) AS place
    FROM current_utility AS utility
    JOIN jobs ON jobs.job_id = utility.job_id
    WHERE task = 'augmentation'
),
alone AS (
    SELECT
        shares.dataset, shares.learner, shares.real_share, shares.value, shares.value_low, shares.value_high, shares.n_train,
        shares.place, coalesce(members.plan, shares.plan) AS plan
    FROM shares
    LEFT JOIN plan_members AS members ON members.id = shares.job_id
    WHERE shares.trained_on = 'members_share' AND shares.metric = 'accuracy'
)
SELECT
    augmented.dataset, augmented.generator, augmented.epsilon, augmented.plan,
    augmented.regime,
    augmented.learner, augmented.real_share,
    alone.value AS alone, alone.value_low AS alone_low, alone.value_high AS alone_high,
    augmented.value AS augmented, augmented.value_low AS augmented_low, augmented.value_high AS augmented_high,
    gain.value AS gain, gain.value_low AS gain_low, gain.value_high AS gain_high,
    accuracies.synthetic_value AS synthetic_accuracy, accuracies.members_value AS members_accuracy,
    alone.n_train AS n_real, augmented.n_train - alone.n_train AS n_synthetic, augmented.n_test, augmented.job_id
FROM shares AS augmented
JOIN shares AS gain
    ON gain.job_id = augmented.job_id AND gain.real_share = augmented.real_share AND gain.metric = 'accuracy_gain'
    AND (gain.plan IS NOT DISTINCT FROM augmented.plan)
LEFT JOIN alone
    ON alone.dataset = augmented.dataset AND alone.learner = augmented.learner
    AND alone.real_share = augmented.real_share
    AND (alone.plan = augmented.plan OR (augmented.plan IS NULL AND alone.place = 1))
LEFT JOIN accuracies
    ON accuracies.dataset = augmented.dataset AND accuracies.generator = augmented.generator
    AND accuracies.learner = augmented.learner AND accuracies.regime = augmented.regime
    AND (accuracies.plan IS NOT DISTINCT FROM augmented.plan)
WHERE augmented.trained_on = 'members_share_and_synthetic' AND augmented.metric = 'accuracy';

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

-- What a newer plan asked anew about a model (the same attack, with the same options, on the same attribute) replaces
-- what an older one or an earlier program said: evidence counts once. What only an older plan asked stays, it is about the
-- same weights, and a weaker attack of the same name takes no stronger one away.
-- One row per attack result on a target model that no newer plan replaces.
CREATE VIEW newest_attacks AS
SELECT attack_id, model_id, attack, attribute, job_id, plan
FROM (
    SELECT
        attacks.attack_id, attacks.model_id, attacks.attack, attacks.attribute, attacks.job_id, attacks.plan,
        rank() OVER (
            PARTITION BY attacks.model_id, attacks.attack, attacks.attribute, attacks.options
            ORDER BY plans.started_us DESC NULLS LAST
        ) AS place
    FROM attacks
    LEFT JOIN plans ON plans.plan = attacks.plan
    WHERE attacks.evaluated_on = 'target'
)
WHERE place = 1;

-- The threshold is the best one on the attack's shadow traces (there chosen by rates with a margin), so it
-- owes nothing to the traces that it is judged on; an attack without such traces keeps its own decisions. Where
-- their scores are withheld (a redacted copy) there is no bound: tp, fp and epsilon_lower are NULL.
-- The bounds are of Clopper and Pearson, 95 % over all attacks on one model. They take its traces for independent trials;
-- those of one training with a split of fixed size are not, so they are strong hints at epsilon and prove nothing.
-- An attack on hosts says nothing about an epsilon for a trace, and is not here. Where the host is the unit, it bounds what
-- attacks on its traces find too: a host is a member with all of its traces.
-- One row per attack on a target model: the epsilon that its decisions hint at, and the largest that they could.
CREATE VIEW empirical_privacy AS
WITH pairs AS (
    SELECT
        target.attack_id, shadow.attack_id AS shadow_id, target.model_id, target.generator, target.dataset,
        target.class, target.epsilon, target.regime, target.plan, coalesce(target.delta, 0.00001) AS delta, target.attack,
        target.attribute, target.n_members, target.n - target.n_members AS n_held_out,
        CAST(round(target.recall * target.n_members) AS BIGINT) AS own_tp,
        CAST(round(target.fpr * (target.n - target.n_members)) AS BIGINT) AS own_fp,
        coalesce(shadow.n_members > 0 AND shadow.n > shadow.n_members, false) AS has_shadow,
        1.0 - 0.05 / count(*) OVER (PARTITION BY target.model_id) AS confidence
    FROM newest_attacks
    JOIN attacks AS target ON target.attack_id = newest_attacks.attack_id
    LEFT JOIN models ON models.model_id = target.model_id
    LEFT JOIN attacks AS shadow
        ON shadow.job_id = target.job_id AND shadow.model_id = target.model_id
        AND shadow.attack = target.attack AND shadow.attribute = target.attribute
        AND shadow.evaluated_on = 'shadow_test'
    WHERE target.n_members > 0 AND target.n > target.n_members
        AND (target.unit = 'trace' OR (models.unit = 'host' AND models.preset <> 'imported'))
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
        pairs.attack_id, pairs.model_id, pairs.generator, pairs.dataset, pairs.class, pairs.epsilon, pairs.regime, pairs.plan,
        pairs.delta, pairs.attack, pairs.attribute, decided.threshold, pairs.confidence, pairs.n_members, pairs.n_held_out,
        CASE WHEN decided.attack_id IS NOT NULL THEN decided.tp WHEN NOT pairs.has_shadow THEN coalesce(pairs.own_tp, 0) END AS tp,
        CASE WHEN decided.attack_id IS NOT NULL THEN decided.fp WHEN NOT pairs.has_shadow THEN coalesce(pairs.own_fp, 0) END AS fp
    FROM pairs
    LEFT JOIN decided ON decided.attack_id = pairs.attack_id
)
SELECT
    attack_id, model_id, generator, dataset, class, epsilon, regime, plan, delta, attack, attribute, threshold, confidence,
    n_members, n_held_out, tp, fp, n_held_out - fp AS tn, n_members - tp AS fn,
    empirical_epsilon(tp, fp, n_held_out - fp, n_members - tp, delta, confidence) AS epsilon_lower,
    empirical_epsilon(n_members, 0, n_held_out, 0, delta, confidence) AS epsilon_provable
FROM counted;

-- What is put to the test is `epsilon_claimed`: the end-to-end epsilon; of a model made elsewhere what its makers claim end
-- to end for a trace or for more than one (a claim for less bounds nothing that an attack on traces sees). `refuted`: the
-- bound of the one-run audit lies above it, and that bound is a theorem, because fair coins decided who was a member: the
-- mechanism does not do what its ledger says. `strong_hint`: the bound of an attack on this one model lies above it.
-- Evidence is what newest_attacks lists; attack_plan is the plan that it is of (another than the row's where only an
-- older one ran the attack).
-- One row per target model: its claimed, its end-to-end and its empirical epsilon side by side.
CREATE VIEW privacy_audit AS
WITH claims AS (
    SELECT model_id, epsilon AS epsilon_claimed
    FROM (
        SELECT
            model_id, epsilon, json_extract_string(config, '$.claim.unit') AS unit,
            json_extract_string(config, '$.claim.guarantee') AS claimed
        FROM models
        WHERE preset = 'imported' AND epsilon IS NOT NULL AND guarantee = 'none'
    )
    WHERE claimed = 'end-to-end' AND unit IN ('trace', 'flow', 'capture', 'host', 'user')
),
best AS (
    SELECT
        model_id, attack, attribute, plan, n_members + n_held_out AS n, confidence, epsilon_lower, epsilon_provable,
        row_number() OVER (PARTITION BY model_id ORDER BY epsilon_lower DESC NULLS FIRST, attack, attribute) AS place
    FROM empirical_privacy
),
audits AS (
    SELECT *
    FROM (
        SELECT
            one_run_audits.*,
            rank() OVER (PARTITION BY one_run_audits.model_id ORDER BY plans.started_us DESC NULLS LAST) AS place
        FROM one_run_audits
        LEFT JOIN plans ON plans.plan = one_run_audits.plan
    )
    WHERE place = 1
),
one_run AS (
    SELECT
        model_id, max(canaries) AS canaries, max(epsilon_lower) AS epsilon_lower,
        max(epsilon_provable) AS epsilon_provable,
        bool_or(epsilon_lower > epsilon_claimed) AS refuted
    FROM audits
    GROUP BY model_id
),
sides AS (
    SELECT
        models.model_id, models.name, models.generator, models.dataset, models.class, models.regime, models.plan,
        models.epsilon, models.delta, models.epsilon_spent, models.guarantee, models.epsilon_end_to_end,
        CASE WHEN models.guarantee = 'end-to-end' THEN models.epsilon_end_to_end ELSE claims.epsilon_claimed END
            AS epsilon_claimed,
        best.epsilon_lower AS epsilon_empirical, best.epsilon_provable, best.attack, best.attribute,
        best.plan AS attack_plan, best.n, best.confidence,
        one_run.epsilon_lower AS one_run_epsilon, one_run.epsilon_provable AS one_run_provable, one_run.canaries,
        coalesce(one_run.refuted, false) AS refuted
    FROM models
    LEFT JOIN claims ON claims.model_id = models.model_id
    LEFT JOIN best ON best.model_id = models.model_id AND best.place = 1
    LEFT JOIN one_run ON one_run.model_id = models.model_id
    WHERE models.role = 'target'
),
tested AS (
    SELECT *, coalesce(epsilon_empirical > epsilon_claimed, false) AS strong_hint
    FROM sides
)
SELECT
    *,
    CASE
        WHEN refuted THEN 'REFUTED: the one-run audit proves more than is claimed'
        WHEN strong_hint THEN 'STRONG HINT: an attack finds more than is claimed'
        WHEN epsilon IS NULL THEN 'nothing is claimed'
        WHEN guarantee = 'none: delta' THEN 'nothing is claimed: delta is 1/members or more'
        WHEN epsilon_claimed IS NULL AND epsilon_spent IS NULL THEN 'claimed for less than a trace, or conditionally'
        WHEN epsilon_claimed IS NULL THEN 'nothing is claimed end to end'
        WHEN epsilon_empirical IS NULL AND one_run_epsilon IS NULL AND attack IS NOT NULL THEN 'its scores are not here'
        WHEN epsilon_empirical IS NULL AND one_run_epsilon IS NULL THEN 'not audited'
        WHEN one_run_provable > epsilon_claimed THEN 'not refuted'
        WHEN epsilon_provable > epsilon_claimed THEN 'no hint against it'
        ELSE 'too few traces to tell'
    END AS finding
FROM tested;

-- An attacker who holds several traces of one host, all trained on or none, guesses by their mean.
-- Attacks on hosts (`unit = "host"` in their table) learn from all traces of one instead: attack_strength_by_unit.
-- One row per attack on a target model: the same scores, averaged over all traces of one host on one side.
CREATE VIEW source_leakage AS
WITH sources AS (
    SELECT
        scores.attack_id, scores.attack, scores.attribute, scores.generator, scores.dataset, scores.class,
        scores.epsilon, scores.regime, scores.plan, traces.src_ip, scores.member,
        avg(scores.score) AS score, count(*) AS traces
    FROM attack_scores AS scores
    JOIN attacks ON attacks.attack_id = scores.attack_id
    JOIN traces ON traces.trace_id = scores.trace_id
    WHERE scores.evaluated_on = 'target' AND attacks.unit = 'trace'
    GROUP BY
        scores.attack_id, scores.attack, scores.attribute, scores.generator, scores.dataset, scores.class,
        scores.epsilon, scores.regime, scores.plan, traces.src_ip, scores.member
)
SELECT
    attack_id, generator, dataset, class, epsilon, plan,
    regime,
    attack, attribute,
    sum(CASE WHEN member THEN 1 ELSE 0 END) AS member_sources,
    sum(CASE WHEN member THEN 0 ELSE 1 END) AS held_out_sources,
    avg(CAST(traces AS DOUBLE)) AS traces_per_source,
    auc(score, member) AS auc
FROM sources
GROUP BY attack_id, generator, dataset, class, epsilon, regime, plan, attack, attribute;

-- The attack is the one with the largest mean AUC on shadows without DP; intervals are those of the mean over classes.
-- Leaking = the AUC's interval lies above 0.5; overfitting = a relative generalization gap above 5 % at the
-- last epoch (paper, section 4.3), or above 0.2 standard deviations where the loss has no zero. Without DP not leaking: `undergeneralization` if overfitting all the same
-- (the model fits what members and held-out traces share), else `no overfitting`. Leaking without DP:
-- `standard overfitting` where DP brings the AUC's interval below the one without DP, `structural
-- overfitting` where it does not (paper, section 3.5); without DP, whichever the regimes with DP show.
-- One row per generator, dataset and regime: whether DP helped against attacks, and why, by a stated rule.
CREATE VIEW overfitting AS
WITH last_epochs AS (
    SELECT
        generator, dataset, epsilon, regime, plan, relative_gap, standardised_gap,
        row_number() OVER (PARTITION BY model_id ORDER BY epoch DESC) AS place
    FROM generalization
),
gaps AS (
    SELECT
        generator, dataset, epsilon, regime, plan, avg(relative_gap) AS relative_gap, avg(standardised_gap) AS loss_separation,
        coalesce(avg(relative_gap) > 0.05, avg(standardised_gap) > 0.2) AS overfits
    FROM last_epochs
    WHERE place = 1
    GROUP BY generator, dataset, epsilon, regime, plan
),
monitored AS (
    SELECT
        generator, dataset, epsilon, regime, plan,
        avg(value) AS image_entropy_bits
    FROM monitors
    WHERE monitor = 'image_entropy_bits'
    GROUP BY generator, dataset, epsilon, regime, plan
),
varied AS (
    SELECT generator, dataset, epsilon, regime, plan, 1 - avg(reduction) AS variance_kept
    FROM mode_collapse
    WHERE field = 'all'
    GROUP BY generator, dataset, epsilon, regime, plan
),
attacked AS (
    SELECT
        generator, dataset, epsilon, regime, plan, attack, attribute, avg(mean_on_shadows) AS mean_on_shadows,
        avg(auc) AS auc, sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width
    FROM attack_strength
    WHERE auc IS NOT NULL
    GROUP BY generator, dataset, epsilon, regime, plan, attack, attribute
),
strongest AS (
    SELECT
        generator, dataset, plan, attack, attribute, auc, half_width,
        row_number() OVER (
            PARTITION BY generator, dataset, plan ORDER BY mean_on_shadows DESC NULLS LAST, attack, attribute
        ) AS place
    FROM attacked
    WHERE regime = 'no DP'
),
compared AS (
    SELECT
        attacked.generator, attacked.dataset, attacked.epsilon, attacked.regime, attacked.plan, attacked.attack, attacked.attribute,
        attacked.auc, attacked.half_width, strongest.auc AS auc_without_dp,
        attacked.auc - attacked.half_width > 0.5 AS leaks,
        strongest.auc - strongest.half_width > 0.5 AS leaks_without_dp,
        attacked.epsilon IS NOT NULL
            AND attacked.auc + attacked.half_width < strongest.auc - strongest.half_width AS relieved
    FROM attacked
    JOIN strongest
        ON strongest.generator = attacked.generator AND strongest.dataset = attacked.dataset
        AND (strongest.plan IS NOT DISTINCT FROM attacked.plan)
        AND strongest.attack = attacked.attack AND strongest.attribute = attacked.attribute
    WHERE strongest.place = 1
),
overall AS (
    SELECT
        compared.*,
        gaps.relative_gap, gaps.loss_separation, varied.variance_kept, monitored.image_entropy_bits,
        max(gaps.relative_gap) FILTER (WHERE compared.regime = 'no DP')
            OVER (PARTITION BY compared.generator, compared.dataset, compared.plan) AS gap_without_dp,
        sum(CASE WHEN compared.regime = 'no DP' AND gaps.overfits THEN 1 ELSE 0 END)
            OVER (PARTITION BY compared.generator, compared.dataset, compared.plan) > 0 AS overfits_without_dp,
        sum(CASE WHEN compared.epsilon IS NULL THEN 0 ELSE 1 END)
            OVER (PARTITION BY compared.generator, compared.dataset, compared.plan) AS private_regimes,
        sum(CASE WHEN relieved THEN 1 ELSE 0 END)
            OVER (PARTITION BY compared.generator, compared.dataset, compared.plan) AS relieved_regimes
    FROM compared
    LEFT JOIN gaps
        ON gaps.generator = compared.generator AND gaps.dataset = compared.dataset
        AND gaps.regime = compared.regime
        AND (gaps.plan IS NOT DISTINCT FROM compared.plan)
    LEFT JOIN varied
        ON varied.generator = compared.generator AND varied.dataset = compared.dataset
        AND varied.regime = compared.regime
        AND (varied.plan IS NOT DISTINCT FROM compared.plan)
    LEFT JOIN monitored
        ON monitored.generator = compared.generator AND monitored.dataset = compared.dataset
        AND monitored.regime = compared.regime
        AND (monitored.plan IS NOT DISTINCT FROM compared.plan)
)
SELECT
    generator, dataset, epsilon, plan,
    regime,
    attack, attribute, auc, greatest(auc - half_width, 0.0) AS auc_low, least(auc + half_width, 1.0) AS auc_high,
    auc_without_dp, leaks,
    relative_gap, gap_without_dp, loss_separation, variance_kept, image_entropy_bits,
    CASE
        WHEN NOT leaks_without_dp AND overfits_without_dp THEN 'undergeneralization'
        WHEN NOT leaks_without_dp THEN 'no overfitting'
        WHEN epsilon IS NULL AND private_regimes = 0 THEN 'overfitting of unknown kind: no regime with DP'
        WHEN relieved OR (epsilon IS NULL AND relieved_regimes > 0) THEN 'standard overfitting'
        ELSE 'structural overfitting'
    END AS label
FROM overall;
