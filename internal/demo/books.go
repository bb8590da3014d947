package demo

import (
	"context"
	"errors"
	"slices"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// sums is arithmetic that remembers its first error.
type sums struct{ err error }

func (s *sums) note(a qirat.Amount, err error) qirat.Amount {
	if s.err == nil {
		s.err = err
	}
	return a
}

func (s *sums) parse(text string) qirat.Amount     { return s.note(qirat.Parse(text)) }
func (s *sums) add(a, b qirat.Amount) qirat.Amount { return s.note(a.Add(b)) }
func (s *sums) sub(a, b qirat.Amount) qirat.Amount { return s.note(a.Sub(b)) }

// position is where the money of the story is at one time.
type position struct {
	max, circulating qirat.Amount
	total            string          // Qirat of every account together
	pools            map[string]pool // by account
	treasuries       map[string]qirat.Amount
	users            int64 // on the ledger
}

type pool struct{ opening, distributed, received, balance qirat.Amount }

// look reads the position, as it is after what the options say.
func look(ctx context.Context, nobody, staff *client.Client, countries []string, options ...client.Option) (position, error) {
	var s sums
	p := position{pools: map[string]pool{}, treasuries: map[string]qirat.Amount{}}
	supply, err := nobody.GetSupply(ctx, options...)
	if err != nil {
		return p, err
	}
	p.max, p.circulating, p.total = s.parse(supply.MaxSupply), s.parse(supply.Circulating), supply.Total
	for _, v := range supply.Pools {
		p.pools[v.AccountID] = pool{s.parse(v.Opening), s.parse(v.Distributed), s.parse(v.Received), s.parse(v.Balance)}
	}
	for _, code := range countries {
		t, err := nobody.GetTreasury(ctx, code, options...)
		if client.Code(err) == "treasury_not_found" {
			continue // it has received nothing yet
		}
		if err != nil {
			return p, err
		}
		p.treasuries[code] = s.parse(t.Balance.Balance)
	}
	c, err := staff.GetCounters(ctx, options...)
	p.users = c.Counters.TotalUsers
	return p, errors.Join(err, s.err)
}

// statement is what a person's statement says.
type statement struct {
	balance, in, out qirat.Amount
	lines            int
}

func read(ctx context.Context, c *Customer) (st statement, err error) {
	var s sums
	b, err := c.Client.GetBalance(ctx, c.Profile)
	if err != nil {
		return st, err
	}
	st.balance = s.parse(b.Balance.Balance)
	query := client.ListTransactionsParams{Limit: 100}
	for {
		page, err := c.Client.ListTransactions(ctx, c.Profile, query)
		if err != nil {
			return st, err
		}
		for _, t := range page.Transactions {
			st.lines++
			if t.Direction == client.TransactionDirectionIN {
				st.in = s.add(st.in, s.parse(t.Amount))
			} else {
				st.out = s.add(st.out, s.parse(t.Amount))
			}
		}
		if !page.HasMore {
			return st, s.err
		}
		query.Cursor = page.NextCursor
	}
}

// ledgerLine is what must have come of an account.
type ledgerLine struct{ genesis, received, sent, fees qirat.Amount }

// audit compares what reads show at the end with what must have come of the
// story, to the Qirat.
func (t *teller) audit(before, after position) error {
	var s sums
	accounts := map[string]*ledgerLine{}
	shares := map[string]qirat.Amount{} // of treasuries, by country
	var given, treasuries, fees qirat.Amount
	for _, c := range t.customers {
		share := t.genesis[c.Account]
		accounts[c.Account] = &ledgerLine{genesis: share.User}
		given, treasuries = s.add(given, share.User), s.add(treasuries, share.Government)
		shares[c.Country] = s.add(shares[c.Country], share.Government)
	}
	for _, p := range t.payments {
		from, to := accounts[p.from.Account], accounts[p.to.Account]
		from.sent, from.fees = s.add(from.sent, p.amount), s.add(from.fees, p.fee)
		to.received = s.add(to.received, p.amount)
		fees = s.add(fees, p.fee)
	}
	var wanted, found qirat.Amount
	right, adding := 0, 0
	var rows [][]string
	for _, c := range t.customers {
		a, st := accounts[c.Account], t.statements[c.Account]
		balance := s.sub(s.sub(s.add(a.genesis, a.received), a.sent), a.fees)
		wanted, found = s.add(wanted, balance), s.add(found, st.balance)
		if st.balance == balance {
			right++
		}
		if s.add(st.balance, st.out) == st.in {
			adding++
		}
		if len(rows) < shown {
			rows = append(rows, []string{c.Name(), gx(a.genesis), "+ " + gx(a.received), "- " + gx(a.sent), "- " + gx(a.fees), "= " + gx(st.balance)})
		}
	}
	n := len(t.customers)
	t.table([]string{"", ">genesis", ">received", ">sent", ">fees", ">balance"}, rows)
	if n > shown {
		t.printf("   ... and %d more\n", n-shown)
	}
	t.printf("\n")
	t.compare("balances equal to genesis + received - sent - fees", n, right)
	t.compare("statements that add up to the balance", n, adding)
	t.amounts("all their balances together", wanted, found)
	richer := 0
	for code, share := range shares {
		if s.add(before.treasuries[code], share) == after.treasuries[code] {
			richer++
		}
	}
	t.compare("treasuries that got their share of each person", len(shares), richer)

	moved := func(id string) (distributed, received qirat.Amount) {
		return s.sub(after.pools[id].distributed, before.pools[id].distributed), s.sub(after.pools[id].received, before.pools[id].received)
	}
	out, _ := moved(account.UserGenesisPool)
	t.amounts("paid by the user genesis pool", given, out)
	out, _ = moved(account.GovtGenesisPool)
	t.amounts("paid by the government genesis pool", treasuries, out)
	_, in := moved(account.OperationsFund)
	t.amounts("fees in the operations fund", fees, in)
	t.amounts("more in circulation: genesis less fees", s.sub(s.add(given, treasuries), fees), s.sub(after.circulating, before.circulating))
	t.compare("more people on the ledger", n, int(after.users-before.users))

	even := 0
	var held qirat.Amount
	for _, p := range after.pools {
		held = s.add(held, p.balance)
		if s.sub(s.add(p.opening, p.received), p.distributed) == p.balance {
			even++
		}
	}
	t.compare("pools with balance = opening - paid + received", len(account.Pools), even)
	t.amounts("pools + circulation", qirat.MaxSupply, s.add(held, after.circulating))
	all := group(qirat.MaxSupply.String()) + " Qirat"
	t.check("sum over every account, before", all, group(before.total)+" Qirat")
	t.check("sum over every account, after", all, group(after.total)+" Qirat")
	t.report.SupplyBefore, t.report.SupplyAfter, t.report.Fees = before.total, after.total, fees
	return s.err
}

// countries returns the countries of people, sorted.
func countries(people []Person) []string {
	var out []string
	for _, p := range people {
		out = append(out, p.Country)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
