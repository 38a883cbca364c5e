package pull

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// elsewhere is another host that serves the files and remembers whether it saw a token.
type elsewhere struct {
	files  []*file
	tokens int
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		e.tokens++
	}
	for _, f := range e.files {
		if strings.HasSuffix(r.URL.Path, "/"+f.name) {
			f.serve(w, r)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// The token goes to the origin of the FHIR base only: not with a redirect, not to another port, not with a manifest (FILE-07, FILE-11).
func TestTokenStaysAtItsOrigin(t *testing.T) {
	for _, other := range []string{"store.test", "bulk.test:8080", "sub.bulk.test"} {
		address := other
		if !strings.Contains(other, ":") {
			address += ":80"
		}
		for _, status := range []int{0, 301, 302, 303, 307, 308} {
			t.Run(fmt.Sprintf("%s/%d", other, status), func(t *testing.T) {
				in(t, func(t *testing.T) {
					b := newBulk(t, observations())
					e := &elsewhere{files: b.files}
					b.net.serve(t, address, e)
					if status == 0 {
						b.fileURL = func(f *file) string { return "http://" + other + "/bucket/" + f.name }
					} else {
						b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
							if !strings.HasPrefix(r.URL.Path, "/fhir/files/") {
								return false
							}
							if !b.authorized(w, r) {
								t.Error("the own origin saw no token")
							}
							http.Redirect(w, r, "http://"+other+"/bucket/Observation-0.ndjson?sig=1", status)
							return true
						}
					}
					res, err := Run(t.Context(), b.options(t.TempDir()))
					if err != nil {
						t.Fatal(err)
					}
					b.holds(res)
					if e.tokens > 0 {
						t.Error("the other host saw the token")
					}
				})
			})
		}
	}
}

// Without requiresAccessToken no file request carries the token, not even to the own origin.
func TestNoTokenForOpenFiles(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, patients())
		b.open = true
		res, err := Run(t.Context(), b.options(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
		for i, r := range b.requests {
			if strings.Contains(r, "/files/") && b.heads[i].Get("Authorization") != "" {
				t.Errorf("%s carried the token", r)
			}
		}
	})
}

