-- lease: move the oldest messages of some lists into a worker's hands, due ones promoted first.
--
-- KEYS     six per list, in the order to take from: the list, what the worker holds of it, "{list}:workers",
--          "{list}:suspects", the suspect the worker holds, "{list}:deaths"
-- ARGV[1]  number  added to the server's clock, ms (0 outside tests)
-- ARGV[2]  number  length of the lease, ms
-- ARGV[3]  number  how many messages at most, 1 to 1000
-- ARGV[4]  "1"     one suspect may be among them
-- ARGV[5…] per list: the worker's incarnation, and how many to take of it before any list gets more
-- Returns  {kind, list, …}: {"f", list} this list was reclaimed from the worker; {"s", list, deaths, message} a suspect;
--          {"m", list, {message, …}, …} messages, oldest first; {"e", list, error, key} what is at this
--          key gives or takes nothing
--
-- Fencing: a reclaimed incarnation's held key is a string, so that pushing onto it fails before anything is removed.
-- A removal first: a server at its memory limit refuses only a script's first write, and this step must go on there.
local ready = redis.pcall("ZREM", KEYS[3], "")
if type(ready) == "table" and not string.find(ready.err, "WRONGTYPE", 1, true) then return ready end
local time = redis.call("TIME")
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1] + ARGV[2]
local left = tonumber(ARGV[3])
local lists = #KEYS / 6
local reply, closed, taken = {}, {}, {}

local function refuse(i, key, error)
  closed[i] = true
  local kind = redis.call("TYPE", KEYS[6 * i - 4]).ok
  if kind == "string" then
    -- Under its other name nobody would extend this one's lease.
    redis.pcall("ZREM", KEYS[6 * i - 3], ARGV[3 + 2 * i])
    reply[#reply + 1] = {"f", i}
  else
    reply[#reply + 1] = {"e", i, error, key}
  end
end

-- Registers the worker on list i, before anything is moved: what nobody is registered for, nobody takes back.
-- False where something else is at that key.
local function register(i)
  local noted = redis.pcall("ZADD", KEYS[6 * i - 3], ends, ARGV[3 + 2 * i])
  if type(noted) ~= "table" then return true end
  refuse(i, KEYS[6 * i - 3], noted.err)
  return false
end

if ARGV[4] == "1" then
  for i = 1, lists do
    local suspects = KEYS[6 * i - 2]
    local waiting = redis.pcall("LLEN", suspects)
    local known = waiting ~= 0 and redis.pcall("HLEN", KEYS[6 * i])
    if type(waiting) == "table" then
      refuse(i, suspects, waiting.err)
    elseif type(known) == "table" then
      refuse(i, KEYS[6 * i], known.err)
    elseif waiting > 0 and register(i) then
      local moved = redis.pcall("LMOVE", suspects, KEYS[6 * i - 1], "RIGHT", "LEFT")
      if type(moved) == "table" then
        refuse(i, suspects, moved.err)
      else
        local deaths = redis.call("HGET", KEYS[6 * i], redis.sha1hex(moved)) or "0"
        reply[#reply + 1] = {"s", i, deaths, moved}
        left = left - 1
        break
      end
    end
  end
end

-- Takes up to `limit` of list i: read, copied, then cut off, which costs three commands however many they are.
-- The messages are never decoded: cjson would turn [] into {}.
local function take(i, limit)
  local list, held = KEYS[6 * i - 5], KEYS[6 * i - 4]
  local found = redis.pcall("LRANGE", list, -limit, -1)
  if found.err then return refuse(i, list, found.err) end
  local n = #found
  if n == 0 then return end
  -- The oldest is the last of the list, and goes into the worker's hands first.
  for j = 1, math.floor(n / 2) do found[j], found[n + 1 - j] = found[n + 1 - j], found[j] end
  if not taken[i] and not register(i) then return end
  local pushed = redis.pcall("LPUSH", held, unpack(found))
  if type(pushed) == "table" then return refuse(i, held, pushed.err) end
  redis.call("LTRIM", list, 0, -n - 1)
  if not taken[i] then taken[i] = {"m", i} end
  table.insert(taken[i], found)
  left = left - n
  return n
end

local short = {}
for i = 1, lists do
  local quota = math.min(left, tonumber(ARGV[4 + 2 * i]))
  if quota > 0 and not closed[i] then
    local n = take(i, quota) or 0
    if n < quota then short[i] = true end
  end
end
for i = 1, lists do
  if left <= 0 then break end
  if not closed[i] and not short[i] then take(i, left) end
end
for i = 1, lists do
  if taken[i] then reply[#reply + 1] = taken[i] end
end
return reply
