-- A job leaves the schedule; the next waiting one of its client may run.
-- ARGV: id, ms its record is kept (0 = it is forgotten), jobs of a client that may run at once.
-- Returns client ('' = it was not there).
-- Invariant: a job that has left counts for nothing; repeated, nothing changes.
local now = now_ms()
local client = drop(ARGV[1])
redis.call('ZREMRANGEBYSCORE', kept, '-inf', now)
if ARGV[2] == '0' then
  redis.call('ZREM', kept, ARGV[1])
else
  redis.call('ZADD', kept, now + tonumber(ARGV[2]), ARGV[1])
  redis.call('PEXPIRE', kept, ARGV[2])
end
if client then
  start(client, tonumber(ARGV[3]))
end
return { word, client or '' }
