package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// The algorithms of SMART Backend Services; nothing else is ever tried.
const (
	algRS384 = "RS384"
	algES384 = "ES384"
)

// Caps on what is read from outside.
const (
	maxJWKS    = 64 << 10
	maxKeys    = 100
	maxKID     = 256
	minRSABits = 2048
	maxRSABits = 8192 // a longer modulus only costs time
)

// publicKey is one usable key of a client: its kid, and the one algorithm it may verify.
type publicKey struct {
	kid string
	alg string
	key crypto.PublicKey
}

// parseJWKS reads a set of public keys. An entry that cannot be used (no kid, a symmetric or private key, a wrong curve, a short
// modulus) is left out and leaves a note that names it by number and reason; only a body that is no JWK set at all is an error.
func parseJWKS(raw []byte) (keys []publicKey, notes []string, err error) {
	if len(raw) > maxJWKS {
		return nil, nil, errors.New("larger than 64 KiB")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(raw, &set) != nil || set.Keys == nil {
		return nil, nil, errors.New(`not a JWK set: want {"keys": [...]}`)
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, errors.New("more than 100 keys")
	}
	for i, entry := range set.Keys {
		k, err := parsePublicJWK(entry)
		if err != nil {
			notes = append(notes, fmt.Sprintf("key %d: %v", i+1, err))
			continue
		}
		keys = append(keys, k)
	}
	return keys, notes, nil
}

func parsePublicJWK(raw json.RawMessage) (publicKey, error) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil {
		return publicKey{}, errors.New("not a JWK")
	}
	switch {
	case m.KTY == jwkset.KtyOct || m.K != "":
		return publicKey{}, errors.New("a symmetric key")
	case m.D != "" || m.P != "" || m.Q != "" || m.DP != "" || m.DQ != "" || m.QI != "" || len(m.OTH) > 0:
		return publicKey{}, errors.New("holds private members: make a new key and publish only its public half")
	case m.KID == "" || len(m.KID) > maxKID:
		return publicKey{}, errors.New("kid missing or longer than 256 characters")
	case m.USE != "" && m.USE != jwkset.UseSig:
		return publicKey{}, errors.New("use is not sig")
	case len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify):
		return publicKey{}, errors.New("key_ops lacks verify")
	}
	key, alg, err := decodeJWK(m)
	if err != nil {
		return publicKey{}, err
	}
	return publicKey{kid: m.KID, alg: alg, key: key}, nil
}

// decodeJWK turns a JWK into a Go key and the algorithm that fits it: private if the JWK is. Certificates and URLs in the JWK are
// never looked at.
func decodeJWK(m jwkset.JWKMarshal) (key any, alg string, err error) {
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return nil, "", errors.New("not a readable RSA or EC key")
	}
	key = jwk.Key()
	switch k := key.(type) {
	case *rsa.PublicKey:
		alg, err = algRS384, checkRSA(k)
	case *rsa.PrivateKey:
		if err = checkRSA(&k.PublicKey); err == nil {
			err = k.Validate()
		}
		alg = algRS384
	case *ecdsa.PublicKey:
		alg, err = algES384, checkEC(k)
	case *ecdsa.PrivateKey:
		if err = checkEC(&k.PublicKey); err == nil {
			key, err = rebuildEC(k)
		}
		alg = algES384
	default:
		err = errors.New("neither RSA nor EC")
	}
	if err == nil && m.ALG != "" && string(m.ALG) != alg {
		err = errors.New("alg is neither RS384 for an RSA key nor ES384 for a P-384 key")
	}
	if err != nil {
		return nil, "", err
	}
	return key, alg, nil
}

func checkRSA(k *rsa.PublicKey) error {
	if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
		return errors.New("RSA modulus shorter than 2048 or longer than 8192 bits")
	}
	return nil
}

func checkEC(k *ecdsa.PublicKey) error {
	if k.Curve != elliptic.P384() {
		return errors.New("EC curve is not P-384")
	}
	return nil
}

// rebuildEC makes sure that the public half belongs to the private one.
func rebuildEC(k *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	raw, err := k.Bytes()
	if err != nil {
		return nil, errors.New("not a private key of its curve")
	}
	built, err := ecdsa.ParseRawPrivateKey(k.Curve, raw)
	if err != nil || !built.PublicKey.Equal(&k.PublicKey) {
		return nil, errors.New("public and private half do not belong together")
	}
	return built, nil
}

// GenerateKey makes a key pair for alg (ES384 or RS384) as JWKs. The kid is the thumbprint of RFC 7638.
func GenerateKey(alg string) (private, public json.RawMessage, kid string, err error) {
	var key any
	switch alg {
	case algES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case algRS384:
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		return nil, nil, "", fmt.Errorf("key algorithm %q: want ES384 or RS384", alg)
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("generate %s key: %w", alg, err)
	}
	m, err := marshalJWK(key, alg, "")
	if err != nil {
		return nil, nil, "", err
	}
	kid = thumbprint(m)
	m.KID = kid
	if private, err = json.Marshal(m); err != nil {
		return nil, nil, "", fmt.Errorf("write JWK: %w", err)
	}
	if public, err = json.Marshal(publicHalf(m)); err != nil {
		return nil, nil, "", fmt.Errorf("write JWK: %w", err)
	}
	return private, public, kid, nil
}

func marshalJWK(key any, alg, kid string) (jwkset.JWKMarshal, error) {
	jwk, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Marshal:  jwkset.JWKMarshalOptions{Private: true},
		Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.ALG(alg), KID: kid, USE: jwkset.UseSig},
	})
	if err != nil {
		return jwkset.JWKMarshal{}, errors.New("write JWK: key not supported")
	}
	return jwk.Marshal(), nil
}

// publicHalf drops every private member.
func publicHalf(m jwkset.JWKMarshal) jwkset.JWKMarshal {
	return jwkset.JWKMarshal{KTY: m.KTY, USE: m.USE, ALG: m.ALG, KID: m.KID, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E}
}

// thumbprint is RFC 7638: the hash of the required members in alphabetical order without white space.
func thumbprint(m jwkset.JWKMarshal) string {
	text := fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, m.E, m.N)
	if m.KTY == jwkset.KtyEC {
		text = fmt.Sprintf(`{"crv":%q,"kty":"EC","x":%q,"y":%q}`, m.CRV, m.X, m.Y)
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// splitSet gives the keys of a JWK set, or the one JWK when raw is a single key.
func splitSet(raw []byte) ([]jwkset.JWKMarshal, error) {
	if len(raw) > maxJWKS {
		return nil, errors.New("larger than 64 KiB")
	}
	var set struct {
		jwkset.JWKMarshal
		Keys []jwkset.JWKMarshal `json:"keys"`
	}
	if json.Unmarshal(bytes.TrimSpace(raw), &set) != nil {
		return nil, errors.New("not a JWK or JWK set")
	}
	if set.Keys == nil && set.KTY != "" {
		return []jwkset.JWKMarshal{set.JWKMarshal}, nil
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return set.Keys, nil
}
