package ratelimit

import (
	"context"
	"hash/maphash"
	"sync"

	"gxcoin.money/gx/internal/platform/clock"
)

const (
	shards = 64
	// shardSize bounds the memory that clients can make us use.
	shardSize = 4096
)

// Memory counts within this process.
type Memory struct {
	clock  clock.Clock
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex
	states map[string]int64
}

// NewMemory returns a limiter that forgets with this process.
func NewMemory(c clock.Clock) *Memory {
	m := &Memory{clock: c, seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].states = map[string]int64{}
	}
	return m
}

// Take implements Limiter.
func (m *Memory) Take(_ context.Context, key string, limits ...Limit) (Decision, error) {
	now := m.clock().UnixMicro()
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	states, next := make([]int64, len(limits)), make([]int64, len(limits))
	allowed := true
	for i, l := range limits {
		var ok bool
		states[i] = s.states[l.key(key)]
		next[i], ok = l.spent(states[i], now)
		allowed = allowed && ok
	}
	if allowed {
		s.makeRoom(now)
		for i, l := range limits {
			s.states[l.key(key)] = next[i]
		}
		states = next
	}
	return decide(now, allowed, limits, states), nil
}

// Refund implements Limiter.
func (m *Memory) Refund(_ context.Context, key string, limits ...Limit) error {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range limits {
		if state, ok := s.states[l.key(key)]; ok {
			s.states[l.key(key)] = state - l.interval()
		}
	}
	return nil
}

func (m *Memory) shard(key string) *shard { return &m.shards[maphash.String(m.seed, key)%shards] }

// makeRoom drops states that say nothing any more, and when that is not enough
// any: who floods us with clients pays with what we know of them.
func (s *shard) makeRoom(now int64) {
	if len(s.states) < shardSize {
		return
	}
	for key, state := range s.states {
		if state <= now {
			delete(s.states, key)
		}
	}
	for key := range s.states {
		if len(s.states) <= shardSize/2 {
			return
		}
		delete(s.states, key)
	}
}

func (l Limit) key(key string) string { return key + " " + l.Name }
