package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The rules that several sections use. Each adds a problem at path if its value breaks it.

func (k *check) between(path string, n, low, high int) {
	if n < low || n > high {
		k.bad(path, strconv.Itoa(n), fmt.Sprintf("%d to %d", low, high))
	}
}

func (k *check) duration(path string, d, low, high time.Duration) {
	if d < low || d > high {
		k.bad(path, formatDuration(d), formatDuration(low)+" to "+formatDuration(high))
	}
}

func (k *check) oneOf(path, s string, words ...string) {
	if !slices.Contains(words, s) {
		k.bad(path, quoted(s), strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1])
	}
}

func (k *check) address(path, s string) (ok bool) {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		k.bad(path, quoted(s), "an address with a port such as 127.0.0.1:8080")
	}
	return err == nil
}

// url returns the parsed URL, nil if it is none of http or https.
func (k *check) url(path, raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.Opaque != "" {
		k.bad(path, displayURL(raw), "an http or https URL")
		return nil
	}
	return u
}

// base wants a URL that paths can be put behind.
func (k *check) base(path, raw string) {
	if u := k.url(path, raw); u != nil && (u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "") {
		k.bad(path, displayURL(raw), "a URL without user, query and fragment")
	}
}

// secureURL wants https, or a host on this machine: what is sent there is worth stealing.
func (k *check) secureURL(path, raw string) {
	if k.url(path, raw) != nil && plainHTTP(raw) {
		k.bad(path, displayURL(raw), "an https URL; plain HTTP only to a loopback host")
	}
}

// readable wants a file that can be opened. An empty name is fine.
func (k *check) readable(path, name string) {
	if name == "" {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		k.say(path, "cannot read "+err.Error())
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		k.bad(path, quoted(name), "a file")
	}
}

func quoted(s string) string {
	if s == "" {
		return "nothing"
	}
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strconv.Quote(s)
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// displayURL shows a URL without what may be secret in it.
func displayURL(raw string) string {
	return quoted(NewSecretURL(raw).String())
}
