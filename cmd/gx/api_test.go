package main

import "testing"

// TestOperations finds the operation of a request as a service does.
func TestOperations(t *testing.T) {
	all, err := operations()
	if err != nil || len(all) < 100 {
		t.Fatalf("%d operations, %v", len(all), err)
	}
	for _, tc := range []struct{ method, path, want, service string }{
		{"GET", "/api/v1/wallets/me/transactions?limit=5", "/api/v1/wallets/{profileId}/transactions", "tokenomics"},
		{"GET", "/api/v1/wallets/CH 3F2 ABC123 0ABCD 1234/balance", "/api/v1/wallets/{profileId}/balance", "tokenomics"},
		{"GET", "/api/v1/users/me", "/api/v1/users/me", "identity"}, // not /users/{profileId}
		{"GET", "/api/v1/commands", "/api/v1/commands", "every service"},
		{"DELETE", "/api/v1/supply", "", ""},
		{"GET", "/api/v1/wallets//balance", "", ""},
		{"GET", "/wallets/me/balance", "", ""},
	} {
		o, ok := find(all, tc.method, tc.path)
		if ok != (tc.want != "") || o.Path != tc.want || o.Service != tc.service {
			t.Errorf("%s %s: %+v", tc.method, tc.path, o)
		}
	}
	if o, _ := find(all, "GET", "/api/v1/supply"); !o.Public {
		t.Error("the supply is not public")
	}
	if o, _ := find(all, "GET", "/api/v1/users/me"); o.Public {
		t.Error("profiles are public")
	}
}
