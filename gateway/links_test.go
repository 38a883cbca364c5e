package gateway

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func rewrite(t *testing.T, body string, chunks func(io.Reader) io.Reader) string {
	t.Helper()
	from := []string{"http://up:8080/fhir", "https://alias/r4"}
	got, err := io.ReadAll(newLinkRewriter(io.NopCloser(chunks(strings.NewReader(body))), from, "https://gw.example/base"))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return string(got)
}

func TestLinkRewriter(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{
			"links and addresses of a Bundle",
			`{"resourceType":"Bundle","link":[{"relation":"next","url":"http://up:8080/fhir?_getpages=a&_count=2"}], "entry":[{"fullUrl" : "http://up:8080/fhir/Patient/1","link":[{"url":"https://alias/r4/x"}],"response":{"location":"http://up:8080/fhir/Patient/1/_history/2"}}]}`,
			`{"resourceType":"Bundle","link":[{"relation":"next","url":"https://gw.example/base?_getpages=a&_count=2"}], "entry":[{"fullUrl" : "https://gw.example/base/Patient/1","link":[{"url":"https://gw.example/base/x"}],"response":{"location":"https://gw.example/base/Patient/1/_history/2"}}]}`,
		},
		{
			"escaped slashes",
			`{"link":[{"url":"http:\/\/up:8080\/fhir\/Patient"}]}`,
			`{"link":[{"url":"https://gw.example/base/Patient"}]}`,
		},
		{"resources stay as they are", `{"entry":[{"resource":{"fullUrl":"http://up:8080/fhir/x","link":[{"url":"http://up:8080/fhir/x"}],"text":{"div":"http://up:8080/fhir/"}}}]}`, ""},
		{"only the whole base", `{"link":[{"url":"http://up:8080/fhirs/x"},{"url":"http://up:8080/fhi"},{"url":"http://up:80"}]}`, ""},
		{"numbers, order and unknown elements", `{ "b" : 1.10, "a":[1e3,{"url":"http://up:8080/fhir/x"}], "link":[] , "x":"a\"b\\" }`, ""},
		{"a link that is too long", `{"link":[{"url":"http://up:8080/fhir/` + strings.Repeat("x", maxLink) + `"}]}`, ""},
		{"other members of the same names", `{"url":"http://up:8080/fhir/x","fullUrl":"http://up:8080/fhir/x","link":{"a":{"url":"http://up:8080/fhir/x"}}}`, ""},
		{"a name with the text of a link", `{"link":[{"http://up:8080/fhir/x":"url"}]}`, ""},
		{"a cut body", `{"link":[{"url":"http://up:8080/fhir/x`, ""},
		{"no JSON", `}}]]{{"link":"url"::,,"`, ""},
		{"deep nesting", strings.Repeat(`{"link":[`, 100) + strings.Repeat(`]}`, 100), ""},
	} {
		if tc.want == "" {
			tc.want = tc.body
		}
		for how, chunks := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
		} {
			if got := rewrite(t, tc.body, chunks); got != tc.want {
				t.Errorf("%s, %s:\n got %s\nwant %s", tc.name, how, got, tc.want)
			}
		}
	}
}

func TestLinkRewriterPassesErrorsOn(t *testing.T) {
	src := io.MultiReader(strings.NewReader(`{"link":[{"url":"ht`), iotest.ErrReader(io.ErrUnexpectedEOF))
	got, err := io.ReadAll(newLinkRewriter(io.NopCloser(src), []string{"http://up"}, "http://gw"))
	if err != io.ErrUnexpectedEOF || string(got) != `{"link":[{"url":"ht` {
		t.Errorf("got %q, %v", got, err)
	}
}

// Without the base in it, every body comes out as it went in.
func FuzzLinkRewriter(f *testing.F) {
	f.Add(`{"link":[{"relation":"next","url":"http://other/x"}]}`)
	f.Add(`{"entry":[{"fullUrl":"\u0041\\"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "up") || strings.Contains(body, "alias") || strings.Contains(body, `\`) {
			return
		}
		if got := rewrite(t, body, iotest.HalfReader); got != body {
			t.Errorf("got %q, want %q", got, body)
		}
	})
}
