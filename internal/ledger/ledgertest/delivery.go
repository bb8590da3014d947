package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"gxcoin.money/gx/internal/ledger"
)

func (s *suite) resubmission() {
	k := s.key("k")
	tx := s.endorse("Add", k, "5")
	stored := ledger.Transaction{ID: tx.ID, Bytes: bytes.Clone(tx.Bytes)} // all that an outbox keeps
	first := s.commit(tx)[0]
	for range 3 {
		if again := s.commit(stored)[0]; again != first {
			s.Errorf("the status is %v, first it was %v", again, first)
		}
	}
	s.wantValue(k, "5")

	tx = s.endorse("Add", k, "5")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.ledger.Submit(s.ctx, tx); err != nil {
				s.Errorf("submit: %v", err)
			}
			if st, err := s.ledger.Status(s.ctx, tx.ID); err != nil || st.Code != ledger.Valid {
				s.Errorf("status: %v, %v", st.Code, err)
			}
		})
	}
	wg.Wait()
	s.wantValue(k, "10")

	// An invalid transaction stays invalid.
	a, b := s.endorse("Add", k, "1"), s.endorse("Add", k, "1")
	lost := s.commit(a, b)[1]
	if again := s.commit(b)[0]; again != lost || lost.Code != ledger.ReadConflict {
		s.Errorf("the status is %v, first it was %v", again, lost)
	}

	s.invoke("Put", k, "end")
	seen := make(map[string]int)
	for _, b := range s.read(first.Block, s.height()) {
		for _, t := range b.Txs {
			seen[t.ID]++
		}
	}
	for id, n := range seen {
		if n != 1 && id != "" {
			s.Errorf("transaction %s is recorded %d times", id, n)
		}
	}
}

func (s *suite) foreign() {
	a, b := s.endorse("Put", s.key("a"), "1"), s.endorse("Put", s.key("b"), "1")
	for name, tx := range map[string]ledger.Transaction{
		"no bytes":         {ID: a.ID},
		"garbage":          {ID: a.ID, Bytes: []byte(strings.Repeat("garbage", 50))},
		"cut short":        {ID: a.ID, Bytes: a.Bytes[:len(a.Bytes)/2]},
		"other's bytes":    {ID: a.ID, Bytes: b.Bytes},
		"other's identity": {ID: strings.Repeat("0", 64), Bytes: a.Bytes},
	} {
		if err := s.ledger.Submit(s.ctx, tx); err == nil || errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	s.invoke("Get", s.key("a")) // whatever was accepted has a block now
	s.wantValue(s.key("a"), "")
	s.wantValue(s.key("b"), "")
}

func (s *suite) status() {
	tx := s.endorse("Put", s.key("k"), "1")
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Millisecond)
	defer cancel()
	if st, err := s.ledger.Status(ctx, tx.ID); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("a transaction that was not submitted has status %v, %v", st, err)
	}

	got := make(chan ledger.Status, 4)
	for range cap(got) {
		go func() {
			st, err := s.ledger.Status(s.ctx, tx.ID)
			if err != nil {
				s.Errorf("status: %v", err)
			}
			got <- st
		}()
	}
	want := s.commit(tx)[0]
	for range cap(got) {
		if st := <-got; st != want {
			s.Errorf("one who waited got %v, want %v", st, want)
		}
	}
}

func (s *suite) chain() {
	var fates []ledger.Status
	for range 5 {
		fates = append(fates, s.commit(
			s.endorse("Add", s.key("k"), "1"), s.endorse("Add", s.key("k"), "1"), s.endorse("Put", s.key("l"), "1"))...)
	}
	height := s.height()
	all := s.read(0, height)
	if uint64(len(all)) != height {
		s.Fatalf("%d blocks, but the height is %d", len(all), height)
	}
	prev := []byte{}
	for i, b := range all {
		switch {
		case b.Number != uint64(i):
			s.Fatalf("block %d comes at %d", b.Number, i)
		case i > 0 && !bytes.Equal(b.PrevHash, prev):
			s.Errorf("block %d is not linked to the one before", i)
		case len(b.Hash) == 0 || bytes.Equal(b.Hash, prev):
			s.Errorf("block %d has hash %x", i, b.Hash)
		case len(b.Txs) == 0:
			s.Errorf("block %d is empty", i)
		}
		prev = b.Hash
		for j, tx := range b.Txs {
			if tx.Index != j {
				s.Errorf("block %d has index %d at %d", i, tx.Index, j)
			}
		}
	}
	for i, st := range fates {
		s.recorded(st)
		if i > 0 && (st.Block < fates[i-1].Block || st.Block == fates[i-1].Block && st.Index <= fates[i-1].Index) {
			s.Errorf("submitted in order, but %v comes after %v", st, fates[i-1])
		}
	}
	// A stream from a checkpoint continues the same chain.
	for _, from := range []uint64{0, 1, height / 2, height - 1} {
		for i, b := range s.read(from, height) {
			if want := all[from+uint64(i)]; b.Number != want.Number || !bytes.Equal(b.Hash, want.Hash) || len(b.Txs) != len(want.Txs) {
				s.Errorf("from %d: block %d differs", from, b.Number)
			}
		}
	}
}

func (s *suite) streams() {
	from := s.height()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()

	// A consumer that never comes back for more holds up nobody.
	stuck, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for range s.ledger.Blocks(ctx, 0) {
			close(stuck)
			<-release
			return
		}
	})
	<-stuck

	live := make([]chan ledger.Block, 3)
	for i := range live {
		live[i] = make(chan ledger.Block, 100)
		wg.Go(func() {
			for b, err := range s.ledger.Blocks(ctx, from) {
				if err != nil {
					if !errors.Is(err, context.Canceled) || ctx.Err() == nil {
						s.Errorf("the stream ended with %v", err)
					}
					return
				}
				live[i] <- b
			}
		})
	}
	for range 3 {
		st := s.commit(s.endorse("Put", s.key("k"), "1"))[0]
		for i, ch := range live {
			for found := false; !found; {
				select {
				case b := <-ch:
					found = b.Number == st.Block
				case <-s.ctx.Done():
					s.Fatalf("stream %d did not wake", i)
				}
			}
		}
	}
	close(release)
	cancel()
	wg.Wait()
}
