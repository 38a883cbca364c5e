-- Keeps all replicas from sending for a while.
-- KEYS {u}:pause, {u}:trip   ARGV: a random word of the caller, ms, 1 = because the upstream fails | 0 = because it asked.
-- Returns the word.
-- Invariant: a pause is never cut short by a shorter one. After one because the upstream fails, rate.lua lets one request out alone.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[2], tonumber(redis.call('GET', KEYS[2]) or 0), 'PX', ARGV[2] + 3600000)
end
return { ARGV[1] }
