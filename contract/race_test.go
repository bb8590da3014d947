//go:build race

package contract_test

// The race detector allocates for itself.
func init() { raced = true }
