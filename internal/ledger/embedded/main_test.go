package embedded

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/protocol/role"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a ledger on a database until the test or the returned function ends it.
func start(t testing.TB, db pgtest.Database, cc contract.Chaincode, o Options) (*Ledger, func()) {
	t.Helper()
	l := New(db.Pool(t, "gx_ledger"), cc, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return l, stop
}

// operations is a chaincode: each function name is a step on keys.
func operations(s contract.Stub, function string, args []string) ([]byte, error) {
	switch function {
	case "put":
		for ; len(args) > 0; args = args[2:] {
			if err := s.Put(args[0], []byte(args[1])); err != nil {
				return nil, err
			}
		}
		return nil, s.SetEvent("Put", []byte("payload of "+s.TxID()))
	case "replace":
		old, err := s.Get(args[0])
		if err != nil {
			return nil, err
		}
		return old, s.Put(args[0], []byte(args[1]))
	case "append":
		old, err := s.Get(args[0])
		if err != nil {
			return nil, err
		}
		return nil, s.Put(args[0], append(old, 'x'))
	case "scan":
		var keys []byte
		err := s.Scan(args[0], args[1], 0, func(key string, value []byte) bool {
			keys = append(keys, key+" "...)
			return true
		})
		return keys, err
	case "first":
		if err := s.Scan(args[0], args[1], 1, func(key string, value []byte) bool { return true }); err != nil {
			return nil, err
		}
		return nil, s.Put(args[2], []byte("seen"))
	case "panic":
		var m map[string]int
		m["x"]++
	}
	return nil, errors.New("NOT_FOUND: " + function)
}

func endorse(t testing.TB, l ledger.Ledger, function string, args ...string) ledger.Transaction {
	t.Helper()
	tx, err := l.Endorse(t.Context(), ledger.Proposal{Identity: role.Admin, Function: function, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func settle(t testing.TB, l ledger.Ledger, tx ledger.Transaction) ledger.Status {
	t.Helper()
	if err := l.Submit(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	s, err := l.Status(t.Context(), tx.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func invoke(t testing.TB, l ledger.Ledger, function string, args ...string) ledger.Status {
	t.Helper()
	return settle(t, l, endorse(t, l, function, args...))
}

func verify(t testing.TB, l *Ledger) uint64 {
	t.Helper()
	height, err := l.VerifyChain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return height
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}
