package upstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/upstream"
)

func TestNextLink(t *testing.T) {
	const elsewhere = "leads to another server"
	for _, tc := range []struct {
		name, base, next string
		cursor           string // where page 2 is asked for, below the base
		refused          string // part of the error
	}{
		{"absolute", "http://up.example/fhir", "http://up.example/fhir/Observation?page=2", "/Observation?page=2", ""},
		{"query byte for byte", "http://up.example/fhir", "http://up.example/fhir/Observation?a=%2B+%7c|&&b=;&a=http://x/y%2f", "/Observation?a=%2B+%7c|&&b=;&a=http://x/y%2f", ""},
		{"blank in query", "http://up.example/fhir", "http://up.example/fhir/Observation?a=b c", "/Observation?a=b%20c", ""},
		{"HAPI root", "http://up.example/fhir", "http://up.example/fhir?_getpages=332e&_getpagesoffset=3", "?_getpages=332e&_getpagesoffset=3", ""},
		{"HAPI root with slash", "http://up.example/fhir", "http://up.example/fhir/?_getpages=332e", "/?_getpages=332e", ""},
		{"base at root", "http://up.example", "http://up.example?_getpages=1", "?_getpages=1", ""},
		{"base at root, path", "http://up.example/", "http://up.example/Observation/_search?x=1", "/Observation/_search?x=1", ""},
		{"upper-case scheme and host", "http://up.example/fhir", "HTTP://UP.Example/fhir/Observation?p=2", "/Observation?p=2", ""},
		{"default port added", "https://up.example/fhir", "https://up.example:443/fhir/Observation?p=2", "/Observation?p=2", ""},
		{"default port twice", "https://up.example/fhir", "https://up.example:443:443/fhir/Observation?p=2", "/Observation?p=2", ""},
		{"default port thrice", "https://up.example/fhir", "https://up.example:443:443:443/fhir?p=2", "?p=2", ""},
		{"default port dropped", "https://up.example:443/fhir", "https://up.example/fhir/Observation?p=2", "/Observation?p=2", ""},
		{"other port twice", "http://up.example:8080/fhir", "http://up.example:8080:8080/fhir?p=2", "?p=2", ""},
		{"relative to the request", "http://up.example/fhir", "Observation?p=2", "/Observation?p=2", ""},
		{"query only", "http://up.example/fhir", "?p=2", "/Observation?p=2", ""},
		{"path-absolute", "http://up.example/fhir", "/fhir/Observation?_ship=abc", "/Observation?_ship=abc", ""},
		{"scheme-relative, same host", "http://up.example/fhir", "//up.example/fhir/Observation?p=2", "/Observation?p=2", ""},
		{"dot segments that stay inside", "http://up.example/fhir", "http://up.example/fhir/x/../Observation?p=2", "/Observation?p=2", ""},
		{"alias over http", "https://up.example/fhir/v2", "http://10.0.0.9:8080/fhir/v2/_page?id=x", "/_page?id=x", ""},
		{"alias with another path", "https://up.example/fhir/v2", "https://localhost:8080/oauth/fhir/Observation?p=2", "/Observation?p=2", ""},
		{"alias, port twice", "https://up.example/fhir/v2", "http://10.0.0.9:8080:8080/fhir/v2?id=x", "?id=x", ""},
		{"IPv6", "http://[::1]:8080/fhir", "http://[::1]:8080/fhir?p=2", "?p=2", ""},

		{"another host", "http://up.example/fhir", "http://evil.example/fhir/Observation?p=2", "", elsewhere},
		{"another host, scheme-relative", "http://up.example/fhir", "//evil.example/fhir/Observation?p=2", "", elsewhere},
		{"our host as user", "http://up.example/fhir", "http://up.example@evil.example/fhir/Observation?p=2", "", "do not belong"},
		{"our host and port as user and password", "http://up.example/fhir", "http://up.example:80@evil.example/fhir?p=2", "", "do not belong"},
		{"user at our host", "http://up.example/fhir", "http://user:secret@up.example/fhir?p=2", "", "do not belong"},
		{"our host as prefix", "http://up.example/fhir", "http://up.example.evil.example/fhir?p=2", "", elsewhere},
		{"another port", "http://up.example/fhir", "http://up.example:8080/fhir?p=2", "", elsewhere},
		{"lost port", "http://up.example:8080/fhir", "http://up.example/fhir?p=2", "", elsewhere},
		{"port of the other scheme", "http://up.example/fhir", "http://up.example:443/fhir?p=2", "", elsewhere},
		{"another scheme", "https://up.example/fhir", "http://up.example/fhir?p=2", "", elsewhere},
		{"another path", "http://up.example/fhir", "http://up.example/admin?p=2", "", elsewhere},
		{"path that only begins the same", "http://up.example/fhir", "http://up.example/fhirevil/Observation?p=2", "", elsewhere},
		{"dot segments that leave", "http://up.example/fhir", "http://up.example/fhir/../admin?p=2", "", elsewhere},
		{"relative that leaves", "http://up.example/fhir", "../admin?p=2", "", elsewhere},
		{"escaped dot segments", "http://up.example/fhir", "http://up.example/fhir/%2e%2e/admin?p=2", "", "segments"},
		{"escaped slash", "http://up.example/fhir", "http://up.example/fhir/..%2fadmin?p=2", "", "segments"},
		{"backslash", "http://up.example/fhir", `http://evil.example\@up.example/fhir?p=2`, "", "cannot be read"},
		{"backslash in the path", "http://up.example/fhir", `/\evil.example/fhir?p=2`, "", "do not belong"},
		{"fragment", "http://up.example/fhir", "http://up.example/fhir?p=2#x", "", "do not belong"},
		{"control character", "http://up.example/fhir", "http://up.example/fhir?p=2\nHost: evil.example", "", "cannot be read"},
		{"other scheme word", "http://up.example/fhir", "javascript:alert(1)", "", "do not belong"},
		{"file", "http://up.example/fhir", "file:///etc/passwd", "", elsewhere},
		{"two different ports", "https://up.example/fhir", "https://up.example:444:443/fhir?p=2", "", "cannot be read"},
		{"port twice and user", "https://up.example/fhir", "https://up.example:443:443@evil.example/fhir?p=2", "", "do not belong"},
		{"no host", "http://up.example/fhir", "http:///fhir?p=2", "", elsewhere},
		{"host below the alias", "https://up.example/fhir/v2", "http://10.0.0.99:8080/fhir/v2?p=2", "", elsewhere},
		{"too long", "http://up.example/fhir", "http://up.example/fhir?p=" + strings.Repeat("x", 20000), "", "too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := &recorder{next: tc.next}
			c := newClient(t, tc.base, func(o *upstream.Options) {
				o.Transport = rec
				o.Aliases = []string{"http://10.0.0.9:8080/fhir/v2/", "https://localhost:8080/oauth/fhir"}
			})
			p, err := c.Page(t.Context(), observations(t), "", &sink{})
			if tc.refused != "" {
				var e *upstream.Error
				if !errors.As(err, &e) || !e.Permanent() || e.Code() != "security" || !strings.Contains(err.Error(), tc.refused) {
					t.Errorf("got %v, want a refusal with %q", err, tc.refused)
				}
				if err != nil && (strings.Contains(err.Error(), "p=") || strings.Contains(err.Error(), "secret")) {
					t.Errorf("error text shows too much: %v", err)
				}
				if n := len(rec.urls); n != 1 {
					t.Errorf("%d requests were sent, want 1", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Next != tc.cursor {
				t.Errorf("cursor: got %q, want %q", p.Next, tc.cursor)
			}
			if _, err := c.Page(t.Context(), observations(t), p.Next, &sink{}); err != nil {
				t.Fatal(err)
			}
			if got, want := rec.urls[1], strings.TrimRight(tc.base, "/")+tc.cursor; got != want {
				t.Errorf("page 2 was asked for at %q, want %q", got, want)
			}
		})
	}
}

// recorder stands for the network: it notes where requests go. Its first answer has the next link.
type recorder struct {
	next string
	urls []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.urls = append(r.urls, req.URL.Scheme+"://"+req.URL.Host+strings.TrimPrefix(req.URL.RequestURI(), rootOf(req)))
	w := httptest.NewRecorder()
	next := r.next
	if len(r.urls) > 1 {
		next = ""
	}
	reply(w, 200, page(next, "o1"))
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// rootOf is the slash that RequestURI adds to a URL without a path.
func rootOf(r *http.Request) string {
	if r.URL.Path == "" {
		return "/"
	}
	return ""
}

func TestThirdPartyGetsNoRequest(t *testing.T) {
	var hits atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		reply(w, 200, page("", "stolen"))
	}))
	defer evil.Close()
	for _, tc := range []struct{ name, link string }{
		{"next", evil.URL + "/fhir/Observation?page=2"},
		{"redirect", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tc.link == "" {
					http.Redirect(w, r, evil.URL+"/fhir/Observation", http.StatusTemporaryRedirect)
					return
				}
				reply(w, 200, page(tc.link, "o1"))
			}, func(o *upstream.Options) { o.Transport = signer{http.DefaultTransport} })
			_, err := c.Page(t.Context(), observations(t), "", &sink{})
			var e *upstream.Error
			if !errors.As(err, &e) || e.Code() != "security" || !e.Permanent() {
				t.Errorf("got %v, want a refusal", err)
			}
			if n := c.Stats().Refused; n != 1 {
				t.Errorf("refused: got %d, want 1", n)
			}
		})
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the other server got %d requests, want 0", n)
	}
}

