package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// face is the language an answer speaks when something goes wrong.
type face int

const (
	faceFHIR  face = iota // OperationOutcome
	faceOAuth             // RFC 6749, section 5.2
	faceAdmin             // {"error": "…"}
)

// exchange is what all layers know together of one request.
type exchange struct {
	id     string // X-Request-Id
	remote string // address of the caller, without port
	route  string // template, for metrics; "" until a route was found
	client string // client_id, once proved
	face   face
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// requestID takes over the caller's id when it is harmless, so that one id runs through all logs; else it makes one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= 128 && safeWord(id) {
		return id
	}
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// safeWord tells strings of [A-Za-z0-9._-].
func safeWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '~' || c == '$' || c != '.' && !pathChar(c) {
			return false
		}
	}
	return true
}

// remoteAddr is the address of the caller: the peer, or, as long as the peer is a trusted proxy, whom that proxy has seen.
func (g *Gateway) remoteAddr(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !g.trusts(addr) {
			break
		}
		before, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = before
	}
	return addr.Unmap().WithZone("").String()
}

func (g *Gateway) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(g.o.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int // 0: nothing was sent yet
}

func (w *recorder) WriteHeader(status int) {
	if status >= 200 && w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
