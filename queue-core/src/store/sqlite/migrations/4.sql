-- Version 4: enqueueing once. Times are Unix ms.
--
-- The last number seen of each lane of a producer.
CREATE TABLE producer (
  name TEXT NOT NULL,
  lane INTEGER NOT NULL,
  number INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (name, lane)
) STRICT, WITHOUT ROWID;
CREATE INDEX producer_expires ON producer (expires);

-- What was sent with an idempotency key: the key stands until `expires`.
CREATE TABLE sent (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX sent_expires ON sent (expires);
