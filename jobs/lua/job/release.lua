-- Work is put back, to be claimed again after a while. Waiting is not an attempt: only a panic is counted.
-- ARGV: item, token, epoch, after (ms), reason, panicked (1 | 0).
-- Returns 'ok', still owed | 'lost'.
-- Invariant: the item goes from leased to ready in one step and keeps its token, its last seq and its panics.
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return answer('lost')
end
local now = now_ms()
local rest = owed(ARGV[1])
redis.call('ZREM', l, ARGV[1])
redis.call('ZADD', q, now + tonumber(ARGV[4]), ARGV[1])
redis.call('HINCRBY', i, ARGV[1] .. ':p', ARGV[6])
redis.call('HSET', s, 'updated', now, 'reason', ARGV[5])
return answer('ok', rest)
