-- sweep_dead: workers that stayed silent through the grace.
--
-- ?1 the instant since which they must have been silent (Unix ms)
-- Returns id, incarnation
SELECT id, incarnation FROM worker WHERE silent_since <= ?1;
