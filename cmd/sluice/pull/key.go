package pull

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
)

// privateJWK turns a key as people keep it into what auth.SignAssertion takes: a JWK or a set stays as it is but for kid, PEM is
// written as a JWK.
func privateJWK(key []byte, kid string) ([]byte, error) {
	fields := map[string]any{}
	if block := pemKey(key); block != nil {
		var err error
		if fields, err = jwkOf(block); err != nil {
			return nil, err
		}
	} else {
		if kid == "" {
			return key, nil
		}
		if json.Unmarshal(key, &fields) != nil {
			return nil, errors.New("neither a JWK nor PEM")
		}
		if set, ok := fields["keys"].([]any); ok && len(set) > 0 {
			if fields, ok = set[0].(map[string]any); !ok {
				return nil, errors.New("not a JWK set")
			}
		}
	}
	if kid != "" {
		fields["kid"] = kid
	}
	return json.Marshal(fields)
}

// pemKey finds the private key among the blocks of a PEM file, which may hold parameters and certificates, too.
func pemKey(text []byte) *pem.Block {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil || bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")) {
			return block
		}
	}
}

func jwkOf(block *pem.Block) (map[string]any, error) {
	var key any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, errors.New("the key in PEM is encrypted or of an unknown kind")
	}
	if err != nil {
		return nil, errors.New("the key in PEM cannot be read")
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if len(k.Primes) != 2 {
			return nil, errors.New("the RSA key has not two primes")
		}
		k.Precompute()
		return map[string]any{
			"kty": "RSA", "n": number(k.N), "e": number(big.NewInt(int64(k.E))), "d": number(k.D), "p": number(k.Primes[0]),
			"q": number(k.Primes[1]), "dp": number(k.Precomputed.Dp), "dq": number(k.Precomputed.Dq), "qi": number(k.Precomputed.Qinv),
		}, nil
	case *ecdsa.PrivateKey:
		d, err1 := k.Bytes()
		point, err2 := k.PublicKey.Bytes() // 4, x, y
		if err := errors.Join(err1, err2); err != nil {
			return nil, errors.New("the EC key cannot be used")
		}
		half := 1 + len(point)/2
		return map[string]any{
			"kty": "EC", "crv": k.Params().Name, "x": encoded(point[1:half]), "y": encoded(point[half:]), "d": encoded(d),
		}, nil
	}
	return nil, errors.New("the key is neither EC nor RSA")
}

func number(n *big.Int) string { return encoded(n.Bytes()) }

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