// signer puts a credential on whatever passes through it.
type signer struct{ next http.RoundTripper }

func (s signer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer secret")
	return s.next.RoundTrip(r)
}

func TestForgedCursor(t *testing.T) {
	rec := &recorder{}
	c := newClient(t, "http://up.example/fhir", func(o *upstream.Options) { o.Transport = rec })
	for _, cursor := range []string{"http://evil.example/", "@evil.example/fhir", ".evil.example/", ":81/", "/../admin", "/%2e%2e/admin", "/a#b", "/\n"} {
		if _, err := c.Page(t.Context(), observations(t), cursor, &sink{}); err == nil {
			t.Errorf("cursor %q was followed", cursor)
		}
	}
	if len(rec.urls) != 0 {
		t.Errorf("requests were sent: %q", rec.urls)
	}
}

func FuzzNextLink(f *testing.F) {
	for _, s := range []string{"http://up.example/fhir?x", "//evil", "http://up.example:80:80/fhir", "\\\\evil", "http://up.example@evil/fhir", "/fhir/../x", "?a b", "http://a/b/_page?q"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, link string) {
		rec := &recorder{next: link}
		c := newClient(t, "http://up.example/fhir", func(o *upstream.Options) { o.Transport, o.Aliases = rec, []string{"http://a/b"} })
		p, err := c.Page(t.Context(), observations(t), "", &sink{})
		if n := c.Stats().Retries; n > 0 {
			t.Errorf("%q was retried %d times: %v", link, n, err)
		}
		if err != nil || p.Next == "" {
			return
		}
		if _, err := c.Page(t.Context(), observations(t), p.Next, &sink{}); err != nil {
			t.Fatalf("cursor %q of %q: %v", p.Next, link, err)
		}
		if got := rec.urls[1]; !strings.HasPrefix(got, "http://up.example/fhir") || strings.ContainsAny(got, " \r\n") {
			t.Errorf("%q led to %q", link, got)
		}
	})
}
