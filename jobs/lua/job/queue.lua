-- The kick-off is written down: the job is queued and its plan is ready.
-- ARGV: none. Returns 'ok' | 'unknown' (the reservation has lapsed, or the job has ended).
-- Invariant: the plan is pushed once; repeated, nothing changes.
local state = redis.call('HGET', s, 'state')
if state == 'queued' or state == 'running' then
  return answer('ok')
elseif state ~= 'pending' then
  return answer('unknown')
end
redis.call('HSET', s, 'state', 'queued', 'stage', 'plan', 'updated', now_ms())
redis.call('PERSIST', s)
redis.call('ZADD', q, now_ms(), 'plan')
return answer('ok')
