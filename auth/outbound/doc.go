// Package outbound signs our own requests to the upstream: none, basic, bearer, a fixed header, client credentials and SMART
// Backend Services, each as an http.RoundTripper around the transport that does the work, and the client certificate of mutual
// TLS.
//
// Credentials go to the configured upstream and to nobody else: a request to any other scheme, host or port is refused before
// it is sent. Retrying searches, rate and breaker are the upstream package's business; only what a token needs is done here.
package outbound
