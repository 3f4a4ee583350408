-- close: give back all that a worker holds of one list and sign it off.
--
-- KEYS     the list, what the worker holds of it, "{list}:suspects", the suspect the worker holds, "{list}:workers", "{list}:silent"
-- ARGV[1]  string  the incarnation
-- ARGV[2]  number  how long the tombstone lives, s
-- ARGV[3]  string  how a message of ours begins that Python must never see: it goes among the suspects
-- Returns  how many messages were given back
--
-- The tombstones fence a wait that is still blocked on the server.
-- A removal first: a server at its memory limit refuses only a script's first write, and this step must go on there.
local ready = redis.pcall("ZREM", KEYS[5], "")
if type(ready) == "table" and not string.find(ready.err, "WRONGTYPE", 1, true) then return ready end
if redis.call("TYPE", KEYS[2]).ok == "string" then return 0 end
local n = 0
-- From the newest to the oldest, so that the oldest ends up rightmost: next to be delivered.
while true do
  local newest = redis.call("LINDEX", KEYS[2], 0)
  if not newest then break end
  local internal = string.sub(newest, 1, #ARGV[3]) == ARGV[3]
  redis.call("LMOVE", KEYS[2], internal and KEYS[3] or KEYS[1], "LEFT", "RIGHT")
  n = n + 1
end
while redis.call("LMOVE", KEYS[4], KEYS[3], "LEFT", "RIGHT") do n = n + 1 end
redis.call("SET", KEYS[2], "closed", "EX", ARGV[2])
redis.call("SET", KEYS[4], "closed", "EX", ARGV[2])
-- Where something else is at these keys, it is not registered there.
redis.pcall("ZREM", KEYS[5], ARGV[1])
redis.pcall("HDEL", KEYS[6], ARGV[1])
return n
