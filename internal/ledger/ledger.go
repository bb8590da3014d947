// Package ledger is the port to the ledger: endorse a proposal, submit the
// endorsed transaction, learn its fate, evaluate a query, and stream blocks
// from a checkpoint. Engines: ledger/embedded and, in production, Fabric. The
// suite in ledger/ledgertest says what every engine must do.
package ledger

import (
	"context"
	"errors"
	"iter"
	"time"

	"gxcoin.money/gx/protocol/role"
)

// Proposal asks the ledger to run one contract function.
type Proposal struct {
	Identity role.Role // signing identity, chosen by the role it carries
	Function string    // "<Contract>:<Function>"
	Args     []string
}

// Transaction is an endorsed transaction, ready to be submitted any number of
// times with one effect. Persist it before the first Submit: if the outcome
// becomes unknown, the same bytes are submitted again.
type Transaction struct {
	ID     string // transaction id, unique on the channel
	Bytes  []byte // opaque to everyone but the engine
	Result []byte // what the function returned when it was endorsed
}

// Code is the verdict of commit validation.
type Code string

const (
	Valid           Code = "VALID"
	ReadConflict    Code = "MVCC_READ_CONFLICT"
	PhantomConflict Code = "PHANTOM_READ_CONFLICT"
	Invalid         Code = "INVALID" // any other reason
)

// Conflict reports whether a new transaction with the same content may succeed.
func (c Code) Conflict() bool { return c == ReadConflict || c == PhantomConflict }

// Status is the recorded fate of a transaction.
type Status struct {
	TxID  string
	Block uint64
	Index int // position in the block
	Code  Code
}

// Event is the one event of a transaction.
type Event struct {
	Name    string
	Payload []byte
}

// BlockTx is a transaction as recorded in a block, valid or not.
type BlockTx struct {
	ID    string // empty when an earlier transaction has the id: it was ordered again
	Index int
	Code  Code
	Time  time.Time // the proposal's timestamp
	Event *Event    // nil without event or when the transaction is not valid
}

// Block is one committed block. Numbers start at 0 and have no gaps.
type Block struct {
	Number   uint64
	PrevHash []byte
	Hash     []byte
	Time     time.Time
	Txs      []BlockTx
}

// Ledger is one channel of one engine. All methods may be called concurrently.
type Ledger interface {
	// Endorse runs the proposal against committed state. Errors: ContractError
	// when the contract refused, ErrUnavailable (wrapped) when nothing happened
	// and the call may be repeated.
	Endorse(ctx context.Context, p Proposal) (Transaction, error)

	// Submit hands the transaction to ordering and returns without waiting for
	// the commit. It may be repeated with the same transaction. After any error
	// the outcome is unknown: the transaction may still commit.
	Submit(ctx context.Context, tx Transaction) error

	// Status waits until the transaction is in a block or ctx ends. For a
	// transaction that never arrives it waits until ctx ends.
	Status(ctx context.Context, txID string) (Status, error)

	// Evaluate runs a query function and returns its result; nothing is written.
	Evaluate(ctx context.Context, p Proposal) ([]byte, error)

	// Height returns the number of blocks on the ledger: the next block's number.
	Height(ctx context.Context) (uint64, error)

	// Blocks yields every block from number from on, in order, waiting for new
	// ones until ctx ends or an error is yielded. The consumer checkpoints.
	Blocks(ctx context.Context, from uint64) iter.Seq2[Block, error]
}

// ErrUnavailable reports that the ledger could not be reached or is overloaded
// and that the call had no effect.
var ErrUnavailable = errors.New("ledger: unavailable")

// ContractError is a refusal by the contract, on Endorse or Evaluate. Message
// has the form "<CODE>: <text>".
type ContractError struct{ Message string }

func (e *ContractError) Error() string { return e.Message }
