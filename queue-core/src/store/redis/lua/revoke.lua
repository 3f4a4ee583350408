-- revoke: mark tasks as revoked and tell the workers.
--
-- KEYS[1]  zset    revoked ids, scored by when the revocation ends, Unix ms
-- KEYS[2]  string  counts revocations; also the channel
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2]  number  how long to keep them, ms
-- ARGV[3…] the ids
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 3, #ARGV do redis.call("ZADD", KEYS[1], "GT", now + ARGV[2], ARGV[i]) end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
local last = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")
-- No further away than a thousand years, whoever put what there: a number too large for it would fail each revocation here.
local left = last[2] and math.min(31557600000000, math.max(1000, last[2] - now))
if left then redis.call("PEXPIREAT", KEYS[1], time[1] * 1000 + left) end
local version = redis.call("INCR", KEYS[2])
redis.pcall("PUBLISH", KEYS[2], version)
return version
