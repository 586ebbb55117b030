-- Question:   which of the paper's takeaways does this study agree with?
-- Parameters: $margin = 0.6666666666666666 (share of decided cases that must agree, or disagree, for a verdict)
-- Columns:    takeaway, section, statement, verdict (`agrees`, `disagrees`, `cannot tell`), holding and failing
--             (cases of this study), open (cases that its numbers cannot decide), ours and compared_with (means
--             over the cases of the measured number and of what it is held against), paper_number (as printed),
--             rule (what a case is, and when it holds); the cases themselves are in the view paper_evidence
WITH counted AS (
    SELECT
        takeaway,
        count(*) FILTER (WHERE holds) AS holding,
        count(*) FILTER (WHERE NOT holds) AS failing,
        count(*) FILTER (WHERE holds IS NULL) AS open,
        avg(ours) AS ours, avg(compared_with) AS compared_with
    FROM paper_evidence
    GROUP BY takeaway
)
SELECT
    takeaways.takeaway, takeaways.section, takeaways.statement,
    CASE
        WHEN coalesce(counted.holding + counted.failing, 0) = 0 THEN 'cannot tell'
        WHEN counted.holding >= $margin * (counted.holding + counted.failing) THEN 'agrees'
        WHEN counted.failing >= $margin * (counted.holding + counted.failing) THEN 'disagrees'
        ELSE 'cannot tell'
    END AS verdict,
    coalesce(counted.holding, 0) AS holding, coalesce(counted.failing, 0) AS failing, coalesce(counted.open, 0) AS open,
    counted.ours, counted.compared_with, takeaways.paper_number, takeaways.rule
FROM paper_takeaways AS takeaways
LEFT JOIN counted ON counted.takeaway = takeaways.takeaway
ORDER BY takeaways.section, takeaways.takeaway
