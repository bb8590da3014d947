package service_test

import (
	"strconv"
	"testing"

	"github.com/google/uuid"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// Whichever way value moves, the fee is that of the table, the sender pays it and
// the operations fund gets it; there is no way around it between people (F-16).
func TestKF16FeesOnTheRing(t *testing.T) {
	s := &story{t: t, ring: ringtest.Start(t)}
	s.staff = s.ring.Staff(t)
	ctx := t.Context()
	people := demo.People(3)
	people[1].Country = people[0].Country
	s.people = must[[]*demo.Customer](t)(demo.Recruit(ctx, s.ring.Client, s.staff, people))
	ada, near, far := s.people[0], s.people[1], s.people[2]
	fund := func(after string) qirat.Amount {
		t.Helper()
		for _, p := range must[client.PoolsResponse](t)(s.staff.ListPools(ctx, client.After(after))).Pools {
			if p.AccountID == account.OperationsFund {
				return must[qirat.Amount](t)(qirat.Parse(p.Balance))
			}
		}
		t.Fatal("there is no operations fund")
		return 0
	}
	balance := func(c *demo.Customer, after string) qirat.Amount {
		t.Helper()
		b := must[client.TokenomicsBalanceResponse](t)(c.Client.GetBalance(ctx, c.Profile, client.After(after)))
		return must[qirat.Amount](t)(qirat.Parse(b.Balance.Balance))
	}
	last := ada.Opened.CommandID
	for _, c := range []struct {
		to          *demo.Customer
		amount, fee qirat.Amount
	}{
		{near, 2 * qirat.PerGX, 0}, {near, 50 * qirat.PerGX, 25_000}, {near, 101 * qirat.PerGX, 101_000},
		{far, 2 * qirat.PerGX, 3_000}, {far, 50 * qirat.PerGX, 75_000}, {far, 101 * qirat.PerGX, 252_500},
	} {
		fee := strconv.FormatUint(uint64(c.fee), 10)
		had, hers, theirs := fund(last), balance(ada, last), balance(c.to, last)
		body := client.Payment{ToID: c.to.Account, Amount: c.amount.String()}
		q := must[client.Quote](t)(ada.Client.QuoteTransfer(ctx, client.TransferQuoteRequest{ToID: body.ToID, Amount: body.Amount}))
		r := must[client.Receipt](t)(ada.Client.CreateTransfer(ctx, body, client.IdempotencyKey(uuid.NewString()), wait))
		s.done(r, nil)
		last = r.CommandID
		if q.Fee != fee || r.Fee != fee {
			t.Errorf("%s to %s: quoted %s, charged %s, want %s", c.amount, c.to.Name(), q.Fee, r.Fee, fee)
		}
		if got := hers - balance(ada, last); got != c.amount+c.fee {
			t.Errorf("%s to %s cost %s", c.amount, c.to.Name(), got)
		}
		if got := balance(c.to, last) - theirs; got != c.amount {
			t.Errorf("%s to %s brought %s", c.amount, c.to.Name(), got)
		}
		if got := fund(last) - had; got != c.fee {
			t.Errorf("%s to %s: the fund got %s, want %s", c.amount, c.to.Name(), got, fee)
		}
	}

	had := fund(last)
	inner := client.InternalTransferRequest{FromID: ada.Account, ToID: near.Account, Amount: "1", Type: "SYSTEM_ADJUSTMENT", Remark: "a way around the fee"}
	refused[client.Receipt](t, "token_wrong_audience")(ada.Client.TransferInternal(ctx, inner))
	refused[client.Receipt](t, "to_id_invalid")(s.staff.TransferInternal(ctx, inner))
	if got := fund(last) - had; got != 0 {
		t.Errorf("the fund got %s for nothing", got)
	}
}
