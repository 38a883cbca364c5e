package telemetry

import (
	"context"
	"log/slog"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what one log line may hold. What is longer is cut and ends in "…".
const (
	maxText  = 500
	maxStack = 8 << 10
)

// unknown stands for what may not be logged.
const unknown = "?"

// Redact returns a handler that passes to next what may be logged: attributes with known keys, and of them numbers, truth values, times,
// texts, errors, URLs and lists of texts. All else prints as "?".
func Redact(next slog.Handler) slog.Handler { return redactor{next} }

type redactor struct{ next slog.Handler }

func (r redactor) Enabled(ctx context.Context, l slog.Level) bool { return r.next.Enabled(ctx, l) }

func (r redactor) Handle(ctx context.Context, in slog.Record) error {
	out := slog.NewRecord(in.Time, in.Level, text(in.Message, maxText, false), in.PC)
	in.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(redact(a))
		return true
	})
	return r.next.Handle(ctx, out)
}

func (r redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = redact(a)
	}
	return redactor{r.next.WithAttrs(out)}
}

func (r redactor) WithGroup(name string) slog.Handler {
	return redactor{r.next.WithGroup(text(name, 64, false))}
}

// redact returns the attribute as it may be logged. Of a group the members are looked at, not the name.
func redact(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		members := v.Group()
		out := make([]slog.Attr, len(members))
		for i, m := range members {
			out[i] = redact(m)
		}
		return slog.Attr{Key: text(a.Key, 64, false), Value: slog.GroupValue(out...)}
	}
	if !keys[a.Key] {
		return slog.String(text(a.Key, 64, false), unknown)
	}
	return slog.Attr{Key: a.Key, Value: value(a.Key, v)}
}

func value(key string, v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return textValue(key, v.String())
	case slog.KindAny:
	default:
		return v // numbers, truth values, times, durations
	}
	switch x := v.Any().(type) {
	case error:
		return textValue(key, x.Error())
	case *url.URL:
		return textValue(key, x.String())
	case []string:
		return textValue(key, strings.Join(x, ","))
	}
	switch rv := reflect.ValueOf(v.Any()); rv.Kind() { // named types of our own, such as a job's state
	case reflect.String:
		return textValue(key, rv.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return slog.Int64Value(rv.Int())
	}
	return slog.StringValue(unknown)
}

func textValue(key, s string) slog.Value {
	if key == "stack" {
		return slog.StringValue(text(s, maxStack, true))
	}
	return slog.StringValue(text(s, maxText, false))
}

var (
	query      = regexp.MustCompile(`\?[^\s"'<>?]*=[^\s"]*`)
	userInfo   = regexp.MustCompile(`://[^\s/?#"'<>]*@`)
	jwt        = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,4}`)
	credential = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}`)
)

// text returns s without queries of URLs, credentials and control characters, and not longer than max bytes.
func text(s string, max int, lines bool) string {
	s = query.ReplaceAllLiteralString(s, "?…")
	s = userInfo.ReplaceAllLiteralString(s, "://•••@")
	s = jwt.ReplaceAllLiteralString(s, "•••")
	s = credential.ReplaceAllString(s, "$1 •••")
	if len(s) > max {
		cut := max
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if lines && (r == '\n' || r == '\t') {
			return r
		}
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			return utf8.RuneError
		}
		return r
	}, s)
}
