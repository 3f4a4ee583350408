-- orphans_chord_part: chords of which parts came in, and whether each is there.
--
-- ?1 the first name, ?2 how many
-- Returns name, kind (null for none), why
SELECT part.chord, CASE WHEN chord.name IS NULL THEN 'torn' END, 'parts of a chord that is not there'
FROM (SELECT DISTINCT chord FROM chord_part WHERE chord >= ?1 ORDER BY chord LIMIT ?2) AS part
LEFT JOIN chord ON chord.name = part.chord ORDER BY part.chord;
