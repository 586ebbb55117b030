-- Question:   with which resolved settings were generators trained and attacks run?
-- Parameters: none
-- Columns:    part (`generator` or `attack`), name, variant (preset of a generator, attribute that an attack reads),
--             uses (models or attack results), settings (all that results depend on, defaults included, JSON)
SELECT 'generator' AS part, generator AS name, preset AS variant, count(*) AS uses, config AS settings
FROM models
GROUP BY generator, preset, config
UNION ALL
SELECT 'attack' AS part, attack AS name, attribute AS variant, count(*) AS uses, options AS settings
FROM attacks
GROUP BY attack, attribute, options
ORDER BY part DESC, name, variant, settings
