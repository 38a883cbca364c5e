package outbound

import (
	"log/slog"
	"time"
)

// The values of Options.Type.
const (
	None              = "none"
	Basic             = "basic"
	Bearer            = "bearer"
	Header            = "header"
	ClientCredentials = "client_credentials"
	BackendServices   = "backend_services"
)

// Options say how requests to the upstream are signed. Upstream is required but for Type none.
type Options struct {
	Type     string // default none
	Upstream string // base URL of the upstream: only its scheme, host and port get credentials

	Username, Password string // basic
	Token              string // bearer
	Header, Value      string // header

	// client_credentials and backend_services
	TokenURL     string
	ClientID     string
	ClientSecret string // client_credentials
	Scope        string // backend_services: default system/*.rs
	KeyFile      string // backend_services: JWK, JWK set or PEM; read again for each token
	KID          string // default: the JWK's
	Alg          string // default: what fits the key, ES384 or RS384

	Now func() time.Time
	Log *slog.Logger // nil: silent
}

// Grant is what was asked of the token endpoint and what it gave.
type Grant struct{ Asked, Granted string }
