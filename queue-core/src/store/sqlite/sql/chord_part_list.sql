-- chord_part_list: what came in, in the order of places.
--
-- ?1 chord
-- Returns member
SELECT member FROM chord_part WHERE chord = ?1 ORDER BY place, id;
