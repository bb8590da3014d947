// Package ledgertest is the conformance suite of package ledger: what holds of
// every engine. It needs nothing but the port and a chaincode of its own.
package ledgertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/protocol/role"
)

// patience bounds everything that must happen.
const patience = time.Minute

// Run tests an engine. It opens one ledger that runs cc; the ledger may have
// blocks of its own already. Transactions of others would disturb the suite.
func Run(t *testing.T, open func(t *testing.T, cc contract.Chaincode) ledger.Ledger) {
	l := open(t, chaincode)
	for _, test := range []struct {
		name string
		run  func(s *suite)
	}{
		{"reads see committed state only", (*suite).readsCommitted},
		{"the stub knows the proposal", (*suite).context},
		{"conflicting reads", (*suite).readConflicts},
		{"blind writes do not conflict", (*suite).blindWrites},
		{"phantoms", (*suite).phantoms},
		{"an invalid transaction is recorded without effect", (*suite).invalid},
		{"events", (*suite).events},
		{"a refusal leaves nothing", (*suite).refusal},
		{"evaluation leaves nothing", (*suite).evaluation},
		{"limits of the stub", (*suite).limits},
		{"keys and their order", (*suite).keys},
		{"composite keys", (*suite).composite},
		{"large values", (*suite).large},
		{"resubmission", (*suite).resubmission},
		{"foreign bytes are refused", (*suite).foreign},
		{"status waits", (*suite).status},
		{"the chain", (*suite).chain},
		{"streams", (*suite).streams},
		{"concurrent transfers", (*suite).transfers},
		{"a concurrent history equals a serial one", (*suite).serial},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			test.run(&suite{T: t, ctx: ctx, ledger: l, prefix: t.Name() + "/"})
		})
	}
}

// suite is one test. Its keys begin with prefix, so that tests share a ledger.
type suite struct {
	*testing.T
	ctx    context.Context
	ledger ledger.Ledger
	prefix string
}

func (s *suite) key(name string) string { return s.prefix + name }

// span returns the bounds of all keys that begin with prefix and name.
func (s *suite) span(name string) (start, end string) {
	return s.prefix + name, s.prefix + name + "\U0010ffff"
}

func proposal(function string, args []string) ledger.Proposal {
	return ledger.Proposal{Identity: role.Admin, Function: "Test:" + function, Args: args}
}

func (s *suite) endorse(function string, args ...string) ledger.Transaction {
	s.Helper()
	tx, err := s.ledger.Endorse(s.ctx, proposal(function, args))
	if err != nil {
		s.Fatalf("endorse %s: %v", function, err)
	}
	return tx
}

// commit submits transactions in order and returns their statuses.
func (s *suite) commit(txs ...ledger.Transaction) []ledger.Status {
	s.Helper()
	for _, tx := range txs {
		if err := s.ledger.Submit(s.ctx, tx); err != nil {
			s.Fatalf("submit: %v", err)
		}
	}
	return s.fates(txs...)
}

func (s *suite) fates(txs ...ledger.Transaction) (out []ledger.Status) {
	s.Helper()
	for _, tx := range txs {
		st, err := s.ledger.Status(s.ctx, tx.ID)
		if err != nil {
			s.Fatalf("status: %v", err)
		}
		if st.TxID != tx.ID {
			s.Fatalf("the status of %s names %s", tx.ID, st.TxID)
		}
		out = append(out, st)
	}
	return out
}

// invoke commits one transaction, which must be valid, and returns its result.
func (s *suite) invoke(function string, args ...string) string {
	s.Helper()
	tx := s.endorse(function, args...)
	if st := s.commit(tx)[0]; st.Code != ledger.Valid {
		s.Fatalf("%s: %s, want VALID", function, st.Code)
	}
	return string(tx.Result)
}

func (s *suite) evaluate(function string, args ...string) string {
	s.Helper()
	out, err := s.ledger.Evaluate(s.ctx, proposal(function, args))
	if err != nil {
		s.Fatalf("evaluate %s: %v", function, err)
	}
	return string(out)
}

func (s *suite) wantValue(key, want string) {
	s.Helper()
	if got := s.evaluate("Get", key); got != want {
		s.Fatalf("%s is %.100q, want %.100q", strings.TrimPrefix(key, s.prefix), got, want)
	}
}

func (s *suite) wantCodes(got []ledger.Status, want ...ledger.Code) {
	s.Helper()
	for i, st := range got {
		if st.Code != want[i] {
			s.Fatalf("transaction %d is %s, want %s", i, st.Code, want[i])
		}
	}
}

func (s *suite) height() uint64 {
	s.Helper()
	h, err := s.ledger.Height(s.ctx)
	if err != nil {
		s.Fatalf("height: %v", err)
	}
	return h
}

// read returns the blocks from number from to below to, waiting for them.
func (s *suite) read(from, to uint64) (blocks []ledger.Block) {
	s.Helper()
	if from >= to {
		return nil
	}
	for b, err := range s.ledger.Blocks(s.ctx, from) {
		if err != nil {
			s.Fatalf("blocks: %v", err)
		}
		blocks = append(blocks, b)
		if b.Number+1 >= to {
			break
		}
	}
	return blocks
}

// recorded returns the transaction as the block says it is.
func (s *suite) recorded(st ledger.Status) ledger.BlockTx {
	s.Helper()
	b := s.read(st.Block, st.Block+1)[0]
	if st.Index >= len(b.Txs) || b.Txs[st.Index].ID != st.TxID {
		s.Fatalf("block %d has no transaction %s at %d", st.Block, st.TxID, st.Index)
	}
	tx := b.Txs[st.Index]
	if tx.Code != st.Code || tx.Index != st.Index {
		s.Fatalf("the block says %s at %d, the status %s at %d", tx.Code, tx.Index, st.Code, st.Index)
	}
	return tx
}
