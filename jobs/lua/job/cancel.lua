-- The job ends at once.
-- ARGV: ms to keep the record, the state it ends in.
-- Returns 'ended' | 'complete' | 'failed' | 'cancelled' (it had ended before) | 'unknown'.
-- Invariant: the epoch has changed and no item is left, so every lease is lost.
local state = redis.call('HGET', s, 'state')
if not state then
  return answer('unknown')
elseif state == 'complete' or state == 'failed' or state == 'cancelled' then
  return answer(state)
end
redis.call('HINCRBY', s, 'epoch', 1)
redis.call('HSET', s, 'state', ARGV[2], 'updated', now_ms(), 'stage', '', 'next', '', 'reason', '')
redis.call('DEL', q, l, i, d)
redis.call('PEXPIRE', s, ARGV[1])
redis.call('PEXPIRE', c, ARGV[1])
return answer('ended')
