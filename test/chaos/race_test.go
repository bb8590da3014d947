package chaos_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/protocol/qirat"
)

// both does two things at the same time.
func both(a, b func()) {
	var wg sync.WaitGroup
	barrier := make(chan struct{})
	for _, f := range []func(){a, b} {
		wg.Go(func() { <-barrier; f() })
	}
	close(barrier)
	wg.Wait()
}

// Of two things that can't both happen, exactly one does, at whichever system they
// are asked for (F-42).
func TestKF42Races(t *testing.T) {
	c := start(t, 2)
	customers := c.recruit(t, demo.People(size(6, 40)))
	staff := c.rings[0].Staff(t)
	pay := func(at, from, to int, amount qirat.Amount) (applied bool) {
		r, err := patiently(t.Context(), keyed(c.at(at, customers[from]), customers[to], amount))
		switch code := client.Code(err); {
		case code == "insufficient_funds", code == "sender_frozen", code == "wallet_frozen", code == "account_frozen":
			return false
		case err != nil:
			t.Errorf("pay: %v", err)
			return false
		}
		v, err := customers[from].Client.Await(t.Context(), r.CommandID, client.At("tokenomics"))
		if err != nil {
			t.Error(err)
		}
		return v.Status == client.CommandStatusCONFIRMED
	}
	balance := func(of int, after string) qirat.Amount {
		t.Helper()
		var options []client.Option
		if after != "" {
			options = append(options, client.After(after))
		}
		b, err := customers[of].Client.GetBalance(t.Context(), customers[of].Profile, options...)
		if err != nil {
			t.Fatal(err)
		}
		n, err := qirat.Parse(b.Balance.Balance)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}

	t.Run("two spends of one balance", func(t *testing.T) {
		for i := 0; i+1 < len(customers); i += 2 {
			var first, second bool
			both(func() { first = pay(0, i, i+1, 400*qirat.PerGX) }, func() { second = pay(1, i, i+1, 400*qirat.PerGX) })
			if first == second {
				t.Errorf("customer %d: applied %t and %t", i, first, second)
			}
			if b := balance(i, ""); b > 100*qirat.PerGX || b < 90*qirat.PerGX {
				t.Errorf("customer %d has %s", i, b)
			}
		}
	})

	t.Run("freeze and payment", func(t *testing.T) {
		for i := 1; i < len(customers); i += 2 {
			before := balance(i, "")
			var applied bool
			var frozen client.Receipt
			both(func() { applied = pay(1, i, 0, 300*qirat.PerGX) }, func() {
				var err error
				frozen, err = staff.FreezeWallet(t.Context(), customers[i].Profile, client.TokenomicsFreezeRequest{Reason: "a report by the police"})
				if err != nil {
					t.Errorf("freeze: %v", err)
				}
			})
			if frozen.CommandID == "" {
				t.Fatalf("the wallet is not frozen: %+v", frozen)
			}
			if v, err := staff.Await(t.Context(), frozen.CommandID, client.At("tokenomics")); err != nil || v.Status != client.CommandStatusCONFIRMED {
				t.Errorf("freeze: %+v, %v", v, err)
			}
			if b := balance(i, frozen.CommandID); applied != (b < before) {
				t.Errorf("customer %d had %s, has %s, but applied is %t", i, before, b, applied)
			}
			if pay(0, i, 0, qirat.PerGX) {
				t.Errorf("customer %d pays from a frozen wallet", i)
			}
		}
	})

	t.Run("two registrations of one e-mail", func(t *testing.T) {
		for _, p := range demo.People(len(customers)) {
			request := client.IdentityRegisterRequest{Fname: p.First, Lname: p.Last, Email: p.Email, Password: p.Password, DateOfBirth: p.Born, Gender: p.Gender, Country: p.Country}
			var errs [2]error
			at := func(i int) func() {
				return func() { _, errs[i] = c.rings[i].Client.Register(context.WithoutCancel(t.Context()), request) }
			}
			both(at(0), at(1))
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Errorf("%s: %v and %v", p.Email, errs[0], errs[1])
			}
			var problem *client.Problem
			if err := errors.Join(errs[:]...); !errors.As(err, &problem) || problem.Status != http.StatusConflict {
				t.Errorf("the second registration: %v", err)
			}
		}
	})
}
