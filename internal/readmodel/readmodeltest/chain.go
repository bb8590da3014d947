// Package readmodeltest is a ledger for tests of the read side: a chain of
// blocks in memory, and an economy that writes consistent events into it and
// knows the balances that must come out.
package readmodeltest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"
	"sync"
	"time"

	"gxcoin.money/gx/internal/ledger"
)

// Epoch is the time of block 0; each block is a second later.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Chain is a block stream. It implements the reading half of ledger.Ledger;
// the writing half panics. It may be used by several goroutines.
type Chain struct {
	ledger.Ledger

	mu     sync.Mutex
	blocks []ledger.Block
	grown  chan struct{} // closed when a block arrives
	fail   error         // returned instead of anything
}

// NewChain returns an empty chain.
func NewChain() *Chain { return &Chain{grown: make(chan struct{})} }

// Append commits a block. Transactions get their index, and their time when
// they have none.
func (c *Chain) Append(txs ...ledger.BlockTx) ledger.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := ledger.Block{Number: uint64(len(c.blocks)), PrevHash: []byte{}, Txs: txs}
	b.Time = Epoch.Add(time.Duration(b.Number) * time.Second)
	if b.Number > 0 {
		b.PrevHash = c.blocks[b.Number-1].Hash
	}
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, b.Number))
	h.Write(b.PrevHash)
	for i := range b.Txs {
		b.Txs[i].Index = i
		if b.Txs[i].Time.IsZero() {
			b.Txs[i].Time = b.Time
		}
		h.Write([]byte(b.Txs[i].ID))
	}
	b.Hash = h.Sum(nil)
	c.blocks = append(c.blocks, b)
	close(c.grown)
	c.grown = make(chan struct{})
	return b
}

// Block returns a committed block.
func (c *Chain) Block(number uint64) ledger.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks[number]
}

// Forge replaces a committed block as it is, hashes and all.
func (c *Chain) Forge(number uint64, b ledger.Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks[number] = b
}

// Fail makes every call fail with err from now on; nil ends that.
func (c *Chain) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
	close(c.grown)
	c.grown = make(chan struct{})
}

// Height implements ledger.Ledger.
func (c *Chain) Height(context.Context) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.blocks)), c.fail
}

// Blocks implements ledger.Ledger.
func (c *Chain) Blocks(ctx context.Context, from uint64) iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		for next := from; ; {
			c.mu.Lock()
			grown, err := c.grown, c.fail
			var ready []ledger.Block
			if next < uint64(len(c.blocks)) {
				ready = slices.Clone(c.blocks[next:]) // one may be forged
			}
			c.mu.Unlock()
			if err != nil {
				yield(ledger.Block{}, err)
				return
			}
			for _, b := range ready {
				next++
				if !yield(b, nil) {
					return
				}
			}
			if len(ready) > 0 {
				continue
			}
			select {
			case <-ctx.Done():
				yield(ledger.Block{}, ctx.Err())
				return
			case <-grown:
			}
		}
	}
}
