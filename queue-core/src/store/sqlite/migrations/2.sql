-- Version 2: chords and saved groups.
--
-- `size`: how many parts are expected, null until the chord began and after it ended. `grown`: how many were added to
-- it. `parts`: how many came in, as many as `chord_part` has rows of it. `claim` names who sends the body, and is
-- 'done' afterwards; it counts until `claim_ends`. All times are Unix ms; `expires` null is for ever.
CREATE TABLE chord (
  name TEXT PRIMARY KEY,
  size INTEGER,
  grown INTEGER NOT NULL,
  parts INTEGER NOT NULL,
  claim TEXT NOT NULL,
  claim_ends INTEGER NOT NULL,
  expires INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX chord_expires ON chord (expires) WHERE expires IS NOT NULL;

-- `place`: where in the body's argument; the greatest number there is for one that has none.
CREATE TABLE chord_part (
  chord TEXT NOT NULL,
  place INTEGER NOT NULL,
  id TEXT NOT NULL,
  member BLOB NOT NULL,
  PRIMARY KEY (chord, place, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_meta (id TEXT PRIMARY KEY, meta BLOB NOT NULL, expires INTEGER) STRICT;
CREATE INDEX group_meta_expires ON group_meta (expires) WHERE expires IS NOT NULL;
