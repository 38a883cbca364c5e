package pull

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

// Keys come as people keep them; each signs an assertion that its public half verifies.
func TestPrivateJWK(t *testing.T) {
	ec, err1 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rs, err2 := rsa.GenerateKey(rand.Reader, 2048)
	jwk, _, kid, err3 := auth.GenerateKey("ES384")
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	block := func(kind string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	ecPEM := block("EC PRIVATE KEY", sec1, err)
	p8, err := x509.MarshalPKCS8PrivateKey(rs)
	rsPEM := block("PRIVATE KEY", p8, err)
	params := block("EC PARAMETERS", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}, nil)
	set, err := json.Marshal(map[string]any{"keys": []json.RawMessage{jwk}})
	if err != nil {
		t.Fatal(err)
	}

	for _, tc := range []struct {
		name         string
		key          []byte
		kid, wantKID string
		public       crypto.PublicKey // nil: not verified
	}{
		{"EC in SEC 1 with parameters", append(params, ecPEM...), "", "", &ec.PublicKey},
		{"RSA in PKCS 8, kid given", rsPEM, "k1", "k1", &rs.PublicKey},
		{"RSA in PKCS 1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs), nil), "", "", &rs.PublicKey},
		{"JWK", jwk, "", kid, nil},
		{"JWK set, kid given", set, "k2", "k2", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := privateJWK(tc.key, tc.kid)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := auth.SignAssertion(got, "me", "https://bulk.test/token", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jwt.Parse(signed, func(*jwt.Token) (any, error) { return tc.public, nil })
			if tc.public != nil && err != nil {
				t.Errorf("signature: %v", err)
			}
			if got := parsed.Header["kid"]; tc.wantKID != "" && got != tc.wantKID {
				t.Errorf("kid %v, want %s", got, tc.wantKID)
			}
		})
	}
	for name, key := range map[string][]byte{
		"garbage": []byte("garbage"), "encrypted": block("ENCRYPTED PRIVATE KEY", []byte{1}, nil), "broken": block("PRIVATE KEY", []byte{1}, nil),
	} {
		got, err := privateJWK(key, "")
		if err == nil {
			_, err = auth.SignAssertion(got, "me", "https://bulk.test/token", time.Now())
		}
		if err == nil || bytes.Contains([]byte(err.Error()), key) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
