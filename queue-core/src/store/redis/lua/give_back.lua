-- give_back: put messages a worker holds back to the front of their list, in their old order, without suspicion.
--
-- KEYS[1]  list    what the worker holds (oldest right); a string is the tombstone of a reclaimed worker
-- KEYS[2]  list    where they came from (next to be delivered right)
-- KEYS[3]  list    "{list}:suspects"
-- ARGV[1]  string  how a message of ours begins that Python must never see: it goes among the suspects
-- ARGV[2…] the messages, in any order
-- Returns  how many were put back
if redis.call("TYPE", KEYS[1]).ok ~= "list" then return 0 end
-- A removal first: a server at its memory limit refuses only a script's first write, and this step must go on there.
redis.call("LREM", KEYS[1], 0, "")
local wanted = {}
for i = 2, #ARGV do wanted[ARGV[i]] = (wanted[ARGV[i]] or 0) + 1 end
local n = 0
-- From the newest to the oldest, so that the oldest ends up rightmost.
for _, message in ipairs(redis.call("LRANGE", KEYS[1], 0, -1)) do
  if (wanted[message] or 0) > 0 then
    wanted[message] = wanted[message] - 1
    local internal = string.sub(message, 1, #ARGV[1]) == ARGV[1]
    -- Pushed before it is removed: if the push fails, nothing was taken.
    redis.call("RPUSH", internal and KEYS[3] or KEYS[2], message)
    redis.call("LREM", KEYS[1], 1, message)
    n = n + 1
  end
end
return n
