-- Question:   which of the paper's takeaways does this study agree with?
-- Parameters: $margin = 0.6666666666666666 (share of decided cases that must agree, or disagree, for a verdict)
-- Columns:    takeaway, section, statement, verdict (`agrees`, `disagrees`, `cannot tell`), holding and failing
--             (cases of this study), open (cases that its numbers cannot decide), ours and compared_with (means
--             over the cases of the measured number and of what it is held against), margin (the difference that the
--             rule is about) and resolution (half the 95 % interval of ours, mean over the cases: what the study tells
--             apart at its size; NULL where a single model has no interval), paper_number (as printed), plan (the newest spec: no
--             other's cases count), rule (what a case is, and when it holds); the cases are in the view paper_evidence
WITH counted AS (
    SELECT
        takeaway, max(plan) AS plan,
        count(*) FILTER (WHERE holds) AS holding,
        count(*) FILTER (WHERE NOT holds) AS failing,
        count(*) FILTER (WHERE holds IS NULL) AS open,
        avg(ours) AS ours, avg(compared_with) AS compared_with, avg(margin) AS margin, avg(resolution) AS resolution
    FROM paper_evidence
    WHERE plan IS NULL OR plan = (SELECT plan FROM newest_plan)
    GROUP BY takeaway
)
SELECT
    takeaways.takeaway, takeaways.section, takeaways.statement,
    CASE
        WHEN coalesce(counted.holding + counted.failing, 0) = 0 THEN 'cannot tell'
        WHEN counted.holding + counted.failing < counted.open THEN 'cannot tell'
        WHEN counted.holding >= $margin * (counted.holding + counted.failing) THEN 'agrees'
        WHEN counted.failing >= $margin * (counted.holding + counted.failing) THEN 'disagrees'
        ELSE 'cannot tell'
    END AS verdict,
    coalesce(counted.holding, 0) AS holding, coalesce(counted.failing, 0) AS failing, coalesce(counted.open, 0) AS open,
    counted.ours, counted.compared_with, counted.margin, counted.resolution, takeaways.paper_number, counted.plan,
    takeaways.rule
FROM paper_takeaways AS takeaways
LEFT JOIN counted ON counted.takeaway = takeaways.takeaway
ORDER BY takeaways.section, takeaways.takeaway
