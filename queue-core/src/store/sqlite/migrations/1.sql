-- Version 1: everything. Rows of `job` are in one of four states; SQL files spell the number.
--
--   0 ready       waits for a worker; `suspect` = 1 when its last worker died
--   1 scheduled   waits until `at`
--   2 leased      lent to `owner`
--   3 dead        kept aside since `at`, for the reason in `dead`
--
-- What changes (state, place) is in `job`, in rows of a few bytes; what never changes and may be large is in `body`.

-- One row. `sequence` numbers rows and places, and never goes back: a number is never used twice, so that a late
-- settle cannot hit another message. `revocations` counts calls of revoke. `swept` is when dead workers were last
-- looked for, Unix ms.
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  sequence INTEGER NOT NULL,
  revocations INTEGER NOT NULL,
  swept INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0, 0, 0);

CREATE TABLE queue (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE job (
  seq INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  step INTEGER NOT NULL,
  state INTEGER NOT NULL,
  suspect INTEGER NOT NULL DEFAULT 0,
  pos INTEGER NOT NULL,
  at INTEGER,
  owner INTEGER,
  deaths INTEGER NOT NULL DEFAULT 0,
  redelivered INTEGER NOT NULL DEFAULT 0,
  hash INTEGER NOT NULL
) STRICT;
CREATE INDEX job_ready ON job (queue, suspect, step, pos) WHERE state = 0;
CREATE INDEX job_due ON job (queue, at, pos) WHERE state = 1;
CREATE INDEX job_held ON job (owner) WHERE state = 2;
CREATE INDEX job_dead ON job (queue, at) WHERE state = 3;
-- By a hash of the task's id, in blocks of 8,192 rows: a batch of fresh rows lands on a few pages, where one tree of
-- random ids would dirty a page per row. A search asks each block: a million rows are 123 of them.
CREATE INDEX job_hash ON job (seq >> 13, hash);

CREATE TABLE body (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, task TEXT NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE dead (seq INTEGER PRIMARY KEY, letter TEXT NOT NULL) STRICT;

-- How many jobs: kind is the state, or 4 for ready suspects (which are not among the 0). Written with what it counts.
CREATE TABLE tally (
  queue INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  step INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (queue, kind, step)
) STRICT, WITHOUT ROWID;

-- Times are Unix ms. `silent_since`: when a sweep first found its lease ended; null while it beats.
CREATE TABLE worker (
  id INTEGER PRIMARY KEY,
  incarnation TEXT NOT NULL UNIQUE,
  hostname TEXT NOT NULL,
  pid INTEGER NOT NULL,
  concurrency INTEGER NOT NULL,
  queues TEXT NOT NULL,
  started INTEGER NOT NULL,
  lease_ends INTEGER NOT NULL,
  silent_since INTEGER
) STRICT;

-- A result that is replaced gets a new `seq`, so that "what is new since" is a range.
CREATE TABLE result (
  seq INTEGER PRIMARY KEY,
  hash INTEGER NOT NULL,
  id TEXT NOT NULL,
  expires INTEGER,
  meta BLOB NOT NULL
) STRICT;
CREATE INDEX result_hash ON result (hash);
CREATE INDEX result_expires ON result (expires) WHERE expires IS NOT NULL;

-- `version` is `meta.revocations` after the call that revoked it.
CREATE TABLE revoked (id TEXT PRIMARY KEY, until INTEGER NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_version ON revoked (version);
CREATE INDEX revoked_until ON revoked (until);
