package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"gxcoin.money/gx/internal/platform/clock"
)

const (
	// redisTimeout bounds what a use may cost.
	redisTimeout = 250 * time.Millisecond
	// reconnectEvery bounds how often a Redis that is away is tried.
	reconnectEvery = time.Second
)

// errAway reports that there is no connection at the moment.
var errAway = errors.New("ratelimit: Redis is not connected")

// takeScript is Take: ARGV holds the time, then interval and window of the limit
// of each key. It returns whether the use is allowed and the state of each key.
var takeScript = rueidis.NewLuaScript(`
local now, allowed, states, nexts = tonumber(ARGV[1]), 1, {}, {}
for i, key in ipairs(KEYS) do
	local interval, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
	states[i] = math.max(tonumber(redis.call('GET', key) or 0), now)
	nexts[i] = states[i] + interval
	if nexts[i] - now > window then allowed = 0 end
end
if allowed == 1 then
	states = nexts
	for i, key in ipairs(KEYS) do
		redis.call('SET', key, string.format('%.0f', nexts[i]), 'PX', math.ceil((nexts[i] - now) / 1000))
	end
end
local out = {allowed}
for i, state in ipairs(states) do out[i + 1] = state end
return out`)

// refundScript is Refund, with the same arguments.
var refundScript = rueidis.NewLuaScript(`
for i, key in ipairs(KEYS) do
	local state = tonumber(redis.call('GET', key) or 0)
	if state > 0 then redis.call('SET', key, string.format('%.0f', state - tonumber(ARGV[2 * i])), 'KEEPTTL') end
end
return 0`)

// Redis counts for all processes that use the same Redis. It connects when it
// is first used, and again when it has to.
type Redis struct {
	option rueidis.ClientOption
	clock  clock.Clock

	client atomic.Pointer[rueidis.Client] // nil until there was a connection
	mu     sync.Mutex
	tried  time.Time
}

// NewRedis reads an address such as redis://:password@host:6379/0.
func NewRedis(address string, c clock.Clock) (*Redis, error) {
	o, err := rueidis.ParseURL(address)
	if err != nil {
		return nil, errors.New("ratelimit: the address of Redis is not of the form redis://[[USER]:PASSWORD@]HOST:PORT[/DATABASE]") // the parser's error may hold the password
	}
	o.DisableCache, o.DisableRetry, o.ForceSingleClient = true, true, true
	o.ConnWriteTimeout, o.Dialer = redisTimeout, net.Dialer{Timeout: redisTimeout, KeepAlive: 15 * time.Second}
	return &Redis{option: o, clock: c}, nil
}

// Close gives the connection up.
func (r *Redis) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if client := r.client.Swap(nil); client != nil {
		(*client).Close()
	}
}

// connection returns the client, which looks after its connection by itself once
// it had one. While one caller connects for the first time the others go on without.
func (r *Redis) connection() (rueidis.Client, error) {
	if client := r.client.Load(); client != nil {
		return *client, nil
	}
	if !r.mu.TryLock() {
		return nil, errAway
	}
	defer r.mu.Unlock()
	if time.Since(r.tried) < reconnectEvery {
		return nil, errAway
	}
	r.tried = time.Now()
	client, err := rueidis.NewClient(r.option)
	if err != nil {
		return nil, fmt.Errorf("ratelimit: connect to Redis: %w", err)
	}
	r.client.Store(&client)
	return client, nil
}

// Take implements Limiter.
func (r *Redis) Take(ctx context.Context, key string, limits ...Limit) (Decision, error) {
	now := r.clock().UnixMicro()
	out, err := r.run(ctx, takeScript, now, key, limits)
	if err != nil {
		return Decision{}, err
	}
	if len(out) != len(limits)+1 {
		return Decision{}, fmt.Errorf("ratelimit: Redis answers %d values for %d limits", len(out), len(limits))
	}
	return decide(now, out[0] == 1, limits, out[1:]), nil
}

// Refund implements Limiter.
func (r *Redis) Refund(ctx context.Context, key string, limits ...Limit) error {
	_, err := r.run(ctx, refundScript, r.clock().UnixMicro(), key, limits)
	return err
}

func (r *Redis) run(ctx context.Context, script *rueidis.Lua, now int64, key string, limits []Limit) ([]int64, error) {
	client, err := r.connection()
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(limits))
	args := []string{strconv.FormatInt(now, 10)}
	for i, l := range limits {
		// The braces keep the keys of a client on one node of a cluster.
		keys[i] = "gx:rate:{" + key + "}:" + l.Name
		args = append(args, strconv.FormatInt(l.interval(), 10), strconv.FormatInt(l.window(), 10))
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	result := script.Exec(ctx, client, keys, args)
	if err := result.Error(); err != nil {
		return nil, fmt.Errorf("ratelimit: ask Redis: %w", err)
	}
	if script == refundScript {
		return nil, nil
	}
	values, err := result.AsIntSlice()
	if err != nil {
		return nil, fmt.Errorf("ratelimit: ask Redis: %w", err)
	}
	return values, nil
}
