-- A job waits for its turn: after its kick-off was written down, or after Redis had lost it.
-- ARGV: id, client ('' = only if there is a reservation), time of the kick-off (ms), jobs of a client that may run at once.
-- Returns client, 'ok' | 'unknown'.
-- Invariant: no client has more jobs running than it may; repeated, nothing changes. What the schedule has lost of the job is back.
local client = redis.call('HGET', jobs, ARGV[1])
if not client then
  if ARGV[2] == '' then
    return { word, '', 'unknown' }
  end
  client = ARGV[2]
  redis.call('HSET', jobs, ARGV[1], client)
end
if not redis.call('ZSCORE', order, ARGV[1]) then
  redis.call('ZADD', order, ARGV[3], ARGV[1])
end
redis.call('ZREM', pending, ARGV[1])
redis.call('ZREM', kept, ARGV[1])
redis.call('HDEL', idle, ARGV[1])
start(client, tonumber(ARGV[4]))
return { word, client, 'ok' }
