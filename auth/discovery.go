package auth

// Algorithms are the JWS algorithms accepted from clients.
func Algorithms() []string { return []string{algRS384, algES384} }

// Discovery is the SMART configuration (.well-known/smart-configuration) of a server that only does Backend Services: no issuer,
// no authorization endpoint. Every scope listed must really be grantable; none given means all of the system.
// SMART App Launch 2.2, Conformance.
func Discovery(tokenURL string, scopes []string) map[string]any {
	if len(scopes) == 0 {
		scopes = []string{"system/*.rs", "system/*.read"}
	}
	return map[string]any{
		"token_endpoint":                                   tokenURL,
		"grant_types_supported":                            []string{"client_credentials"},
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": Algorithms(),
		"scopes_supported":                                 scopes,
		"code_challenge_methods_supported":                 []string{"S256"},
		"capabilities":                                     []string{"client-confidential-asymmetric", "permission-v1", "permission-v2"},
	}
}
