-- orphans_chord: chords, and whether each expires.
--
-- ?1 the first name, ?2 how many
-- Returns name, kind (null for none), why
SELECT name, CASE WHEN expires IS NULL THEN 'endless-chord' END, 'the chord does not expire'
FROM chord WHERE name >= ?1 ORDER BY name LIMIT ?2;
