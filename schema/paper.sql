-- The views that hold a study against the paper's statements; executed with those of views.sql.

-- family and start come from the training and its lineage, never from the name that a spec gives a generator. published =
-- trained as the paper trains it: NetShare without DP afresh and with DP from a finished model without (section 3.5),
-- NetSSM afresh, NetDiffusion from a public base, none of them on anonymised traces. NULL for imported models: nothing is known of their making.
-- One row per model: which generator it is, what it started from, and whether the paper's statements are about its like.
CREATE VIEW model_kinds AS
WITH starts AS (
    SELECT
        model_id, bool_or(kind = 'weights' AND saw_private) AS from_private, bool_or(kind = 'weights') AS from_weights,
        bool_or(kind = 'released_traces') AS from_released
    FROM lineage
    GROUP BY model_id
),
kinds AS (
    SELECT
        models.model_id, models.generator, models.dataset, models.class, models.role, models.shadow, models.epsilon,
        models.regime, models.plan,
        CASE WHEN models.preset <> 'imported' THEN json_extract_string(jobs.spec, 'family') END AS family,
        CASE
            WHEN starts.from_released THEN 'released traces'
            WHEN starts.from_private THEN 'private weights'
            WHEN starts.from_weights THEN 'public base'
            ELSE 'fresh'
        END AS start
    FROM models
    LEFT JOIN starts ON starts.model_id = models.model_id
    LEFT JOIN jobs ON jobs.job_id = models.job_id
)
SELECT
    *,
    CASE
        WHEN family IS NOT NULL AND regime = 'anonymised' THEN false
        WHEN family = 'netshare' THEN start = CASE WHEN epsilon IS NULL THEN 'fresh' ELSE 'private weights' END
        WHEN family = 'netssm' THEN start = 'fresh'
        WHEN family = 'netdiffusion' THEN start = 'public base'
        WHEN family = 'netdpsyn' THEN true
    END AS published
FROM kinds;

