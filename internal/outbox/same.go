package outbox

import "fmt"

// SameRequest returns a *KeyReusedError when a request differs from the first
// one with its Idempotency-Key. Both are JSON.
func SameRequest(request, first []byte) error {
	field, err := difference("", request, first)
	if err != nil {
		return fmt.Errorf("outbox: compare requests: %w", err)
	}
	if field != "" {
		return &KeyReusedError{field}
	}
	return nil
}
