package fabric

import (
	"context"
	"sync"
	"time"
)

// heights are how many blocks each peer has, as far as its stream tells.
type heights struct {
	metrics *metrics

	mu      sync.Mutex
	peers   map[*peer]peerHeight
	changed chan struct{} // closed at a change
}

type peerHeight struct {
	blocks    uint64
	connected bool // the stream lives
}

func newHeights(peers []*peer, m *metrics) *heights {
	h := &heights{metrics: m, peers: make(map[*peer]peerHeight), changed: make(chan struct{})}
	for _, p := range peers {
		h.peers[p] = peerHeight{}
	}
	return h
}

func (h *heights) set(p *peer, to peerHeight) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peers[p] == to {
		return
	}
	h.peers[p] = to
	close(h.changed)
	h.changed = make(chan struct{})
	h.metrics.peer(p, to)
}

// await returns when ok holds of the connected peers, or when ctx ends.
func (h *heights) await(ctx context.Context, ok func(connected []uint64) bool) {
	for {
		connected, changed := h.connected()
		if ok(connected) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (h *heights) connected() (blocks []uint64, changed chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.peers {
		if p.connected {
			blocks = append(blocks, p.blocks)
		}
	}
	return blocks, h.changed
}

// awaitBlock waits until every connected peer has a block.
func (h *heights) awaitBlock(ctx context.Context, number uint64) {
	h.await(ctx, func(connected []uint64) bool {
		for _, blocks := range connected {
			if blocks <= number {
				return false
			}
		}
		return true
	})
}

// level reports whether all connected peers have the same blocks.
func (h *heights) level() bool {
	connected, _ := h.connected()
	return same(connected)
}

func same(heights []uint64) bool {
	for _, x := range heights {
		if x != heights[0] {
			return false
		}
	}
	return true
}

// awaitLevel waits for a moment, and then a little longer while the connected
// peers have different blocks.
func (h *heights) awaitLevel(ctx context.Context, moment time.Duration) {
	pause(ctx, moment)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	h.await(ctx, same)
}
