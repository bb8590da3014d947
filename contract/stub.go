package contract

import (
	"time"

	"gxcoin.money/gx/protocol/role"
)

// Stub is what a contract may ask of the ledger engine during one transaction.
// Both engines implement it with Fabric's semantics: reads see committed state
// only (never the transaction's own writes), every read is validated again at
// commit, and only the last event set is kept. A Stub serves one transaction
// and one goroutine.
type Stub interface {
	// TxID is the transaction's identifier, known before it is endorsed.
	TxID() string
	// Time is the proposal's timestamp in UTC; it is the contracts' only clock.
	Time() time.Time
	// Channel is the ledger's name.
	Channel() string
	// Caller is the verified identity that signed the proposal.
	Caller() Caller

	// Get returns the committed value of a key, nil when absent.
	Get(key string) ([]byte, error)
	// GetMany returns the committed values of keys in one round trip, nil where absent.
	GetMany(keys []string) ([][]byte, error)
	// Scan calls yield for every committed key k with start <= k < end in key order, until it returns
	// false or, when limit > 0, limit keys were seen. A limited scan is for
	// queries only: the engine need not protect it against phantoms.
	Scan(start, end string, limit int, yield func(key string, value []byte) bool) error

	// Put sets a key at commit. An empty value is refused.
	Put(key string, value []byte) error
	// Delete removes a key at commit.
	Delete(key string) error
	// SetEvent sets the transaction's one event; a later call replaces it.
	SetEvent(name string, payload []byte) error
}

// Caller is the identity behind a transaction.
type Caller struct {
	MSP  string    // membership service provider, for example "Org1MSP"
	Role role.Role // certificate attribute gxc_role; empty when absent
	User string    // certificate attribute gxc_user: pins the actor when present
	ID   string    // canonical identity string, hashed into the event envelope
}

// Chaincode is the entry point an engine runs for one transaction: function is
// "<Contract>:<Function>" and args are its string arguments. An error aborts
// the transaction: nothing is written and no event is sent.
type Chaincode func(stub Stub, function string, args []string) ([]byte, error)
