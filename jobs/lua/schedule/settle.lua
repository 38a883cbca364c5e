-- Corrects the virtual times after a claim missed or a piece of work ended, and notes when to look again.
-- ARGV: for each job: id, client, what to add, look again in so many ms (0 = now, '' = as before), requests of its last chunk
-- ('' = as before). Returns nothing more.
-- Invariant: a job that has left meanwhile is not brought back.
local now = now_ms()
for k = 1, #ARGV, 5 do
  local id, client = ARGV[k], ARGV[k + 1]
  if redis.call('HGET', jobs, id) == client and redis.call('ZSCORE', run, id) then
    redis.call('ZINCRBY', run, ARGV[k + 2], id)
    redis.call('ZINCRBY', clients, ARGV[k + 2], client)
    if ARGV[k + 3] == '0' then
      redis.call('HDEL', idle, id)
    elseif ARGV[k + 3] ~= '' then
      redis.call('HSET', idle, id, now + tonumber(ARGV[k + 3]))
    end
    if ARGV[k + 4] ~= '' then
      redis.call('HSET', cost, id, ARGV[k + 4], '*', ARGV[k + 4])
      redis.call('PEXPIRE', cost, 86400000)
    end
  end
end
return { word }
