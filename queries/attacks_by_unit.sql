-- Question:   how surely is a trace recognised, and how surely a host by all its traces, beside the unit that epsilon is about?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, class, regime, guarantee, epsilon_end_to_end, private_unit (what that epsilon is about:
--             `trace` or `host`), attack_unit (what is scored: each `trace`, or each `host` with all its traces of one
--             side), attack and attribute (the strongest of its unit by mean AUC on shadow test data; the target takes no part in the
--             choice), n (traces or hosts scored), auc on the target with its interval, bounded (does the epsilon bound this
--             attack? One for traces promises nothing of hosts), plan (the spec that the attack is of; see the table plans)
SELECT
    strength.generator, strength.dataset, strength.class,
    strength.regime, models.guarantee, models.epsilon_end_to_end, models.unit AS private_unit, strength.unit AS attack_unit,
    strength.attack, strength.attribute, attacks.n, strength.auc, strength.auc_low, strength.auc_high,
    models.guarantee = 'end-to-end' AND (strength.unit = 'trace' OR models.unit = 'host') AS bounded, strength.plan
FROM attack_strength_by_unit AS strength
JOIN models ON models.model_id = strength.model_id
LEFT JOIN attacks
    ON attacks.model_id = strength.model_id AND (attacks.plan IS NOT DISTINCT FROM strength.plan)
    AND attacks.attack = strength.attack AND attacks.attribute = strength.attribute AND attacks.unit = strength.unit
    AND attacks.evaluated_on = 'target'
WHERE strength.strongest AND ($dataset IS NULL OR strength.dataset = $dataset)
ORDER BY
    strength.generator, strength.dataset, strength.class, strength.epsilon DESC NULLS FIRST, strength.regime DESC,
    strength.unit DESC, strength.plan, strength.attack
