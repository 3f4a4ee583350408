-- settle: end deliveries, each with all that follows from it or not at all.
--
-- KEYS[1]  list    any held key of the batch (routes the call; all keys are named by the arguments)
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2…] per settlement:
--          held key ("" when it was acknowledged early: no fence), the message, "{list}:deaths" ("" unless a suspect),
--          count of results, then per result: key, value, TTL in s ("0" for ever),
--          count of follow-ups, then per follow-up: list, message, due in Unix ms ("" for now), "{list}:scheduled", "{list}:due",
--          "1" for a dead letter, then: "{list}:dead", "{list}:dead:why", "{list}:dead:message", entry, why (JSON), message
-- Returns  per settlement: 1 done, 0 the lease was lost and nothing happened
--
-- The removal from the held list is the fence and comes first within a settlement. That is safe because nothing after it
-- can fail: a full or read-only server refuses the probe before anything is touched, and the types of all keys to be written are
-- checked before the first removal. Source: a script's writes are refused by the state of the server at its start.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

-- First pass: types. A wrong one stops the batch with an error that names the key.
local checked, wrong, writes = {}, nil, false
local function expect(key, kind)
  if checked[key] then return end
  local found = redis.call("TYPE", key).ok
  if found ~= kind and found ~= "none" then wrong = "WRONGTYPE key '" .. key .. "' holds a " .. found .. ", not a " .. kind end
  checked[key] = true
end
local held = {}
local at = 2
while at <= #ARGV do
  local key = ARGV[at]
  if key ~= "" and held[key] == nil then held[key] = redis.call("TYPE", key).ok == "list" end
  if ARGV[at + 3] ~= "0" then writes = true end
  at = at + 4 + 3 * ARGV[at + 3]
  local follows = tonumber(ARGV[at])
  if follows > 0 then writes = true end
  at = at + 1
  for _ = 1, follows do
    expect(ARGV[at], "list")
    if ARGV[at + 2] ~= "" then expect(ARGV[at + 3], "zset") end
    at = at + 5
  end
  if ARGV[at] == "1" then
    writes = true
    expect(ARGV[at + 1], "zset")
    expect(ARGV[at + 2], "hash")
    expect(ARGV[at + 3], "hash")
    at = at + 7
  else
    at = at + 1
  end
end

if wrong then return redis.error_reply(wrong) end
-- A batch that only removes is let through on a full server: that is how room comes back.
if writes then redis.call("LPUSHX", KEYS[1] .. ":probe", "") end

local function store(key, value, ttl)
  local free
  if ttl == "0" then free = redis.call("SET", key, value, "NX") else free = redis.call("SET", key, value, "EX", ttl, "NX") end
  if not free then
    -- Only the beginning is looked at: a result's text may hold these words too.
    local old = redis.pcall("GETRANGE", key, 0, 19)
    if old == '{"status": "SUCCESS"' then return end
    if ttl == "0" then redis.call("SET", key, value) else redis.call("SET", key, value, "EX", ttl) end
  end
  redis.pcall("PUBLISH", key, value)
end

local function schedule(zset, message, due, channel)
  local head = redis.call("ZRANGE", zset, 0, 0, "WITHSCORES")
  local n, member = 0, message
  if string.byte(message, 1) == 0 then member = "\0" .. "0" .. "\0" .. message end
  while redis.call("ZADD", zset, "NX", due, member) == 0 do
    n = n + 1
    member = "\0" .. n .. "\0" .. message
  end
  if not head[2] or tonumber(due) < tonumber(head[2]) then redis.pcall("PUBLISH", channel, due) end
end

-- Dead letters of one batch keep their order.
local died = time[1] * 1000 + time[2] / 1000 + ARGV[1]
local reply = {}
at = 2
while at <= #ARGV do
  local key, message, deaths = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local stands = key == "" or (held[key] and redis.call("LREM", key, -1, message) == 1)
  local results = tonumber(ARGV[at + 3])
  at = at + 4
  if stands then
    for _ = 1, results do
      store(ARGV[at], ARGV[at + 1], ARGV[at + 2])
      at = at + 3
    end
    if deaths ~= "" then redis.call("HDEL", deaths, redis.sha1hex(message)) end
  else
    at = at + 3 * results
  end
  local follows = tonumber(ARGV[at])
  at = at + 1
  if stands then
    for _ = 1, follows do
      local due = ARGV[at + 2]
      if due == "" or tonumber(due) <= now then
        redis.call("LPUSH", ARGV[at], ARGV[at + 1])
      else
        schedule(ARGV[at + 3], ARGV[at + 1], due, ARGV[at + 4])
      end
      at = at + 5
    end
  else
    at = at + 5 * follows
  end
  if ARGV[at] == "1" then
    if stands then
      died = died + 0.001
      redis.call("ZADD", ARGV[at + 1], died, ARGV[at + 4])
      redis.call("HSET", ARGV[at + 2], ARGV[at + 4], ARGV[at + 5])
      redis.call("HSET", ARGV[at + 3], ARGV[at + 4], ARGV[at + 6])
    end
    at = at + 7
  else
    at = at + 1
  end
  reply[#reply + 1] = stands and 1 or 0
end
return reply
