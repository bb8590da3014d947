package parameter

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/velocity"
)

// The catalogue of domain.md 4.6: type, default, bounds, and who changes it.
func TestCatalogue(t *testing.T) {
	want := strings.TrimSpace(`
fee.b2b.cross_border bps 40 0..1000 vote
fee.b2b.local bps 20 0..1000 vote
fee.government.cross_border bps 20 0..1000 vote
fee.government.local bps 10 0..1000 vote
fee.merchant.cross_border bps 30 0..1000 vote
fee.merchant.local bps 15 0..1000 vote
fee.p2p.cross_border.high bps 25 0..1000 vote
fee.p2p.cross_border.low bps 15 0..1000 vote
fee.p2p.local.high bps 10 0..1000 vote
fee.p2p.local.low bps 5 0..1000 vote
loanDefaultGraceDays int 90 30..365 vote
loanInterestRateBps bps 0 0..0 nobody
loanMaxAmount qirat 1000000000000 1000000..10000000000000 vote
loanMaxConcurrent int 5 1..20 vote
loanMaxOutstanding qirat 10000000000000 1000000..1000000000000000 vote
loanMinAmount qirat 100000000 1000000..10000000000000 vote
maxLoanDurationDays int 365 30..3650 vote
minProposalQuorum int 100 10..1000000 vote
minTrustScoreForLoan int 75 0..100 vote
minTrustScoreForVote int 50 0..100 vote
multiSigExpiryDays int 7 1..90 vote
orgMaxStakeholders int 20 10..100 vote
orgMinStakeholders int 2 1..10 vote
poolDisburseMax qirat 100000000000000 1000000..100000000000000 emergency
proposalApprovalPct int 60 51..90 vote
recoveryEnabled bool false false..true emergency
velocityTaxBand.2.bps bps 250 0..600 vote
velocityTaxBand.3.bps bps 300 0..600 vote
velocityTaxBand.4.bps bps 350 0..600 vote
velocityTaxBand.5.bps bps 400 0..600 vote
velocityTaxBand.6.bps bps 450 0..600 vote
velocityTaxBand.7.bps bps 550 0..600 vote
velocityTaxBand.8.bps bps 600 0..600 vote
velocityTaxPeriodDays int 355 180..730 vote
votingPeriodDays int 14 3..60 vote`)
	var got []string
	for _, p := range All() {
		who := "nobody"
		switch {
		case p.Governable && p.Emergency:
			t.Errorf("%s has two ways to change", p.ID)
		case p.Governable:
			who = "vote"
		case p.Emergency:
			who = "emergency"
		}
		if p.Description == "" {
			t.Errorf("%s says nothing", p.ID)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s..%s %s", p.ID, p.Type, p.Format(p.Default), p.Format(p.Min), p.Format(p.Max), who))
	}
	if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestLookup(t *testing.T) {
	for _, p := range All() {
		if got, err := Lookup(p.ID); err != nil || got != p {
			t.Errorf("%s: %+v, %v", p.ID, got, err)
		}
	}
	for _, id := range []string{"", "votingPeriodDays ", "VotingPeriodDays", "zzz", "fee", "transactionFeeBps"} {
		if _, err := Lookup(id); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestAllIsACopy(t *testing.T) {
	All()[0].Max = math.MaxUint64
	if All()[0].Max != fee.MaxBps {
		t.Error("a caller changed the catalogue")
	}
}

func TestParse(t *testing.T) {
	for _, p := range All() {
		good := []uint64{p.Default, p.Min, p.Max}
		for _, n := range good {
			if got, err := p.Parse(p.Format(n)); err != nil || got != n {
				t.Errorf("%s = %s: %d, %v", p.ID, p.Format(n), got, err)
			}
		}
		bad := []string{"", " 1", "+1", "-1", "01", "1.0", "1e3", "0x1", "TRUE", "yes", "18446744073709551616", p.Format(p.Min) + " "}
		if p.Type == Bool {
			bad = append(bad, "0", "1")
		} else {
			bad = append(bad, "true", fmt.Sprint(p.Max+1))
			if p.Min > 0 {
				bad = append(bad, fmt.Sprint(p.Min-1))
			}
		}
		for _, text := range bad {
			if n, err := p.Parse(text); !errors.Is(err, ErrValue) || n != 0 {
				t.Errorf("%s = %q: %d, %v", p.ID, text, n, err)
			}
		}
	}
}

// Every rate that the catalogue allows is one that its schedule accepts.
func TestSchedulesAcceptTheCatalogue(t *testing.T) {
	fees, taxes := fee.Default(), velocity.Default()
	for _, p := range All() {
		for _, n := range []uint64{p.Min, p.Max} {
			var err error
			switch {
			case strings.HasPrefix(p.ID, "fee."):
				err = fees.Set(p.ID, n)
			case strings.HasPrefix(p.ID, "velocityTax"):
				err = taxes.Set(p.ID, n)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range All() {
		f.Add(p.ID, p.Format(p.Default))
		f.Add(p.ID, "01")
	}
	f.Fuzz(func(t *testing.T, id, text string) {
		p, err := Lookup(id)
		if err != nil {
			return
		}
		n, err := p.Parse(text)
		if err != nil {
			return
		}
		if n < p.Min || n > p.Max || p.Format(n) != text {
			t.Fatalf("%s = %q reads as %d", id, text, n)
		}
	})
}
