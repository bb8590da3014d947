// Package parameter is the catalogue of what can be tuned on a running ledger:
// every system parameter with its type, default and bounds, and who may change
// it (domain.md 4.6). What is not listed here is a constant of the code.
//
// A value is text in one canonical spelling, on the ledger as in commands, and
// a number to the rules.
package parameter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/velocity"
)

// Type says how a value is spelled.
type Type string

const (
	Bps    Type = "bps"   // basis points
	Int    Type = "int"   // a whole number
	Amount Type = "qirat" // an amount of money
	Bool   Type = "bool"  // "true" or "false"
)

// The parameters beside the rates of fees and of the velocity tax.
const (
	LoanDefaultGraceDays = "loanDefaultGraceDays"
	LoanInterestRateBps  = "loanInterestRateBps"
	LoanMaxAmount        = "loanMaxAmount"
	LoanMaxConcurrent    = "loanMaxConcurrent"
	LoanMaxOutstanding   = "loanMaxOutstanding"
	LoanMinAmount        = "loanMinAmount"
	MaxLoanDurationDays  = "maxLoanDurationDays"
	MinProposalQuorum    = "minProposalQuorum"
	MinTrustScoreForLoan = "minTrustScoreForLoan"
	MinTrustScoreForVote = "minTrustScoreForVote"
	MultiSigExpiryDays   = "multiSigExpiryDays"
	OrgMaxStakeholders   = "orgMaxStakeholders"
	OrgMinStakeholders   = "orgMinStakeholders"
	PoolDisburseMax      = "poolDisburseMax"
	ProposalApprovalPct  = "proposalApprovalPct"
	RecoveryEnabled      = "recoveryEnabled"
	VotingPeriodDays     = "votingPeriodDays"
)

// Parameter is one entry of the catalogue.
type Parameter struct {
	ID      string
	Type    Type
	Default uint64 // as Parse returns it
	Min     uint64
	Max     uint64
	// Governable parameters change by a vote, Emergency ones by a super admin,
	// the rest never.
	Governable  bool
	Emergency   bool
	Description string
}

var (
	// ErrUnknown reports a parameter that does not exist.
	ErrUnknown = errors.New("is not a system parameter")
	// ErrValue reports text that is not a value of the parameter.
	ErrValue = errors.New("is not a value of the parameter")
)

const gx = uint64(qirat.PerGX)

var catalogue = build([]Parameter{
	{LoanDefaultGraceDays, Int, 90, 30, 365, true, false, "Days after the due date until a loan can be declared defaulted"},
	{LoanInterestRateBps, Bps, 0, 0, 0, false, false, "Interest on loans: there is none"},
	{LoanMaxAmount, Amount, 1_000_000 * gx, gx, 10_000_000 * gx, true, false, "Highest amount of a loan"},
	{LoanMaxConcurrent, Int, 5, 1, 20, true, false, "Open loans that one person may have"},
	{LoanMaxOutstanding, Amount, 10_000_000 * gx, gx, 1_000_000_000 * gx, true, false, "What one person may owe and have applied for"},
	{LoanMinAmount, Amount, 100 * gx, gx, 10_000_000 * gx, true, false, "Lowest amount of a loan"},
	{MaxLoanDurationDays, Int, 365, 30, 3650, true, false, "Longest term of a loan in days"},
	{MinProposalQuorum, Int, 100, 10, 1_000_000, true, false, "Votes that a proposal needs"},
	{MinTrustScoreForLoan, Int, 75, 0, 100, true, false, "Trust score that a borrower needs"},
	{MinTrustScoreForVote, Int, 50, 0, 100, true, false, "Trust score that a voter needs"},
	{MultiSigExpiryDays, Int, 7, 1, 90, true, false, "Days until a pending payment of an organization expires"},
	{OrgMaxStakeholders, Int, 20, 10, 100, true, false, "Most stakeholders of an organization"},
	{OrgMinStakeholders, Int, 2, 1, 10, true, false, "Fewest stakeholders of an organization"},
	{PoolDisburseMax, Amount, 100_000_000 * gx, gx, 100_000_000 * gx, false, true, "Highest amount of one disbursement from a pool"},
	{ProposalApprovalPct, Int, 60, 51, 90, true, false, "Share of the votes, in percent, that a proposal needs"},
	{RecoveryEnabled, Bool, 0, 0, 1, false, true, "Guardians can recover a lost account"},
	{VotingPeriodDays, Int, 14, 3, 60, true, false, "Days that a proposal is open"},
	{velocity.PeriodID, Int, velocity.DefaultPeriodDays, 180, 730, true, false, "Days that money may rest untaxed"},
})

// build completes the catalogue with the rates and sorts it by id.
func build(all []Parameter) []Parameter {
	for _, p := range fee.Default().Parameters() {
		all = append(all, Parameter{p.ID, Bps, p.Bps, 0, fee.MaxBps, true, false, "Transaction fee rate"})
	}
	for _, p := range velocity.Default().Bands() {
		all = append(all, Parameter{p.ID, Bps, p.Bps, 0, velocity.MaxBps, true, false, "Velocity tax rate from " + p.From.GX() + " GX"})
	}
	slices.SortFunc(all, func(a, b Parameter) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// All returns the catalogue sorted by id.
func All() []Parameter { return slices.Clone(catalogue) }

// Lookup returns a parameter, or ErrUnknown.
func Lookup(id string) (Parameter, error) {
	i, ok := slices.BinarySearchFunc(catalogue, id, func(p Parameter, id string) int { return strings.Compare(p.ID, id) })
	if !ok {
		return Parameter{}, ErrUnknown
	}
	return catalogue[i], nil
}

// Parse reads a value: its one canonical spelling, within the bounds. A Bool is
// 0 or 1, an Amount a number of Qirat. The error is ErrValue.
func (p Parameter) Parse(text string) (uint64, error) {
	var n uint64
	if p.Type == Bool {
		if text != "true" && text != "false" {
			return 0, fmt.Errorf("%w: %s is true or false", ErrValue, p.ID)
		}
		if text == "true" {
			n = 1
		}
	} else {
		v, err := strconv.ParseUint(text, 10, 64)
		if err != nil || strconv.FormatUint(v, 10) != text {
			return 0, fmt.Errorf("%w: %s is a whole number in decimal digits", ErrValue, p.ID)
		}
		n = v
	}
	if n < p.Min || n > p.Max {
		return 0, fmt.Errorf("%w: %s is between %s and %s", ErrValue, p.ID, p.Format(p.Min), p.Format(p.Max))
	}
	return n, nil
}

// Format spells a value so that Parse reads it.
func (p Parameter) Format(n uint64) string {
	if p.Type == Bool {
		return strconv.FormatBool(n != 0)
	}
	return strconv.FormatUint(n, 10)
}
