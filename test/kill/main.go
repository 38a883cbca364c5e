package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"
)

// settings are the flags.
type settings struct {
	kills    int
	replicas int
	redis    bool
	patients int
	jobs     int
	delay    time.Duration
	min, max time.Duration
	seed     uint64
	rate     float64
	burst    int
	mode     string
	outage   time.Duration
	dir      string
	at       string
	tags     string
	env      []string // of the replicas
	some     int
	only     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	var s settings
	flags := flag.NewFlagSet("kill", flag.ContinueOnError)
	flags.IntVar(&s.kills, "kills", 20, "kills that count")
	flags.IntVar(&s.replicas, "replicas", 1, "replicas; more than one need -redis")
	flags.BoolVar(&s.redis, "redis", false, "state in a real redis-server instead of the embedded one")
	flags.IntVar(&s.patients, "patients", 100, "patients of the upstream")
	flags.IntVar(&s.jobs, "jobs", 1, "exports at once")
	flags.DurationVar(&s.delay, "delay", 2*time.Millisecond, "how long the upstream takes to answer")
	flags.DurationVar(&s.min, "min", 200*time.Millisecond, "least time between kills")
	flags.DurationVar(&s.max, "max", 1500*time.Millisecond, "most time between kills")
	flags.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of the random moments")
	flags.StringVar(&s.dir, "dir", "", "folder to work in; default: a new one, removed after success")
	flags.StringVar(&s.at, "store", "", "location of a bucket for the files (s3://…); default: a folder")
	flags.StringVar(&s.mode, "mode", "kill", "kill: at random moments; points: once at each named point; freeze: a replica stands still; flush: Redis loses everything; outage: Redis is down; failover: sentinels promote a replica that is behind; fulldisk: the store has no room for a while (needs root); weakstore: kill, on a bucket without create-if-absent; badstore: the bucket fails, hangs, is deaf and slow; oom: Redis has reached its maxmemory; rate: what reaches the upstream of a limit; upgrade: to a next version and back")
	flags.DurationVar(&s.outage, "outage", 60*time.Second, "with -mode freeze, outage or rate: how long")
	flags.Float64Var(&s.rate, "rate", 0, "requests a second to the upstream, all replicas together; 0: no limit")
	flags.IntVar(&s.burst, "burst", 20, "burst of the rate")
	flags.IntVar(&s.some, "some", 0, "with -mode points: at so many of them, chosen by the seed; 0: all")
	flags.StringVar(&s.only, "only", "", "with -mode points: only at those whose names contain this")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if s.replicas > 1 && !s.redis {
		fmt.Fprintln(os.Stderr, "several replicas need -redis")
		return 2
	}
	keep := s.dir != ""
	if !keep {
		dir, err := os.MkdirTemp("", "sluice-kill-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		s.dir = dir
	}
	fmt.Printf("seed %d\n", s.seed)
	l := &loop{settings: s, random: rand.New(rand.NewPCG(s.seed, 0))}
	work, known := map[string]func(context.Context) error{
		"kill": l.run, "points": l.points, "freeze": l.freeze, "flush": l.flush, "outage": l.redisOutage, "rate": l.rateOfAll, "failover": l.failover, "fulldisk": l.fullDisk, "upgrade": l.upgrade, "badstore": l.badStore, "weakstore": l.weakStore, "oom": l.outOfMemory,
	}[s.mode]
	if !known {
		fmt.Fprintf(os.Stderr, "-mode %s is not known\n", s.mode)
		return 2
	}
	err := work(ctx)
	l.close()
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAIL: %v\nlogs and data are in %s\n", err, s.dir)
		return 1
	}
	if !keep {
		_ = os.RemoveAll(s.dir) // the system's temporary folder
	}
	return 0
}
