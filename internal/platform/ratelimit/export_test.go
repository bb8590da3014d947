package ratelimit

// Size returns the number of states that m holds.
func Size(m *Memory) (n int) {
	for i := range m.shards {
		m.shards[i].mu.Lock()
		n += len(m.shards[i].states)
		m.shards[i].mu.Unlock()
	}
	return n
}
