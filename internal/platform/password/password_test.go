package password_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"gxcoin.money/gx/internal/platform/password"
)

var cheap = password.Options{MemoryKiB: 64, Passes: 1}

func TestHashAndVerify(t *testing.T) {
	h := password.New(cheap)
	ctx := t.Context()
	stored, err := h.Hash(ctx, "Correct horse 1")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("not a PHC string: %s", stored)
	}
	for candidate, want := range map[string]bool{"Correct horse 1": true, "correct horse 1": false, "": false} {
		if got, err := h.Verify(ctx, stored, candidate); err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v; want %v", candidate, got, err, want)
		}
	}
	if got, err := h.Verify(ctx, "", ""); got || err != nil {
		t.Errorf("unknown account verified: %v, %v", got, err)
	}
	// A hash of other parameters stays readable.
	if got, err := password.New(password.Options{MemoryKiB: 32, Passes: 2}).Verify(ctx, stored, "Correct horse 1"); !got || err != nil {
		t.Errorf("other parameters: %v, %v", got, err)
	}
	for _, bad := range []string{"plain", "$2b$10$abc", "$argon2id$v=19$m=64,t=1,p=1$x$y"} {
		if got, err := h.Verify(ctx, bad, "x"); got || err == nil {
			t.Errorf("Verify with stored %q = %v, %v; want an error", bad, got, err)
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	h := password.New(password.Options{MemoryKiB: 8 << 10, Passes: 4, Parallel: 1, Queue: 2})
	var wg sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		wg.Go(func() { _, errs[i] = h.Hash(t.Context(), "x") })
	}
	wg.Wait()
	var done, busy int
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case errors.Is(err, password.ErrBusy):
			busy++
		default:
			t.Error(err)
		}
	}
	if done < 1 || busy < 1 {
		t.Errorf("%d done, %d busy; want some of each", done, busy)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "x"); err != nil {
		t.Errorf("a free slot needs no waiting: %v", err)
	}
}

func TestCheck(t *testing.T) {
	for in, want := range map[string]string{
		"Abcdefgh12": "", "Abcdefg12": "PASSWORD_TOO_SHORT", "abcdefgh12": "PASSWORD_MISSING_UPPERCASE",
		"ABCDEFGH12": "PASSWORD_MISSING_LOWERCASE", "Abcdefghij": "PASSWORD_MISSING_NUMBER",
		"Aa1" + strings.Repeat("x", 126): "PASSWORD_TOO_LONG",
	} {
		if got, _ := password.Check(in); got != want {
			t.Errorf("Check(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCheckStrong(t *testing.T) {
	for candidate, ok := range map[string]bool{
		"Correct horse 1": true, "Correct-horse": false, "Correct1horse": false, "correct horse 1": false, "CORRECT HORSE 1": false,
		"Short 1": false, "Eleven ch 1": false, "Twelve char1": true, "Ünïcödé 123A": true, "": false, "Aa1 " + strings.Repeat("x", 125): false,
	} {
		if got := password.CheckStrong(candidate); (got == "") != ok {
			t.Errorf("CheckStrong(%q) = %q", candidate, got)
		}
	}
}
