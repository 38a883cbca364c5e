// Package auth knows who calls and what they may export: SMART Backend Services as the server sees it. It holds the scopes, the
// client registry, the token endpoint with its checks of client assertions and JWKS, our own access tokens, the verifier of the
// Authorization header and the discovery document.
//
// It knows nothing of HTTP routing, rate limits and audit: the gateway hands over plain values and gets values or an [*Error]
// back. Signing our own requests to the upstream is auth/outbound.
package auth