-- The numbers behind paper_agreement; paper_takeaways says each rule in words. Only models that are made as the paper
-- makes them count (model_kinds). A case that claims an effect holds where its 95 % interval shows one and the effect is as
-- large as margin, and fails where the whole interval lies below margin; one that claims that there is hardly any holds
-- where the whole interval lies within margin, and fails where it lies beyond (for AUCs: above chance); it is open (holds IS NULL)
-- else. margin 0: the statement is about a direction, and the whole interval lies on its side or on the other. resolution = half
-- the interval; for fidelity_is_not_utility, which counts pairs, the share that so many pairs cannot exclude. NULL: of a
-- single class or model, whose measure has no interval of its own.
-- One row per takeaway of the paper and case of this study that bears on it.
CREATE VIEW paper_evidence AS
WITH kinds AS (
    SELECT generator, dataset, epsilon, regime, plan, family
    FROM model_kinds
    WHERE role = 'target' AND published
    GROUP BY generator, dataset, epsilon, regime, plan, family
),
learnt AS (
    SELECT
        attacks.generator, attacks.dataset, attacks.epsilon, attacks.plan, kinds.family, attacks.attack, attacks.attribute,
        avg(auc) AS auc, sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half
    FROM attacks
    JOIN kinds
        ON kinds.generator = attacks.generator AND kinds.dataset = attacks.dataset
        AND kinds.regime = attacks.regime AND (kinds.plan IS NOT DISTINCT FROM attacks.plan)
    WHERE evaluated_on = 'target' AND attacks.unit = 'trace' AND auc IS NOT NULL AND (attack LIKE 'mlp%' OR attack LIKE 'ocsvm%')
        AND kinds.family <> 'netdpsyn'
    GROUP BY
        attacks.generator, attacks.dataset, attacks.epsilon, attacks.plan, kinds.family, attacks.attack,
        attacks.attribute
),
distances AS (
    SELECT
        means.generator, means.dataset, means.epsilon, means.plan, kinds.family, means.metric,
        avg(synthetic_value) AS distance,
        sqrt(sum(power(synthetic_high - synthetic_low, 2))) / (2.0 * count(*)) AS half
    FROM fidelity_means AS means
    JOIN kinds
        ON kinds.generator = means.generator AND kinds.dataset = means.dataset
        AND kinds.regime = means.regime AND (kinds.plan IS NOT DISTINCT FROM means.plan)
    WHERE means.field = 'all' AND means.synthetic_value IS NOT NULL
    GROUP BY means.generator, means.dataset, means.epsilon, means.plan, kinds.family, means.metric
),
regimes AS (
    SELECT
        generator, dataset, plan, family, metric, count(*) AS regimes,
        min(distance) AS least, max(distance) AS most, max(half) AS half,
        min(CASE WHEN epsilon IS NOT NULL THEN distance END) AS best_private,
        min(CASE WHEN epsilon IS NULL THEN distance END) AS plain,
        max(CASE WHEN place = 1 AND epsilon IS NOT NULL THEN distance END) AS strictest, min(epsilon) AS smallest
    FROM (
        SELECT
            *, row_number() OVER (PARTITION BY generator, dataset, plan, metric ORDER BY epsilon NULLS LAST) AS place
        FROM distances
    )
    GROUP BY generator, dataset, plan, family, metric
),
answers AS (
    SELECT
        utility.generator, utility.dataset, utility.epsilon, utility.plan, kinds.family, utility.task, utility.learner,
        utility.class, utility.trained_on, utility.value, (utility.value_high - utility.value_low) / 2.0 AS half
    FROM current_utility AS utility
    LEFT JOIN kinds
        ON kinds.generator = utility.generator AND kinds.dataset = utility.dataset
        AND kinds.regime = utility.regime AND (kinds.plan IS NOT DISTINCT FROM utility.plan)
    WHERE utility.metric IN ('accuracy', 'median_mae') AND utility.value IS NOT NULL
        AND (utility.trained_on = 'members' OR kinds.family IS NOT NULL)
),
pairs AS (
    SELECT
        private.generator, private.dataset, private.epsilon, private.plan, private.family, private.task, private.class,
        private.value AS private, plain.value AS plain,
        sqrt(power(private.half, 2) + power(plain.half, 2)) AS half
    FROM answers AS private
    JOIN answers AS plain
        ON plain.generator = private.generator AND plain.dataset = private.dataset AND plain.task = private.task
        AND plain.learner = private.learner AND (plain.plan IS NOT DISTINCT FROM private.plan)
        AND (plain.class IS NOT DISTINCT FROM private.class)
    WHERE private.trained_on = 'synthetic' AND plain.trained_on = 'synthetic'
        AND private.epsilon IS NOT NULL AND plain.epsilon IS NULL
),
to_real AS (
    SELECT
        synthetic.generator, synthetic.dataset, synthetic.epsilon, synthetic.plan, synthetic.task, synthetic.class,
        synthetic.value AS synthetic, members.value AS members,
        sqrt(power(synthetic.half, 2) + power(members.half, 2)) AS half
    FROM answers AS synthetic
    JOIN answers AS members
        ON members.dataset = synthetic.dataset AND members.task = synthetic.task
        AND members.learner = synthetic.learner AND (members.plan IS NOT DISTINCT FROM synthetic.plan)
        AND (members.class IS NOT DISTINCT FROM synthetic.class)
    WHERE synthetic.trained_on = 'synthetic' AND members.trained_on = 'members'
),
last_gaps AS (
    SELECT
        generator, dataset, class, epsilon, regime, plan, count(*) AS models,
        coalesce(avg(relative_gap_percent), avg(standardised_gap)) AS gap,
        CASE WHEN avg(relative_gap_percent) IS NULL THEN 0.2 ELSE 5.0 END AS threshold,
        1.959964 * avg(standard_error) / sqrt(count(*))
            * coalesce(avg(abs(relative_gap_percent)) / nullif(avg(abs(standardised_gap)), 0), 1.0) AS half
    FROM (
        SELECT *, row_number() OVER (PARTITION BY model_id ORDER BY epoch DESC) AS place
        FROM generalization
        WHERE role = 'shadow'
    )
    WHERE place = 1
    GROUP BY generator, dataset, class, epsilon, regime, plan
),
last_noise AS (
    SELECT generator, dataset, class, role, shadow, epsilon, plan, error
    FROM (
        SELECT *, row_number() OVER (PARTITION BY model_id ORDER BY epoch DESC NULLS LAST) AS place
        FROM noise_error
    )
    WHERE place = 1 AND regime <> 'anonymised'
),
errors AS (
    SELECT
        private.generator, private.dataset, private.epsilon, private.plan, count(*) AS models,
        avg(private.error / plain.error - 1.0) AS change,
        2.5 * stddev_samp(private.error / plain.error - 1.0) / sqrt(count(*)) AS half
    FROM last_noise AS private
    JOIN last_noise AS plain
        ON plain.generator = private.generator AND plain.dataset = private.dataset AND plain.class = private.class
        AND plain.role = private.role AND (plain.shadow IS NOT DISTINCT FROM private.shadow)
        AND (plain.plan IS NOT DISTINCT FROM private.plan)
    WHERE private.epsilon IS NOT NULL AND plain.epsilon IS NULL
    GROUP BY private.generator, private.dataset, private.epsilon, private.plan
),
scored AS (
    SELECT
        distances.dataset, distances.plan, distances.distance - distances.half AS low,
        distances.distance + distances.half AS high, answers.value - answers.half AS worst,
        answers.value + answers.half AS best
    FROM distances
    JOIN answers
        ON answers.generator = distances.generator AND answers.dataset = distances.dataset
        AND (answers.epsilon IS NOT DISTINCT FROM distances.epsilon) AND (answers.plan IS NOT DISTINCT FROM distances.plan)
    WHERE distances.metric = 'jsd' AND answers.task = 'classification' AND answers.trained_on = 'synthetic'
),
novelty AS (
    SELECT traffic.generator, traffic.dataset, traffic.class, traffic.epsilon, traffic.plan, avg(synthetic_value) AS novelty
    FROM traffic_fidelity AS traffic
    JOIN kinds
        ON kinds.generator = traffic.generator AND kinds.dataset = traffic.dataset AND kinds.family = 'netssm'
        AND kinds.regime = traffic.regime AND (kinds.plan IS NOT DISTINCT FROM traffic.plan)
    WHERE aspect = 'diversity' AND metric = 'novelty' AND field NOT IN ('trace', 'headers')
    GROUP BY traffic.generator, traffic.dataset, traffic.class, traffic.epsilon, traffic.plan
),
student AS (
    SELECT column1 AS n, column2 AS t
    FROM (VALUES
        (2, 12.706), (3, 4.303), (4, 3.182), (5, 2.776), (6, 2.571), (7, 2.447), (8, 2.365), (9, 2.306), (10, 2.262)
    ) AS quantiles
),
singles AS (
    SELECT
        'mode_collapse' AS takeaway, collapse.generator, collapse.dataset, collapse.epsilon, collapse.plan,
        collapse.reduction AS ours, collapse.real_reduction AS compared_with, collapse.reduction AS measured
    FROM mode_collapse AS collapse
    JOIN model_kinds AS kinds ON kinds.model_id = collapse.model_id
    WHERE kinds.family = 'netshare' AND kinds.published AND collapse.epsilon IS NOT NULL AND collapse.field = 'all'
    UNION ALL
    SELECT 'image_entropy', generator, dataset, CAST(NULL AS DOUBLE), plan, avg(entropy_bits), 1.585, avg(entropy_bits)
    FROM image_entropy
    WHERE role = 'target' AND regime <> 'anonymised'
    GROUP BY generator, dataset, class, plan
    UNION ALL
    SELECT
        'copies_without_dp', private.generator, private.dataset, private.epsilon, private.plan,
        private.novelty, plain.novelty, private.novelty - plain.novelty
    FROM novelty AS private
    JOIN novelty AS plain
        ON plain.generator = private.generator AND plain.dataset = private.dataset AND plain.class = private.class
        AND (plain.plan IS NOT DISTINCT FROM private.plan)
    WHERE private.epsilon IS NOT NULL AND plain.epsilon IS NULL
),
means AS (
    SELECT
        takeaway, generator, dataset, epsilon, plan, count(*) AS models, avg(ours) AS ours,
        avg(compared_with) AS compared_with, avg(measured) AS measured,
        stddev_samp(measured) / sqrt(count(*)) AS standard_error
    FROM singles
    WHERE measured IS NOT NULL
    GROUP BY takeaway, generator, dataset, epsilon, plan
),
spread AS (
    SELECT means.*, student.t * standard_error AS half
    FROM means
    LEFT JOIN student ON student.n = least(means.models, 10)
),
cases AS (
    SELECT
        CASE WHEN epsilon IS NULL THEN concat('mia_', family) ELSE 'dp_netssm' END AS takeaway,
        generator, dataset, CAST(NULL AS VARCHAR) AS class, epsilon, plan, attack AS detail, auc AS ours,
        0.5 AS compared_with, half, 0.05 AS margin,
        CASE
            WHEN epsilon IS NULL AND family <> 'netdiffusion'
                THEN CASE WHEN auc - half > 0.5 AND auc >= 0.55 THEN true WHEN auc + half < 0.55 THEN false END
            WHEN auc + half < 0.55 THEN true
            WHEN auc - half > 0.5 THEN false
        END AS holds
    FROM learnt
    WHERE epsilon IS NULL OR family = 'netssm'
    UNION ALL
    SELECT
        concat('dp_', private.family), private.generator, private.dataset, NULL, private.epsilon, private.plan,
        private.attack, private.auc, plain.auc, sqrt(power(private.half, 2) + power(plain.half, 2)), 0.05,
        CASE
            WHEN abs(private.auc - plain.auc) + sqrt(power(private.half, 2) + power(plain.half, 2)) <= 0.05 THEN true
            WHEN abs(private.auc - plain.auc) - sqrt(power(private.half, 2) + power(plain.half, 2)) > 0.05 THEN false
        END
    FROM learnt AS private
    JOIN learnt AS plain
        ON private.generator = plain.generator AND private.dataset = plain.dataset
        AND private.attack = plain.attack AND private.attribute = plain.attribute
        AND (private.plan IS NOT DISTINCT FROM plain.plan)
    WHERE private.epsilon IS NOT NULL AND plain.epsilon IS NULL AND private.family <> 'netssm'
    UNION ALL
    SELECT
        takeaway, generator, dataset, NULL, epsilon, plan,
        concat(
            CASE takeaway
                WHEN 'mode_collapse' THEN 'share of the real variance within a trace that is gone'
                WHEN 'image_entropy' THEN 'bits of the colour histogram; three colours can have 1.585'
                ELSE 'share of new header values, with DP beside no DP'
            END, ', mean over ', models, ' classes'
        ),
        ours, compared_with, half,
        CASE takeaway WHEN 'mode_collapse' THEN 0.9 WHEN 'image_entropy' THEN 0.1585 ELSE 0.05 END,
        CASE takeaway
            WHEN 'mode_collapse'
                THEN CASE WHEN measured >= 0.9 AND measured - half > 0.5 THEN true WHEN measured + half < 0.9 THEN false END
            WHEN 'image_entropy'
                THEN CASE WHEN measured + half <= 0.1585 THEN true WHEN measured - half > 0.1585 THEN false END
            WHEN 'copies_without_dp'
                THEN CASE WHEN measured >= 0.05 AND measured - half > 0 THEN true WHEN measured + half < 0.05 THEN false END
        END
    FROM spread
    UNION ALL
    SELECT
        'noise_error', generator, dataset, NULL, epsilon, plan, concat('relative change of ', models, ' models'), change, 0.0,
        half, 0.1,
        CASE WHEN models < 4 THEN NULL WHEN abs(change) + half <= 0.1 THEN true WHEN abs(change) - half > 0.1 THEN false END
    FROM errors
    UNION ALL
    SELECT
        CASE WHEN family = 'netssm' THEN 'jsd_netssm' ELSE 'jsd_steady' END, generator, dataset, NULL,
        CASE WHEN family = 'netssm' THEN smallest END, plan,
        CASE WHEN family = 'netssm' THEN 'smallest epsilon beside no DP' ELSE concat(regimes, ' regimes') END,
        CASE WHEN family = 'netssm' THEN strictest ELSE most - least END,
        CASE WHEN family = 'netssm' THEN plain ELSE 0.05 END,
        sqrt(2.0) * half, 0.05,
        CASE
            WHEN family = 'netssm'
                THEN CASE
                    WHEN strictest - plain - sqrt(2.0) * half > 0 AND strictest - plain >= 0.05 THEN true
                    WHEN strictest - plain + sqrt(2.0) * half < 0.05 THEN false
                END
            WHEN most - least + sqrt(2.0) * half <= 0.05 THEN true
            WHEN most - least - sqrt(2.0) * half > 0.05 THEN false
        END
    FROM regimes
    WHERE metric = 'jsd' AND regimes > 1 AND (family <> 'netssm' OR (plain IS NOT NULL AND strictest IS NOT NULL))
    UNION ALL
    SELECT
        'dp_fidelity', generator, dataset, NULL, NULL, plan, 'best budget beside no DP', best_private, plain,
        sqrt(2.0) * half, 0.05,
        CASE
            WHEN best_private - plain + sqrt(2.0) * half <= 0.05 THEN true
            WHEN best_private - plain - sqrt(2.0) * half > 0.05 THEN false
        END
    FROM regimes
    WHERE metric = 'jsd' AND plain IS NOT NULL AND best_private IS NOT NULL
    UNION ALL
    SELECT
        'numeric_netdiffusion', private.generator, private.dataset, NULL, private.epsilon, private.plan,
        'with DP beside no DP', private.distance, plain.distance,
        sqrt(power(private.half, 2) + power(plain.half, 2)), 0.0,
        CASE
            WHEN private.distance - plain.distance > sqrt(power(private.half, 2) + power(plain.half, 2)) THEN true
            WHEN plain.distance - private.distance > sqrt(power(private.half, 2) + power(plain.half, 2)) THEN false
        END
    FROM distances AS private
    JOIN distances AS plain
        ON plain.generator = private.generator AND plain.dataset = private.dataset AND plain.metric = private.metric
        AND (plain.plan IS NOT DISTINCT FROM private.plan)
    WHERE private.metric = 'wasserstein_scaled' AND private.family = 'netdiffusion'
        AND private.epsilon IS NOT NULL AND plain.epsilon IS NULL
    UNION ALL
    SELECT
        'easy_and_hard', NULL, NULL, NULL, NULL, systems.plan, 'os beside vca', systems.value, applications.value,
        sqrt(power(systems.half, 2) + power(applications.half, 2)), 0.0,
        CASE
            WHEN systems.value - applications.value > sqrt(power(systems.half, 2) + power(applications.half, 2)) THEN true
            WHEN applications.value - systems.value > sqrt(power(systems.half, 2) + power(applications.half, 2)) THEN false
        END
    FROM answers AS systems
    JOIN answers AS applications
        ON applications.task = systems.task AND applications.trained_on = systems.trained_on
        AND (applications.plan IS NOT DISTINCT FROM systems.plan)
    WHERE systems.task = 'classification' AND systems.trained_on = 'members'
        AND systems.dataset = 'os' AND applications.dataset = 'vca'
    UNION ALL
    SELECT
        'dp_accuracy_os', generator, dataset, NULL, epsilon, plan, 'with DP beside no DP', private, plain, half, 0.05,
        CASE WHEN private - plain - half >= -0.05 THEN true WHEN private - plain + half < -0.05 THEN false END
    FROM pairs
    WHERE task = 'classification' AND dataset = 'os'
    UNION ALL
    SELECT
        'dp_regression', generator, dataset, class, NULL, plan, 'best budget beside no DP', min(private), min(plain),
        max(half), 0.1 * min(plain),
        CASE
            WHEN bool_or(private - plain + half <= 0.1 * plain) THEN true
            WHEN bool_and(private - plain - half > 0) THEN false
        END
    FROM pairs
    WHERE task = 'next_length'
    GROUP BY generator, dataset, class, plan
    UNION ALL
    SELECT
        CASE WHEN task = 'next_length' THEN 'real_regression' ELSE 'vca_is_poor' END, generator, dataset, class, epsilon, plan,
        'beside training on real traces', synthetic, members, half, CASE WHEN task = 'next_length' THEN 0.0 ELSE 0.1 END,
        CASE
            WHEN task = 'next_length'
                THEN CASE WHEN synthetic - members > half THEN true WHEN members - synthetic > half THEN false END
            WHEN members - synthetic - half > 0.1 THEN true
            WHEN members - synthetic + half < 0.1 THEN false
        END
    FROM to_real
    WHERE task = 'next_length' OR dataset = 'vca'
    UNION ALL
    SELECT
        'fidelity_is_not_utility', NULL, worse.dataset, NULL, NULL, worse.plan,
        concat('share of pairs against the order, of ', count(*), ' whose fidelity and accuracy are told apart'),
        count(*) FILTER (WHERE worse.worst > better.best) / CAST(count(*) AS DOUBLE), 0.0,
        1.0 - power(0.05, 1.0 / count(*)), 0.05,
        CASE
            WHEN count(*) FILTER (WHERE worse.worst > better.best) >= greatest(1.0, 0.05 * count(*)) THEN true
            WHEN 1.0 - power(0.05, 1.0 / count(*)) <= 0.05 AND count(*) FILTER (WHERE worse.worst > better.best) = 0 THEN false
        END
    FROM scored AS worse
    JOIN scored AS better ON better.dataset = worse.dataset AND (better.plan IS NOT DISTINCT FROM worse.plan)
    WHERE worse.low > better.high AND (worse.worst > better.best OR better.worst > worse.best)
    GROUP BY worse.dataset, worse.plan
    UNION ALL
    SELECT
        CASE WHEN gaps.epsilon IS NULL THEN 'overfit_without_dp' ELSE 'no_overfit_with_dp' END,
        gaps.generator, gaps.dataset, gaps.class, gaps.epsilon, gaps.plan,
        concat('gap of the last epoch, ', CASE WHEN threshold = 5 THEN 'percent' ELSE 'standard deviations' END),
        gap, threshold AS compared_with, half, threshold AS margin,
        CASE
            WHEN gap - half > threshold THEN gaps.epsilon IS NULL
            WHEN gap + half <= threshold THEN gaps.epsilon IS NOT NULL
        END
    FROM last_gaps AS gaps
    JOIN kinds
        ON kinds.generator = gaps.generator AND kinds.dataset = gaps.dataset
        AND kinds.regime = gaps.regime AND (kinds.plan IS NOT DISTINCT FROM gaps.plan)
    WHERE gap IS NOT NULL
)
SELECT
    takeaway, generator, dataset, class, epsilon, plan, detail, ours, compared_with, half AS resolution, margin, holds
FROM cases;