// A file server of its own that wants the token gets it when the user says so; otherwise the error names it.
func TestTokenOrigins(t *testing.T) {
	for _, told := range []bool{false, true} {
		t.Run(strconv.FormatBool(told), func(t *testing.T) {
			in(t, func(t *testing.T) {
				b := newBulk(t, patients())
				b.net.serve(t, "files.test:80", b)
				b.fileURL = func(f *file) string { return "http://files.test/fhir/files/" + f.name }
				o := b.options(t.TempDir())
				if told {
					o.TokenOrigins = []string{"http://FILES.test:80"}
				}
				res, err := Run(t.Context(), o)
				if told {
					if err != nil {
						t.Fatal(err)
					}
					b.holds(res)
				} else if err == nil || !strings.Contains(err.Error(), "http://files.test:80") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// A short-lived token is renewed before it expires: the server never sees an old one.
func TestTokenIsRenewedInTime(t *testing.T) {
	for _, life := range []string{"60", `"60"`} {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients())
			b.life, b.ready = life, 100
			given := time.Now()
			b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
				if r.URL.Path == "/token" {
					given = time.Now()
				} else if time.Since(given) > time.Minute {
					t.Errorf("%s %v after the token was given", r.URL.Path, time.Since(given))
				}
				return false
			}
			if _, err := Run(t.Context(), b.options(t.TempDir())); err != nil {
				t.Fatal(err)
			}
			if b.tokens < 4 || b.tokens > 6 {
				t.Errorf("%d tokens for 200 s", b.tokens)
			}
		})
	}
}

func TestTokenRefused(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, patients())
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.URL.Path != "/token" {
				return false
			}
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"client assertion not accepted"}`)
			return true
		}
		_, err := Run(t.Context(), b.options(t.TempDir()))
		if err == nil || !strings.Contains(err.Error(), "invalid_client: client assertion not accepted") || b.seen["POST/token"] != 1 {
			t.Errorf("error %v after %d tries", err, b.seen["POST/token"])
		}
	})
}

// A server without authorization is asked for no token and no discovery document.
func TestNoAuthorization(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, patients())
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Header.Get("Authorization") != "" || r.URL.Path == "/token" || strings.Contains(r.URL.Path, "well-known") {
				t.Errorf("%s with %q", r.URL.Path, r.Header.Get("Authorization"))
			}
			b.mu.Lock()
			b.token = "x"
			b.mu.Unlock()
			r.Header.Set("Authorization", "Bearer x")
			return false
		}
		o := b.options(t.TempDir())
		o.ClientID, o.Key = "", nil
		res, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		b.holds(res)
	})
}

func TestScopeFollowsDiscovery(t *testing.T) {
	for _, tc := range []struct{ conf, want string }{
		{`{"token_endpoint":"http://bulk.test/token"}`, "system/*.rs"},
		{`{"token_endpoint":"http://bulk.test/token","scopes_supported":["system/*.read"]}`, "system/*.read"},
		{`{"token_endpoint":"http://bulk.test/token","scopes_supported":["system/*.read","system/*.rs"]}`, "system/*.rs"},
		{`{"token_endpoint":"http://bulk.test/token","capabilities":["permission-v1"]}`, "system/*.read"},
		{`{"token_endpoint":"http://bulk.test/token","capabilities":["permission-v1","permission-v2"],"scopes_supported":["system/*.read"]}`, "system/*.rs"},
	} {
		in(t, func(t *testing.T) {
			b := newBulk(t, patients())
			got := ""
			b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
				switch {
				case strings.Contains(r.URL.Path, "well-known"):
					fmt.Fprint(w, tc.conf)
					return true
				case r.URL.Path == "/token":
					got = r.FormValue("scope")
				}
				return false
			}
			if _, err := Run(t.Context(), b.options(t.TempDir())); err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("%s: scope %q, want %q", tc.conf, got, tc.want)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	base, err := url.Parse("https://bulk.test/fhir")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{base: base}
	for _, tc := range []struct{ from, address, want string }{
		{"https://bulk.test/fhir/$export", "status/1", "https://bulk.test/fhir/status/1"},
		{"https://bulk.test/fhir/$export", "/status/1#x", "https://bulk.test/status/1"},
		{"https://bulk.test/fhir", "https://store.test//a/../b%2Fc?sig=%2b", "https://store.test//a/../b%2Fc?sig=%2b"},
		{"https://bulk.test/fhir", "https://me:secret@store.test/", "https://store.test/"},
		{"https://bulk.test/fhir", "http://bulk.test/fhir", ""},
		{"https://bulk.test/fhir", "file:///etc/passwd", ""},
		{"https://bulk.test/fhir", "ftp://bulk.test/", ""},
		{"https://bulk.test/fhir", "", ""},
		{"https://bulk.test/fhir", "http://%zz", ""},
	} {
		from, err := url.Parse(tc.from)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if u, err := s.resolve(from, tc.address); err == nil {
			got = u.String()
		} else if temporary(err) {
			t.Errorf("%s: %v would be tried again", tc.address, err)
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.address, got, tc.want)
		}
	}
}

func TestOrigin(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"https://a.test", "https://A.test:443/x", true},
		{"http://a.test", "http://a.test:80", true},
		{"https://a.test", "https://a.test:8443", false},
		{"https://a.test", "http://a.test:443", false},
		{"https://a.test", "https://b.a.test", false},
		{"https://[::1]:1", "https://[::1]:1/", true},
	} {
		a, err1 := url.Parse(tc.a)
		b, err2 := url.Parse(tc.b)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got := origin(a) == origin(b); got != tc.same {
			t.Errorf("%s and %s: same %t, want %t", tc.a, tc.b, got, tc.same)
		}
	}
}

// Redirects end, and what goes wrong is told without any query.
func TestErrorsHoldNoQuery(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBulk(t, patients())
		b.fileURL = func(f *file) string { return host + "/fhir/files/" + f.name + "?sig=topsecret" }
		b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if !strings.HasPrefix(r.URL.Path, "/fhir/files/") {
				return false
			}
			http.Redirect(w, r, r.URL.String()+"&again=1", http.StatusTemporaryRedirect)
			return true
		}
		_, err := Run(t.Context(), b.options(t.TempDir()))
		if err == nil || !strings.Contains(err.Error(), "redirects") || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
		b.before = nil
		b.fileURL = func(f *file) string { return "http://nowhere.test/f?sig=topsecret" }
		o := b.options(t.TempDir())
		o.Patience = time.Second
		if _, err = Run(t.Context(), o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("error %v", err)
		}
	})
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\nc\x00\xffd", 6); got != "a[2Jb …" {
		t.Errorf("%q", got)
	}
}
