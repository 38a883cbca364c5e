package config

import (
	"strings"
	"time"
)

// Window is a time of the week in which the upstream is asked at another pace.
type Window struct {
	// Days are one day or a range: mon, mon-fri.
	Days string `yaml:"days"`
	// From is the local time at which the window opens, such as 07:00.
	From string `yaml:"from"`
	// To is the local time at which it closes. Earlier than from: on the next day.
	To string `yaml:"to"`
	// Timezone is a name of the time zone database, such as Europe/Berlin.
	Timezone string `yaml:"timezone"`
	// Rate is upstream.rate in the window.
	Rate float64 `yaml:"rate"`
	// Concurrency is upstream.concurrency in the window.
	Concurrency int `yaml:"concurrency"`
}

func (w *Window) validate(k *check) {
	const path = "upstream.schedule"
	for day := range strings.SplitSeq(w.Days, "-") {
		if !strings.Contains(" mon tue wed thu fri sat sun ", " "+day+" ") || strings.Count(w.Days, "-") > 1 {
			k.bad(path, "days "+quoted(w.Days), "a day or a range such as mon-fri")
			break
		}
	}
	for _, at := range []string{w.From, w.To} {
		if _, err := time.Parse("15:04", at); err != nil {
			k.bad(path, "time "+quoted(at), "a time such as 07:00")
		}
	}
	if _, err := time.LoadLocation(w.Timezone); err != nil || w.Timezone == "" {
		k.bad(path, "timezone "+quoted(w.Timezone), "a time zone such as Europe/Berlin")
	}
	if w.Rate < 0 {
		k.bad(path, "rate "+number(w.Rate), "requests a second; 0 for no limit")
	}
	if w.Concurrency < 1 {
		k.bad(path, "concurrency "+number(float64(w.Concurrency)), "1 or more")
	}
}
