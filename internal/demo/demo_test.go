package demo_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// feesOfStory is what the fees of 20 people come to, computed by hand from the schedule.
const feesOfStory qirat.Amount = 8_497_712

func play(t *testing.T, ring *ringtest.Ring, people int) (demo.Report, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	r, err := demo.Run(ctx, demo.Options{Client: ring.Client, Username: ring.Username, Password: ring.Password, People: people, Out: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return r, out.String()
}

// TestStory plays the story on a whole system and compares it with the tables
// behind the API.
func TestStory(t *testing.T) {
	ring := ringtest.Start(t)
	db := ring.Database.Pool(t, "")
	number := func(sql string, args ...any) (n int64) {
		t.Helper()
		if err := db.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	balance := func(id string) qirat.Amount {
		t.Helper()
		return qirat.Amount(number(`SELECT balance FROM read.accounts WHERE account_id = $1`, id))
	}

	r, text := play(t, ring, 20)
	if !r.OK {
		t.Errorf("not everything was as it must be:\n%s", text)
	}
	if r.Accepted != 121 || r.Committed != 121 || r.Projected != 121 || r.Refused != 3 || len(r.People) != 20 || len(r.Checks) != 40 {
		t.Errorf("%d accepted, %d committed, %d projected, %d refused, %d people, %d checks", r.Accepted, r.Committed, r.Projected, r.Refused, len(r.People), len(r.Checks))
	}
	if r.SupplyBefore != qirat.MaxSupply.String() || r.SupplyAfter != r.SupplyBefore || r.Fees != feesOfStory {
		t.Errorf("supply %s and %s, fees %d", r.SupplyBefore, r.SupplyAfter, r.Fees)
	}
	for _, l := range []demo.Latency{r.AcceptTime, r.ProjectTime} {
		if l.P50 <= 0 || l.P99 < l.P50 {
			t.Errorf("latency %+v", l)
		}
	}
	var together qirat.Amount
	for _, p := range r.People {
		if got := balance(p.GXID); got != p.Balance {
			t.Errorf("%s: balance %d, the report says %d", p.Name, got, p.Balance)
		}
		together += p.Balance
	}
	if want := 20*500*qirat.PerGX - feesOfStory; together != want {
		t.Errorf("together they have %d, want %d", together, want)
	}
	for id, want := range map[string]qirat.Amount{
		account.UserGenesisPool:  577_499_990_000 * qirat.PerGX,
		account.GovtGenesisPool:  151_999_999_000 * qirat.PerGX,
		account.OperationsFund:   18_750_000_000*qirat.PerGX + feesOfStory,
		account.TreasuryOf("CH"): 150 * qirat.PerGX,
		account.TreasuryOf("LK"): 150 * qirat.PerGX,
		account.TreasuryOf("GH"): 150 * qirat.PerGX,
		account.TreasuryOf("BR"): 150 * qirat.PerGX,
		account.TreasuryOf("IN"): 100 * qirat.PerGX,
		account.TreasuryOf("JP"): 100 * qirat.PerGX,
		account.TreasuryOf("DE"): 100 * qirat.PerGX,
		account.TreasuryOf("KE"): 100 * qirat.PerGX,
	} {
		if got := balance(id); got != want {
			t.Errorf("%s has %d, want %d", id, got, want)
		}
	}
	if n := number(`SELECT sum(balance)::bigint FROM read.accounts`); n != int64(qirat.MaxSupply) {
		t.Errorf("all accounts together have %d", n)
	}
	if n := number(`SELECT count(*) FROM app.commands WHERE type = 'TRANSFER_TOKENS' AND state = 'COMMITTED'`); n != 101 {
		t.Errorf("%d payments are stored as committed", n)
	}
	if n := number(`SELECT count(*) FROM app.commands WHERE state <> 'COMMITTED'`); n != 0 {
		t.Errorf("%d commands have not come to their end", n)
	}
	for _, line := range []string{
		"20 people from 8 countries", "500 GX for each person and 50 GX for the treasury", "Jürgen Weiß", "422 insufficient_funds", "400 to_id_invalid",
		"Idempotency-Hit", "422 idempotency_key_reused", "supply after   1,250,000,000,000,000,000 Qirat", "All 40 checks hold",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the story lacks %q:\n%s", line, text)
		}
	}

	// The story can be told again, about other people and in another number.
	again, text := play(t, ring, 7)
	if !again.OK || len(again.People) != 7 || again.Projected != again.Accepted || again.People[0].GXID == r.People[0].GXID {
		t.Errorf("the second time: %+v\n%s", again, text)
	}

	// A single Qirat from nowhere is found.
	if _, err := db.Exec(t.Context(), `UPDATE read.accounts SET balance = balance + 1 WHERE account_id = $1`, account.OperationsFund); err != nil {
		t.Fatal(err)
	}
	wrong, text := play(t, ring, 4)
	if wrong.OK || wrong.SupplyAfter != "1250000000000000001" || !strings.Contains(text, "do NOT hold") || !strings.Contains(text, "WRONG, expected 1,250,000,000,000,000,000 Qirat") {
		t.Errorf("money from nowhere: %+v\n%s", wrong, text)
	}
	if _, err := db.Exec(t.Context(), `UPDATE read.accounts SET balance = balance - 1 WHERE account_id = $1`, account.OperationsFund); err != nil {
		t.Fatal(err)
	}
}

func TestSystemNotThere(t *testing.T) {
	nowhere := client.New(client.Options{URL: "http://127.0.0.1:1", Attempts: 1})
	if _, err := demo.Run(t.Context(), demo.Options{Client: nowhere}); err == nil || !strings.Contains(err.Error(), "the service identity does not answer") {
		t.Errorf("nothing there: %v", err)
	}
	if _, err := demo.Run(t.Context(), demo.Options{Client: nowhere, People: 3}); err == nil || !strings.Contains(err.Error(), "4 people") {
		t.Errorf("three people: %v", err)
	}
	ring := ringtest.Start(t)
	_, err := demo.Run(t.Context(), demo.Options{Client: ring.Client, Username: "owner", Password: "wrong"})
	if client.Code(err) != "INVALID_CREDENTIALS" || !strings.HasPrefix(err.Error(), "log in as owner") {
		t.Errorf("wrong password: %v", err)
	}
}
