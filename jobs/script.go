package jobs

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// The folders below lua are the hash tags: job has the scripts on the keys of one job, schedule those on the keys of the schedule.
// Each has a lib.lua that is put before its scripts.
//
//go:embed lua
var luaFiles embed.FS

// loadScripts reads all scripts, by their path without ".lua": "job/claim".
func loadScripts() (map[string]*redis.Script, error) {
	scripts := map[string]*redis.Script{}
	for _, dir := range []string{"job", "schedule", "."} {
		lib, err := luaFiles.ReadFile(path.Join("lua", dir, "lib.lua"))
		if err != nil && dir != "." {
			return nil, fmt.Errorf("jobs: %w", err)
		}
		files, err := luaFiles.ReadDir(path.Join("lua", dir))
		if err != nil {
			return nil, fmt.Errorf("jobs: %w", err)
		}
		for _, f := range files {
			name, isLua := strings.CutSuffix(f.Name(), ".lua")
			if !isLua || name == "lib" {
				continue
			}
			text, err := luaFiles.ReadFile(path.Join("lua", dir, f.Name()))
			if err != nil {
				return nil, fmt.Errorf("jobs: %w", err)
			}
			scripts[path.Join(dir, name)] = redis.NewScript(string(lib) + string(text))
		}
	}
	return scripts, nil
}

// errForeign means that an answer was read that belongs to another question: a mixed-up connection. Nothing of it is used.
var errForeign = errors.New("redis gave the answer to another question")

// callLimit is how long one call may take, whatever the client library makes of it: nobody holds a lease and waits for ever.
const callLimit = 10 * time.Second

// reply is what a script returned. Elements are strings, numbers, or lists of these.
type reply []any

// job runs a script on the keys of one job. The reply is what follows the id and client of the record, which are checked: they must
// be of this job and, when client is not "", of this client. found is the client of the record, "" when there is none.
func (s *Store) job(ctx context.Context, name, id, client string, args ...any) (r reply, found string, err error) {
	tag := s.o.Prefix + "{j:" + id + "}:"
	keys := []string{tag + "s", tag + "q", tag + "l", tag + "i", tag + "d", tag + "c"}
	r, err = s.run(ctx, "job/"+name, keys, args)
	if err == nil && len(r) < 2 {
		err = errForeign
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s job %s: %w", name, id, err)
	}
	gotID, found := r.str(0), r.str(1)
	exists := gotID != "" || found != ""
	if exists && (gotID != id || client != "" && found != client) {
		return nil, "", fmt.Errorf("%s job %s: %w", name, id, errForeign)
	}
	return r[2:], found, nil
}

// schedule runs a script on the keys of the schedule.
func (s *Store) schedule(ctx context.Context, name string, args ...any) (reply, error) {
	tag := s.o.Prefix + "{u}:"
	keys := []string{
		tag + "jobs", tag + "order", tag + "pending", tag + "clients", tag + "run", tag + "idle", tag + "cost", tag + "kept",
	}
	r, err := s.run(ctx, "schedule/"+name, keys, args)
	if err != nil {
		return nil, fmt.Errorf("schedule: %s: %w", name, err)
	}
	return r, nil
}

// run runs a script with a random word before its arguments, which must come back before its results: the answer to any other
// question, even about the same job, is an error. The client library repeats a call with the same word.
func (s *Store) run(ctx context.Context, name string, keys []string, args []any) (reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.o.Around != nil {
		defer s.o.Around(name)()
	}
	word := NewID()
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	r, err := s.scripts[name].Run(ctx, s.o.Redis, keys, append([]any{word}, args...)...).Result()
	if err != nil {
		return nil, err
	}
	list, _ := r.([]any)
	if reply(list).str(0) != word {
		return nil, errForeign
	}
	return list[1:], nil
}

// str returns element k as a string, "" when there is none.
func (r reply) str(k int) string {
	if k >= len(r) {
		return ""
	}
	switch v := r[k].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

// num returns element k as a number, 0 when it is none.
func (r reply) num(k int) int64 {
	n, _ := strconv.ParseInt(r.str(k), 10, 64)
	return n
}

// fields returns element k, a flat list of names and values, as a map.
func (r reply) fields(k int) map[string]string {
	m := map[string]string{}
	if k >= len(r) {
		return m
	}
	list, _ := r[k].([]any)
	for n := 0; n+1 < len(list); n += 2 {
		m[reply(list).str(n)] = reply(list).str(n + 1)
	}
	return m
}
