// Package account names the accounts that hold money: people, organizations,
// the system pools and the national treasuries (domain.md 2.2, 4.1).
package account

import "strings"

// Kind says what an account belongs to.
type Kind string

const (
	Individual Kind = "INDIVIDUAL"
	Business   Kind = "BUSINESS"
	NGO        Kind = "NGO"
	Government Kind = "GOVERNMENT"
	Treasury   Kind = "TREASURY"
	System     Kind = "SYSTEM"
)

// The system accounts. Their identifiers are reserved: nobody can register them.
const (
	UserGenesisPool    = "SYSTEM_USER_GENESIS_POOL"
	GovtGenesisPool    = "SYSTEM_GOVT_GENESIS_POOL"
	CharitablePool     = "SYSTEM_CHARITABLE_POOL"
	LoanPool           = "SYSTEM_LOAN_POOL"
	GXPool             = "SYSTEM_GX_POOL"
	OperationsFund     = "SYSTEM_OPERATIONS_FUND"
	RedistributionPool = "SYSTEM_REDISTRIBUTION_POOL"
)

const (
	systemPrefix   = "SYSTEM_"
	treasuryPrefix = "treasury_"
)

// TreasuryOf returns the account of the national treasury of a country.
func TreasuryOf(countryCode string) string { return treasuryPrefix + countryCode }

// TreasuryCountry returns the country code of a treasury account.
func TreasuryCountry(id string) (code string, ok bool) {
	return strings.CutPrefix(id, treasuryPrefix)
}

// IsSystem reports whether id is in the reserved system namespace.
func IsSystem(id string) bool { return strings.HasPrefix(id, systemPrefix) }

// IsTreasury reports whether id is a national treasury.
func IsTreasury(id string) bool { return strings.HasPrefix(id, treasuryPrefix) }

// IsCollective reports whether id is credited by many parties at once, so that
// the ledger keeps it as delta rows and never as one read-modify-write balance.
func IsCollective(id string) bool { return IsSystem(id) || IsTreasury(id) }

// Pool is a system account with the share of the supply that bootstrap gives it.
type Pool struct {
	Account string
	Name    string // as GetSupplyStatus reports it
	Opening uint64 // Qirat
}

// Pools lists the system pools in the order of domain.md 2.2. Their openings
// sum to qirat.MaxSupply exactly.
var Pools = []Pool{
	{UserGenesisPool, "USER_GENESIS", 577_500_000_000_000_000},
	{GovtGenesisPool, "GOVT_GENESIS", 152_000_000_000_000_000},
	{CharitablePool, "CHARITABLE", 158_000_000_000_000_000},
	{LoanPool, "LOAN", 312_500_000_000_000_000},
	{GXPool, "GX", 31_250_000_000_000_000},
	{OperationsFund, "OPERATIONS", 18_750_000_000_000_000},
	{RedistributionPool, "REDISTRIBUTION", 0},
}
