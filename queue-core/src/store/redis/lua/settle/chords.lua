-- settle, the second part: what a settlement does to a chord.

local function set(key, value, ttl)
  if ttl == "0" then redis.call("SET", key, value) else redis.call("SET", key, value, "EX", ttl) end
end

-- Whether a worker of Celery <= 5.6, which writes no ".d", has counted this part: members are told apart by their beginning,
-- `[1, "<id>", "`. Looked for only where more came in than ".d" knows of.
local function is_counted(chord, index, member)
  local parts, known = chord .. ".j", chord .. ".d"
  if redis.call("ZCARD", parts) <= redis.call("SCARD", known) then return false end
  local _, ends = string.find(member, '", "', 1, true)
  if not ends then return false end
  local start = string.sub(member, 1, ends)
  for _, other in ipairs(redis.call("ZRANGEBYSCORE", parts, index, index, "LIMIT", 0, 1000)) do
    if string.sub(other, 1, ends) == start then return true end
  end
  return false
end

local function insert(chord, id, index, member)
  local seen = id .. ":" .. index
  if redis.call("SISMEMBER", chord .. ".d", seen) == 1 then return false end
  local counted = is_counted(chord, index, member)
  redis.call("SADD", chord .. ".d", seen)
  return not counted and redis.call("ZADD", chord .. ".j", index, member) == 1
end

local function is_complete(chord)
  local size = tonumber(redis.call("GET", chord .. ".s") or "")
  local grown = tonumber(redis.call("GET", chord .. ".t") or "0") or 0
  return size and redis.call("ZCARD", chord .. ".j") == size + grown
end

local function takes(key, kind)
  local found = redis.call("TYPE", key).ok
  return found == kind or found == "none"
end

-- Leases a chord's dispatch to the worker that settles its last part: true. Where that worker was reclaimed meanwhile, or could not
-- be registered as who holds it, it goes among the suspects; never into the list, where Python would find it.
local function lease_dispatch(message, mine, suspects, workers, incarnation)
  if mine ~= "" and takes(mine, "list") and takes(workers, "zset") then
    redis.call("LPUSH", mine, message)
    redis.call("ZADD", workers, now + ARGV[2], incarnation)
    return true
  end
  redis.call("LPUSH", suspects, message)
end

-- How long a complete chord is kept.
local function waits(ttl)
  if ttl == "0" or tonumber(ttl) > tonumber(ARGV[5]) then return ttl end
  return ARGV[5]
end

local function keep(chord, ttl)
  for _, key in ipairs({chord .. ".j", chord .. ".t", chord .. ".s", chord .. ".d", chord}) do
    if ttl == "0" then redis.call("PERSIST", key) else redis.call("EXPIRE", key, ttl) end
  end
end

-- Not for less than it is kept already, by whoever keeps it longest: its other parts may begin much later. But where the size is
-- gone, or not there yet, not for ever: perhaps nobody comes any more that ends it.
local function longest(chord, ttl)
  local left = redis.call("TTL", chord .. ".s")
  if left == -2 then return ttl == "0" and ARGV[5] or ttl end
  if left == -1 or ttl == "0" then return "0" end
  return left <= tonumber(ttl) and ttl or left
end

-- Whether the part was counted now, whether the chord is complete, and how long it is kept.
local function count(chord, id, index, member, ttl)
  local inserted = insert(chord, id, index, member)
  local complete = is_complete(chord)
  local kept = longest(chord, complete and waits(ttl) or ttl)
  keep(chord, kept)
  return inserted, complete, kept
end

-- True when the chord is complete with this part and claimed.
local function count_and_claim(chord, id, index, member, ttl, claim)
  if redis.call("GET", chord .. ".c") == "done" then return end
  local inserted, complete = count(chord, id, index, member, ttl)
  if not inserted or not complete then return end
  -- Longer than it takes until a dead worker's dispatch is another's.
  return redis.call("SET", chord .. ".c", claim, "NX", "EX", ARGV[3])
end

-- True when the chord is complete with this part and claimed; or was so, by a worker that ran this part before and may have
-- died before it told the server of the messages. Such a claim stands as long as the chord.
local function count_and_ask(chord, id, index, member, ttl, claim)
  local owner = redis.call("GET", chord .. ".c")
  if owner == "done" then return end
  local inserted, complete, kept = count(chord, id, index, member, ttl)
  local unsure = "?" .. id .. ":" .. index .. " "
  local before = owner and string.sub(owner, 1, #unsure) == unsure
  if not complete or not (before or (inserted and not owner)) then return end
  set(chord .. ".c", unsure .. claim, kept)
  return true
end

local function is_unsure(owner, claim)
  return owner and string.sub(owner, 1, 1) == "?" and string.sub(owner, -#claim - 1) == " " .. claim
end

local function keep_claim(chord, claim)
  if is_unsure(redis.call("GET", chord .. ".c"), claim) then redis.call("SET", chord .. ".c", claim, "EX", ARGV[3]) end
end

local function change(kind, chord, ...)
  if kind == "c" then return count_and_ask(chord, ...) end
  if kind == "k" then return keep_claim(chord, ...) end
  if kind == "g" then
    local by, ttl = ...
    redis.call("INCRBY", chord .. ".t", by)
    -- All of it: what was added is not to be forgotten before the size, nor to stay behind.
    keep(chord, longest(chord, ttl))
  else
    local size, meta, ttl = ...
    set(chord .. ".s", size, ttl)
    -- The same group applied again is a new run.
    redis.call("DEL", chord .. ".c")
    if meta ~= "" then set(chord, meta, ttl) end
  end
end

local function chord_step(kind, chord, ...)
  if kind == "d" then return lease_dispatch(chord, ...) end
  if kind ~= "p" then return with_results(change, kind, chord, ...) end
  if with_results(count_and_claim, chord, ...) then return lease_dispatch(select(6, ...)) end
end

-- Whether this worker may end the chord: its claim stands, or ran out and nobody took or ended the chord since.
local function may_end(chord, claim)
  local owner = redis.call("GET", chord .. ".c")
  return owner == claim or is_unsure(owner, claim) or (not owner and redis.call("EXISTS", chord .. ".s") == 1)
end

local function end_chord(chord, claim, how, ttl)
  if how == "2" then
    redis.call("SET", chord .. ".c", claim, "EX", ARGV[3])
    return
  end
  -- Of a failed one the parts stay until they expire, as with Celery.
  if how == "1" then
    redis.call("DEL", chord .. ".s")
  else
    redis.call("UNLINK", chord .. ".j", chord .. ".t", chord .. ".s", chord .. ".d")
  end
  if ttl ~= "0" then keep(chord, ttl) end
  redis.call("SET", chord .. ".c", "done", "EX", ARGV[4])
end
