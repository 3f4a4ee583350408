-- chord_part_delete: forgets what came in.
--
-- ?1 chord
DELETE FROM chord_part WHERE chord = ?1;
