package config

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// State is where the state of running exports is kept. It may be lost: it is rebuilt from the storage.
type State struct {
	// Redis is the URL of the Redis that all replicas share: redis://user:password@host:6379/0, rediss:// with TLS,
	// redis+sentinel://host:26379,host:26379/master, redis+cluster://host:6379,host:6379 (rediss+… with TLS). Empty: embedded, for one process.
	Redis SecretURL `yaml:"redis"`
	// RedisFile is a file that holds redis.
	RedisFile string `yaml:"redis_file"`
}

// RedisMode is how the servers of a Redis URL belong together.
type RedisMode string

// The modes of Redis.
const (
	RedisSingle   RedisMode = "single"
	RedisSentinel RedisMode = "sentinel"
	RedisCluster  RedisMode = "cluster"
)

// Redis is a Redis URL in its parts.
type Redis struct {
	Mode     RedisMode
	TLS      bool
	Addrs    []string // host:port
	Username string
	Password Secret
	DB       int
	Master   string // name that the sentinels know
}

// ParseRedis reads state.redis. Its errors hold nothing of the URL.
func ParseRedis(raw string) (*Redis, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, errRedis
	}
	r := &Redis{Mode: RedisSingle}
	base, kind, _ := strings.Cut(scheme, "+")
	switch base {
	case "redis":
	case "rediss":
		r.TLS = true
	default:
		return nil, errRedis
	}
	port := "6379"
	switch kind {
	case "":
	case "sentinel":
		r.Mode, port = RedisSentinel, "26379"
	case "cluster":
		r.Mode = RedisCluster
	default:
		return nil, errRedis
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if i := strings.LastIndex(hosts, "@"); i >= 0 {
		if err := r.user(hosts[:i]); err != nil {
			return nil, err
		}
		hosts = hosts[i+1:]
	}
	for host := range strings.SplitSeq(hosts, ",") {
		addr, err := withPort(host, port)
		if err != nil {
			return nil, err
		}
		r.Addrs = append(r.Addrs, addr)
	}
	if r.Mode == RedisSingle && len(r.Addrs) > 1 {
		return nil, errors.New("one host; redis+sentinel:// or redis+cluster:// for several")
	}
	return r, r.path(path)
}

var errRedis = errors.New("a URL that begins with redis://, rediss://, redis+sentinel:// or redis+cluster://")

func (r *Redis) user(info string) error {
	name, password, _ := strings.Cut(info, ":")
	name, err := url.PathUnescape(name)
	if err != nil {
		return errors.New("a user name with % only before two hexadecimal digits")
	}
	if password, err = url.PathUnescape(password); err != nil {
		return errors.New("a password with % only before two hexadecimal digits (write % as %25)")
	}
	r.Username, r.Password = name, NewSecret(password)
	return nil
}

// path is the number of the database, or the name of the master and the number.
func (r *Redis) path(path string) error {
	db := path
	switch r.Mode {
	case RedisSentinel:
		if r.Master, db, _ = strings.Cut(path, "/"); r.Master == "" {
			return errors.New("the name of the master after the hosts: redis+sentinel://host:26379/NAME")
		}
	case RedisCluster:
		if path != "" {
			return errors.New("nothing after the hosts: a cluster has one database")
		}
	}
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return errors.New("the number of a database after the host, such as /0")
	}
	r.DB = int(n)
	return nil
}

func withPort(host, port string) (string, error) {
	if h, p, err := net.SplitHostPort(host); err == nil && h != "" {
		if _, err := strconv.ParseUint(p, 10, 16); err == nil {
			return host, nil
		}
	} else if host != "" && !strings.ContainsAny(host, ":?#[] ") {
		return net.JoinHostPort(host, port), nil
	}
	return "", errors.New("hosts with ports, such as redis.example.org:6379")
}

func (s *State) validate(k *check) {
	if !s.Redis.IsSet() {
		return
	}
	if _, err := ParseRedis(s.Redis.Reveal()); err != nil {
		k.bad("state.redis", quoted(s.Redis.String()), err.Error())
	}
}
