package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/lease"
)

// Lease is the name under which one sealer leads.
const Lease = "audit"

// block bounds the records of one transaction.
const block = 1000

// Options of a sealer. Holder is required.
type Options struct {
	Holder     string        // unique among living processes
	Every      time.Duration // between looks for new records; 1 s when zero
	Log        *slog.Logger
	Clock      clock.Clock
	Registerer prometheus.Registerer // may be nil
}

// Sealer moves records into the chain.
type Sealer struct {
	pool    *pgxpool.Pool
	o       Options
	sealed  prometheus.Counter
	pending prometheus.Gauge
	age     prometheus.Gauge
}

// NewSealer returns a sealer on a pool with the role gx_sealer.
func NewSealer(pool *pgxpool.Pool, o Options) (*Sealer, error) {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	s := &Sealer{pool: pool, o: o,
		sealed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "gx_audit_sealed_total", Help: "Records put into the chain by this process."}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{Name: "gx_audit_pending", Help: "Records that are not in the chain yet, as the sealer last saw."}),
		age:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "gx_audit_pending_age_seconds", Help: "Age of the first of them, as the sealer last saw."}),
	}
	if o.Registerer != nil {
		for _, c := range []prometheus.Collector{s.sealed, s.pending, s.age} {
			if err := o.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("audit: register metrics: %w", err)
			}
		}
	}
	return s, nil
}

// Run seals whenever it leads, until ctx ends, whose error it returns.
func (s *Sealer) Run(ctx context.Context) error {
	return lease.Run(ctx, s.pool, lease.Options{Name: Lease, Holder: s.o.Holder, Log: s.o.Log, Clock: s.o.Clock}, s.lead)
}

func (s *Sealer) lead(ctx context.Context, t lease.Term) error {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		for n := block; n == block; {
			var err error
			if n, err = s.Seal(ctx, t); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Seal moves the next block of records into the chain and returns their number.
// It proves the term; the chain would not fork without it either, since a
// sequence is given once.
func (s *Sealer) Seal(ctx context.Context, t lease.Term) (n int, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := t.Assert(ctx, tx); err != nil {
			return err
		}
		entries, err := s.next(ctx, tx)
		if n = len(entries); err != nil || n == 0 {
			return err
		}
		return move(ctx, tx, entries)
	})
	if err != nil {
		return 0, fmt.Errorf("audit: seal: %w", err)
	}
	s.sealed.Add(float64(n))
	return n, nil
}

// next reads the block and tells the metrics what is waiting.
func (s *Sealer) next(ctx context.Context, tx pgx.Tx) ([]entry, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM app.audit_pending ORDER BY position LIMIT $1`, block)
	if err != nil {
		return nil, err
	}
	entries, err := pgx.CollectRows(rows, scanEntry)
	if err != nil {
		return nil, err
	}
	s.pending.Set(float64(len(entries)))
	s.age.Set(0)
	if len(entries) > 0 {
		s.age.Set(max(0, s.o.Clock().Sub(entries[0].At).Seconds()))
	}
	return entries, nil
}

func move(ctx context.Context, tx pgx.Tx, entries []entry) error {
	var head Head
	var hash []byte
	if err := tx.QueryRow(ctx, `SELECT sequence, hash FROM app.audit_head FOR UPDATE`).Scan(&head.Sequence, &hash); err != nil {
		return err
	}
	head.Hash = Hash(hash)
	positions := make([]int64, len(entries))
	rows := make([][]any, len(entries))
	for i := range entries {
		prev, next := head, head.follow(&entries[i])
		positions[i] = entries[i].Position
		rows[i] = append(entries[i].values(), next.Sequence, prev.Hash[:], next.Hash[:])
		head = next
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"app", "audit"}, copyColumns, pgx.CopyFromRows(rows)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM app.audit_pending WHERE position = ANY ($1)`, positions); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE app.audit_head SET sequence = $1, hash = $2`, head.Sequence, head.Hash[:])
	return err
}

var copyColumns = []string{"position", "at", "actor", "role", "session_id", "action", "resource_type", "resource_id", "approval_id", "request_id",
	"address", "user_agent", "detail", "sequence", "prev_hash", "hash"}
