package main

import (
	"bytes"
	"os"
	"testing"
)

// docs/contracts.md is what the code says.
func TestContractsPageIsCurrent(t *testing.T) {
	var want bytes.Buffer
	if err := writeContracts(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/contracts.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/contracts.md is stale: run gx contract list -o markdown > docs/contracts.md")
	}
}
