-- Tells how the one request went that was let out to see whether the upstream is well again.
-- KEYS {u}:pause, {u}:trip, {u}:probe, {u}:ramp   ARGV: a random word of the caller, 1 = well | 0 = not, ms of the first pause, ms of the
-- longest.
-- Returns the word.
-- Invariant: well ends the trouble, and the rate begins low; not well pauses everybody, twice as long each time.
local t = redis.call('TIME')
redis.call('DEL', KEYS[3])
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[2])
  redis.call('SET', KEYS[4], string.format('%.0f', tonumber(t[1]) * 1000000 + tonumber(t[2])), 'PX', 30000)
else
  local times = redis.call('INCR', KEYS[2])
  local ms = math.min(tonumber(ARGV[3]) * 2 ^ math.min(times, 10), tonumber(ARGV[4]))
  redis.call('PEXPIRE', KEYS[2], ms + 3600000)
  redis.call('SET', KEYS[1], 1, 'PX', ms)
end
return { ARGV[1] }
