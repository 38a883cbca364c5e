-- Books the next requests to the upstream, for all replicas together: GCRA, with slots at most a horizon ahead.
-- KEYS {u}:gcra, {u}:pause, {u}:trip, {u}:probe, {u}:ramp, {u}:replicas
-- ARGV: a random word of the caller, owner, interval (µs between requests; 0 = no limit), burst, horizon (µs), how many are wanted
-- (-1 = one is sent at once, only count it), how many replicas the caller knew of lately.
-- Returns the word, replicas alive, then 'go', offsets of the booked slots (µs from now) | 'probe' (one request, alone) |
-- 'later', µs until it is worth asking again | 'paused', ms left.
-- Invariant: in any second at most burst and one second's worth are booked. A bucket that was lost starts empty, and its first slot lies
-- one horizon ahead, behind all that may have been booked before. While something is wrong with the upstream one request is out.
local gcra, pause, trip, probe, ramp, replicas = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local word, owner, interval, burst, horizon, want = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known = tonumber(ARGV[7])
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local function whole(x) return string.format('%.0f', x) end

redis.call('ZADD', replicas, whole(now), owner)
redis.call('ZREMRANGEBYSCORE', replicas, '-inf', whole(now - 10000000))
redis.call('PEXPIRE', replicas, 60000)
local alive = redis.call('ZCARD', replicas)

local left = redis.call('PTTL', pause)
if want < 0 then
  local tat = math.max(tonumber(redis.call('GET', gcra) or 0), now) + interval
  redis.call('SET', gcra, whole(tat), 'PX', math.ceil((tat - now) / 1000) + 60000)
  return { word, alive, 'go' }
elseif left > 0 then
  return { word, alive, 'paused', left }
end
if redis.call('EXISTS', trip) == 1 then
  if redis.call('SET', probe, owner, 'NX', 'PX', 60000) then
    return { word, alive, 'probe' }
  end
  return { word, alive, 'later', 1000000 }
end
if interval == 0 then
  return { word, alive, 'go', 0 }
end

-- Replicas that are not here (yet) may be sending on their own, each its part.
interval = interval * math.max(1, known / alive)
local began = tonumber(redis.call('GET', ramp) or 0)
if began > 0 then -- from a tenth to the whole rate in 30 s
  interval = interval / math.min(1, 0.1 + 0.9 * (now - began) / 30000000)
  burst = 1
end
local tolerance = (burst - 1) * interval
local tat = tonumber(redis.call('GET', gcra) or 0)
if tat == 0 then
  tat = now + horizon + tolerance
end
local out = { word, alive, 'go' }
for _ = 1, want do
  local base = math.max(tat, now)
  local slot = math.max(now, base - tolerance)
  if slot - now > horizon then
    if #out == 3 then
      return { word, alive, 'later', math.ceil(slot - now - horizon) }
    end
    break
  end
  tat = base + interval
  out[#out + 1] = math.floor(slot - now)
end
redis.call('SET', gcra, whole(tat), 'PX', math.ceil((tat - now) / 1000) + 60000)
return out
