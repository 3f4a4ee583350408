-- Version 3: what is for whoever listens.
--
-- A post or a reply on its way to other processes; read by their pollers within milliseconds, deleted by later posts, and by
-- heartbeats, once `expires` (Unix ms) has passed. `seq` is from `meta.sequence`, so that "what is new since" is a range. `topic` is
-- `control`, `event/<routing key>` or `reply/<exchange>/<box>`.
CREATE TABLE post (
  seq INTEGER PRIMARY KEY,
  topic TEXT NOT NULL,
  expires INTEGER NOT NULL,
  payload BLOB NOT NULL
) STRICT;
CREATE INDEX post_expires ON post (expires);
