package auth

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"
)

// KeySet holds the keys of our own access tokens: the first signs, all verify, so that a new key can be put in front while
// tokens of the old one still live. All replicas need the same set.
type KeySet struct {
	kid    string // of the signing key
	signer *ecdsa.PrivateKey
	verify map[string]*ecdsa.PublicKey
	public json.RawMessage
}

// NewKeySet makes a private JWK set with one fresh ES384 key, to be kept and given to LoadKeySet.
func NewKeySet() (jwks []byte, err error) {
	private, _, _, err := GenerateKey(algES384)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string][]json.RawMessage{"keys": {private}})
}

// LoadKeySet reads a JWK set, or a single JWK, of ES384 keys. The first must be private; later ones may be public halves. A
// missing kid becomes the thumbprint. Error texts hold nothing of the keys.
func LoadKeySet(jwks []byte) (*KeySet, error) {
	entries, err := splitSet(jwks)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	ks := &KeySet{verify: map[string]*ecdsa.PublicKey{}}
	var public []jwkset.JWKMarshal
	for i, m := range entries {
		key, alg, err := decodeJWK(m)
		if err == nil && alg != algES384 {
			err = errors.New("want ES384, which is EC with P-384")
		}
		if err != nil {
			return nil, fmt.Errorf("signing keys: key %d: %w", i+1, err)
		}
		if m.KID == "" {
			m.KID = thumbprint(m)
		}
		if ks.verify[m.KID] != nil {
			return nil, fmt.Errorf("signing keys: key %d: its kid is there already", i+1)
		}
		switch k := key.(type) {
		case *ecdsa.PrivateKey:
			ks.verify[m.KID] = &k.PublicKey
			if i == 0 {
				ks.kid, ks.signer = m.KID, k
			}
		case *ecdsa.PublicKey:
			ks.verify[m.KID] = k
		}
		public = append(public, publicHalf(m))
	}
	if ks.signer == nil {
		return nil, errors.New("signing keys: the first key is not private")
	}
	if ks.public, err = json.Marshal(jwkset.JWKSMarshal{Keys: public}); err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	return ks, nil
}

// Public is the set as others may see it: public halves only.
func (k *KeySet) Public() json.RawMessage { return k.public }
