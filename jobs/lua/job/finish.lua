-- The job has ended, complete or failed. What is left is a record for a while.
-- ARGV: item, token, epoch, state, ms to keep.
-- Returns 'ok', still owed | 'lost'.
-- Invariant: a job ends once; said again by the same lease, nothing changes. All other leases are lost.
local mark = ARGV[1] .. '/' .. ARGV[2] .. '/' .. ARGV[3] .. '/' .. ARGV[4]
if redis.call('HGET', s, 'fin') == mark then
  return answer('ok', 0)
end
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return answer('lost')
end
local rest = owed(ARGV[1])
redis.call('HSET', s, 'state', ARGV[4], 'updated', now_ms(), 'stage', '', 'next', '', 'reason', '', 'fin', mark)
redis.call('DEL', q, l, i, d)
redis.call('PEXPIRE', s, ARGV[5])
redis.call('PEXPIRE', c, ARGV[5])
return answer('ok', rest)
