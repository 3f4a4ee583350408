-- absolve: a suspect has run long enough; from now on it is an ordinary message of its worker.
--
-- KEYS[1]  list    the suspect the worker holds; a string is the tombstone of a reclaimed worker
-- KEYS[2]  list    what the worker holds
-- ARGV[1]  string  the message
-- Returns  1, or 0 when the lease was lost
--
-- Asked again after a lost reply, it says what the first call did.
local kind = redis.call("TYPE", KEYS[2]).ok
if kind ~= "list" and kind ~= "none" then return 0 end
if not redis.call("LPOS", KEYS[1], ARGV[1]) then
  return redis.call("LPOS", KEYS[2], ARGV[1]) and 1 or 0
end
redis.call("LPUSH", KEYS[2], ARGV[1])
redis.call("LREM", KEYS[1], 1, ARGV[1])
return 1
